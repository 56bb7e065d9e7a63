"""What a run leaves: one `Record` a trial, one `Throughput` a cell, one `Run` a folder.

What the claims time beside that are `StepTimes`.

They are written as JSON, whole or not at all, and every table and picture is derived from them.
A key unknown to a model, or a `format` of another number, is an error: see `lagbench.run.store`.
"""

from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT: Final = 2
MAX_BACKGROUND_CORES = 0.5  # that other processes may keep busy during a measurement

CellId = tuple[str, str, int]  # architecture, task, length
Key = Annotated[str, Field(pattern=r"^[\w-]+$")]  # a hash, which names a file


class Status(StrEnum):
    """How a trial ended."""

    OK = "ok"
    UNSUPPORTED = "unsupported"  # the architecture cannot run the task; the reason says why
    DIVERGED = "diverged"  # its loss left the finite numbers; its neighbours went on
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    FAILED = "failed"

    @classmethod
    def failures(cls) -> tuple["Status", ...]:
        """The statuses of trials that may be tried again."""
        return cls.FAILED, cls.TIMEOUT, cls.OUT_OF_MEMORY


class Execution(StrEnum):
    """How the replicas of a cell run."""

    VMAP = "vmap"  # all at once, under `torch.func.vmap`
    LOOP = "loop"  # one after another


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Point(_Frozen):
    """One evaluation on the validation split during training."""

    step: int
    examples: int  # training examples seen so far
    train_loss: float  # mean since the point before
    validation_loss: float
    validation_metric: float  # in the task's metric
    validation_score: float  # 0 is chance, 1 is the optimum
    gradient_norm: float  # mean before clipping, since the point before
    clip_fraction: float  # share of steps whose gradient was clipped, since the point before


class ProbeValue(_Frozen):
    """One value of a probe's curve: `x` is a lag, a length or an index, as the probe says."""

    probe: str
    x: float
    value: float
    count: int = 1  # how many targets the value is a mean of


class AttentionMap(_Frozen):
    """The attention of one layer to one test example, a mean over heads."""

    example: int  # its place in the test split
    layer: int
    queries: tuple[str, ...]  # what each looks from, as a person reads it
    keys: tuple[str, ...]  # what it may look at
    weights: tuple[tuple[int, ...], ...]  # of each key, for each query, in thousandths


class Record(_Frozen):
    """One trial: what decided it, how it ended, what it reached. None: not measured."""

    format: Literal[2] = FORMAT
    suite: str
    trial: Key  # hash of all that decides the trial
    cell: Key  # hash shared by the trials that trained together
    architecture: str
    architecture_fields: dict[str, Any]
    task: str
    task_fields: dict[str, Any]
    task_version: int
    length: int
    seed: int
    learning_rate: float | None  # None: its cell came to nothing before one was chosen
    status: Status
    reason: str | None = None
    tuning: bool = False  # its seed only helped to choose the learning rate; no test for it
    selected: bool = False  # its learning rate won on validation; only then is test scored
    plan: str | None = None
    recipe: dict[str, Any]
    budget: dict[str, Any]
    alignment: str
    metric: str
    chance: float
    optimum: float
    execution: str | None = None  # "vmap" or "loop"
    execution_reason: str | None = None  # why its replicas ran in a loop
    parameters: int | None = None
    width: int | None = None
    budget_error: float | None = None  # (what it has - the budget) / the budget
    steps: int | None = None
    steps_to_solve: int | None = None  # first evaluation at or above the recipe's solved score
    train_loss: float | None = None
    validation_score: float | None = None  # of the weights that are scored on test
    test_loss: float | None = None
    test_metric: float | None = None
    accuracy: float | None = None  # share of counted targets; None for a regression
    exact_match: float | None = None  # share of examples with every counted target right
    score: float | None = None  # on test: (metric - chance) / (optimum - chance)
    gradient_norm: float | None = None
    clip_fraction: float | None = None
    gradient_half_life: float | None = None  # steps back that halve the gradient; inf: none do
    gradient_half_life_fit: float | None = None  # R² of the exponential that it is read off
    influence_reach: float | None = None  # lag up to which influence is half of the oracle's
    extrapolation_score: float | None = None  # score at twice the length
    wall_seconds: float | None = None  # of its cell, divided by the number of replicas
    commit: str | None = None
    torch: str
    device: str
    curve: tuple[Point, ...] = ()
    probes: tuple[ProbeValue, ...] = ()
    unsupported_probes: dict[str, str] = Field(default_factory=dict)  # why a probe measured nothing
    attention_maps: tuple[AttentionMap, ...] = ()
    deep_probes: tuple[str, ...] = ()  # whose values come from `lagbench probe --deep`

    @property
    def cell_id(self) -> CellId:
        """Where its cell stands in a table."""
        return self.architecture, self.task, self.length


class Throughput(_Frozen):
    """Speed of one untrained model of a cell's size, measured apart from training."""

    format: Literal[2] = FORMAT
    architecture: str
    task: str
    length: int
    batch: int
    tokens_per_example: int  # source and target steps that the model reads
    train_tokens_per_second: float
    inference_tokens_per_second: float
    train_relative: float  # to the reference model, measured in turn in the same process
    inference_relative: float
    device: str
    # Bounds are the quartiles of the rounds.
    train_tokens_per_second_low: float | None = None
    train_tokens_per_second_high: float | None = None
    inference_tokens_per_second_low: float | None = None
    inference_tokens_per_second_high: float | None = None
    decode_ms_per_token: float | None = None  # of one answer, its source read before; else None
    decode_ms_per_token_low: float | None = None
    decode_ms_per_token_high: float | None = None
    peak_memory_bytes: int | None = None  # of PyTorch's allocator, in a training step
    flops_per_token: float | None = None  # of a forward pass
    state_bytes: int | None = None  # for one example, at the end; None: it reads all at once
    other_cores: float | None = None  # how many cores other processes kept busy meanwhile

    @property
    def undisturbed(self) -> bool | None:
        """Whether other processes kept less than half a core busy meanwhile; None: not known."""
        return None if self.other_cores is None else self.other_cores < MAX_BACKGROUND_CORES


class StepTime(_Frozen):
    """How long a training step takes for each token that it reads, timed round by round."""

    architecture: str
    task: str
    length: int
    batch: int
    width: int
    parameters: int
    seconds_per_token: tuple[float, ...]  # a forward and a backward pass, one value a round
    torch: str
    device: str


class StepTimes(_Frozen):
    """The timings of one sitting, taken in turn."""

    format: Literal[2] = FORMAT
    step_times: tuple[StepTime, ...]
    other_cores: float  # how many cores other processes kept busy meanwhile


class Run(_Frozen):
    """How a folder of results came about."""

    format: Literal[2] = FORMAT
    suite: str
    description: str
    command: str
    started: str  # ISO 8601, UTC
    seconds: float  # wall clock, all sittings together
    versions: dict[str, str]
    commit: str | None
    machine: str
    workers: int | None  # None: as many as a cluster had room for
    reported: bool = False  # its tables and reports are written, and say all of this
    cells: tuple[Key, ...]  # the cells to report: the latest of each architecture, task and length
