"""The contract between architectures, tasks and the engine: the one file an author reads.

A *task* is a pure sampler of batches at a length. An *architecture* is a frozen dataclass that
builds a *core*: a `Mixer`, which maps a sequence to a sequence of the same length, or a
`Transducer`, an encoder–decoder that maps a source and a prefix of the target to the next targets.
Neither knows the other, nor the trainer, nor the trackers: `lagbench.spec.pairing` pairs them.

Shapes: `B` batch, `T` source steps, `U` target steps, `D` width, `V` vocabulary. Batch first.
Padding, where there is any, stands at the end of a sequence, never before or between.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

import torch
from torch import Tensor, nn


class UserError(ValueError):
    """What somebody asked for cannot be done; the message is one sentence for that person."""


# --- spaces -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tokens:
    """Symbols `0 … size - 1`; a sequence is an int64 tensor `(B, T)`.

    `end` is the symbol that closes a target of variable length, where there is one: decoding
    stops there, and it counts as a target like any other.
    """

    size: int
    end: int | None = None


@dataclass(frozen=True)
class Reals:
    """Vectors of real numbers; a sequence is a float32 tensor `(B, T, width)`."""

    width: int = 1


@dataclass(frozen=True)
class Frames:
    """Images; a sequence is a float32 or float16 tensor `(B, T, channels, height, width)`.

    Half precision, where it is exact, keeps data small: a model reads either in single precision.
    """

    channels: int
    height: int
    width: int


Space = Tokens | Reals | Frames


# --- tasks ------------------------------------------------------------------------------------


class Alignment(StrEnum):
    """How the targets lie against the source."""

    POOLED = "pooled"  # many-to-one: one target for the whole source, U = 1
    ALIGNED = "aligned"  # many-to-many in step: a target at every step, U = T
    FREE = "free"  # any length to any length: one-to-many, sequence-to-sequence


class Split(StrEnum):
    """Which of the three disjoint streams of examples is drawn from."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True)
class Metric:
    """What a task is scored by: a mean over the targets that count.

    name: how records call it.
    optimum: its best value.
    higher_is_better: whether the optimum is its largest value.
    contribution: from answers and targets `(…, U)` or `(…, U, W)`, what each target contributes,
        `(…, U)`, in double precision.
    constant: from targets of a space and a mask `(B, U)` of those that count, the best answer at
        each position that does not depend on the source: `(U)`, `(U, W)` or `(U, V)`.
    target: the space of the targets.
    log_probabilities: whether answers are log-probabilities in nats `(…, U, V)`, instead of tokens
        or values.
    loss_unit: the metric is the training loss divided by this; None: it is another quantity.
    """

    name: str
    optimum: float
    higher_is_better: bool
    contribution: Callable[[Tensor, Tensor], Tensor]
    constant: Callable[[Space, Tensor, Tensor], Tensor]
    target: type[Tokens] | type[Reals] = Tokens
    log_probabilities: bool = False
    loss_unit: float | None = None

    ACCURACY: ClassVar["Metric"]  # share of targets that are right
    MSE: ClassVar["Metric"]  # mean squared error over targets and their width
    BITS: ClassVar["Metric"]  # cross-entropy in bits

    def __call__(self, answers: Tensor, target: Tensor, target_mask: Tensor | None) -> float:
        """The metric of answers; NaN where no target counts."""
        contributions = self.contribution(answers, target)
        return contributions[slice(None) if target_mask is None else target_mask].mean().item()


def _frequencies(space: Space, target: Tensor, mask: Tensor) -> Tensor:
    """How often each token is the target at a position, `(U, V)`."""
    assert isinstance(space, Tokens)
    columns = zip(target.T, mask.T, strict=True)
    return torch.stack([torch.bincount(c[known], minlength=space.size) for c, known in columns])


def _mean_value(_: Space, target: Tensor, mask: Tensor) -> Tensor:
    weight = mask[..., None].double()
    return (target * weight).sum(0) / weight.sum(0).clamp(min=1)


def _log_frequencies(space: Space, target: Tensor, mask: Tensor) -> Tensor:
    """Smoothed as by Krichevsky and Trofimov: no token is impossible."""
    smoothed = _frequencies(space, target, mask) + 0.5
    return (smoothed / smoothed.sum(1, keepdim=True)).double().log()


Metric.ACCURACY = Metric(
    "accuracy",
    optimum=1.0,
    higher_is_better=True,
    contribution=lambda answers, target: (answers == target).double(),
    constant=lambda space, target, mask: _frequencies(space, target, mask).argmax(1),
)
Metric.MSE = Metric(
    "mse",
    optimum=0.0,
    higher_is_better=False,
    contribution=lambda answers, target: (answers.double() - target.double()).square().mean(-1),
    constant=_mean_value,
    target=Reals,
    loss_unit=1.0,
)
Metric.BITS = Metric(
    "bits",
    optimum=0.0,
    higher_is_better=False,
    contribution=lambda log_probabilities, target: (
        -(log_probabilities.double().gather(-1, target[..., None])[..., 0]) / math.log(2)
    ),
    constant=_log_frequencies,
    log_probabilities=True,
    loss_unit=math.log(2),
)


@dataclass(frozen=True)
class Signature:
    """What a task reads and writes at one length.

    `causal` says that target `t` may depend on the source up to step `t` alone, so that a model
    that sees later steps would be cheating (only `ALIGNED` tasks set it). `steps` and
    `target_steps` are the longest source and target; `padded` says whether shorter ones occur.
    """

    source: Space
    target: Space
    alignment: Alignment
    steps: int
    target_steps: int = 1
    causal: bool = False
    padded: bool = False


@dataclass(frozen=True)
class Batch:
    """`B` examples.

    source: as its space says, `(B, T)`, `(B, T, W)` or `(B, T, C, H, W)`.
    target: likewise with `U` steps; `POOLED` targets have `U = 1`.
    source_mask: `(B, T)` bool, true on real steps and false on padding; None: all are real.
    target_mask: `(B, U)` bool, true where the target is asked for; None: everywhere.
    lag: `(B, U)` int64: how many steps before the step that answers lies the source step that
        decides the answer; -1 where no single step decides. The step that answers is the last
        real source step for `POOLED`, step `u` for `ALIGNED`, and step `n + u` for `FREE`, where
        `n` is the number of real source steps (so the first answer is given one step after the
        source has ended). None: the task has no lags.
    """

    source: Tensor
    target: Tensor
    source_mask: Tensor | None = None
    target_mask: Tensor | None = None
    lag: Tensor | None = None


@dataclass(frozen=True)
class DisplayNames:
    """What a person reads a task's examples by.

    source, target: what the symbols are called, or the coordinates of vectors of zeros and ones;
        empty: they are shown as numbers.
    row: how many steps make a row of the picture that the source is, pixel by pixel; 0: it is none.
    """

    source: Sequence[str] = ()
    target: Sequence[str] = ()
    row: int = 0


@dataclass(frozen=True)
class Task(ABC):
    """A task: a frozen dataclass whose fields are its difficulty axes.

    Class docstring: what it asks, an example of its data, what its length means, its source.
    `version` moves whenever the same fields and generator would give other data.
    """

    version: ClassVar[int] = 1
    metric: ClassVar[Metric] = Metric.ACCURACY
    lengths: ClassVar[tuple[int, ...]] = (16, 32, 64, 128)  # the usual axis; others are allowed

    @abstractmethod
    def signature(self, length: int) -> Signature:
        """What is read and written at this length; `UserError` if the length is impossible."""

    @abstractmethod
    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        """Draw `count` examples, vectorised, with no randomness but the generator's.

        Generated data ignore `split`: the engine gives every split a generator of its own. Tasks
        over a finite set of examples partition it, and draw without replacement while they can.
        """

    @abstractmethod
    def chance(self, length: int) -> float:
        """The metric of the best guess that does not read the source."""

    def optimum(self, length: int) -> float:
        """The best metric that can be reached; 1 for accuracy and 0 for errors by default."""
        return self.metric.optimum

    def num_examples(self, length: int, split: Split) -> int | None:
        """How many different examples a split holds; None: as many as are asked for."""
        return None

    def fingerprint(self) -> str:
        """What the examples depend on beside the fields: the content of files; "": nothing."""
        return ""

    def display_names(self, length: int) -> DisplayNames:
        """How a person reads the examples; as numbers by default."""
        return DisplayNames()

    def data_summary(self, length: int) -> Mapping[str, Any]:
        """What a person should know of the data, such as how many examples were left out."""
        return {}

    def extra_metrics(self, length: int, answers: Tensor, batch: Batch) -> Mapping[str, float]:
        """Further measures of tokens `(B, U)` or values `(B, U, W)` written on test, by name."""
        return {}

    @abstractmethod
    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """Answer from the source alone, as well as can be done: `(B, U)` tokens or `(B, U, W)`.

        It proves that the task can be solved and that `optimum` is right. It must not call
        `sample`. For a `BITS` task it gives log-probabilities `(B, U, V)` instead.
        """


# --- architectures ----------------------------------------------------------------------------

State = Any  # a tensor, or nested tuples of tensors, each with the batch as its first dimension


class Mixer(nn.Module):
    """A trainable core `(B, T, D) -> (B, T, D)`."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map `x` `(B, T, D)` to `(B, T, D)`; outputs on padding are never read.

        mask: `(B, T)` bool, false on padding, which stands at the end; None: there is none.
        A causal core may ignore it: what stands after a step cannot reach it.
        """
        raise NotImplementedError

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Read `t` further steps `x` `(B, t, D)` after those in `state`; None: at the beginning.

        Returns the outputs `(B, t, D)` at these steps and the state after them. Only causal cores
        can. This default keeps all inputs and computes everything again.
        """
        seen = x if state is None else torch.cat([state, x], dim=1)
        return self(seen)[:, -x.shape[1] :], seen


class Transducer(nn.Module, ABC):
    """An encoder–decoder core: a source and the targets so far -> the next targets."""

    @abstractmethod
    def start(self, source: Tensor, mask: Tensor | None = None) -> State:
        """Read the source `(B, T, D)` and return the state before the first target."""

    @abstractmethod
    def extend(self, prefix: Tensor, state: State) -> tuple[Tensor, State]:
        """Read `u` further embedded targets `(B, u, D)`; return outputs `(B, u, D)` and state."""

    def forward(self, source: Tensor, mask: Tensor | None, prefix: Tensor) -> Tensor:
        """Teacher forcing: `(B, T, D)` and `(B, U, D)` -> `(B, U, D)`.

        Output `u` predicts target `u`; `prefix[:, u]` embeds target `u - 1`, a start symbol first.
        """
        return self.extend(prefix, self.start(source, mask))[0]


class Pool(StrEnum):
    """Which outputs of a mixer answer a `POOLED` task."""

    LAST = "last"  # the last real step
    ENDS = "ends"  # the first and the last real step, side by side
    MEAN = "mean"  # the mean over the real steps


@dataclass(frozen=True)
class Cost:
    """What an architecture costs in the number `T` of steps that it reads and writes, as orders.

    compute: operations of one pass.
    path: operations on the shortest way from a source step to an answer that it reaches, for the
        pair that is furthest apart. A state that changes at every step passes on what it carries
        by one operation a step.
    sequential: operations that must follow one another, however many are done at once.

    The columns of Vaswani et al. 2017, "Attention is all you need", table 1: sums and products of
    matrices are one operation each, and widths, kernels and layers do not count. A state that is
    linear in the one before is a parallel scan, "log T" in a row (Blelloch 1990).
    """

    compute: str
    path: str
    sequential: str


@dataclass(frozen=True)
class Architecture(ABC):
    """An architecture: a frozen dataclass whose fields are its configuration.

    Class docstring: what it is, its equations in the paper's symbols, its source.
    """

    input_spaces: ClassVar[tuple[type[Tokens] | type[Reals] | type[Frames], ...] | None] = None
    """Spaces the core reads raw; None: it reads vectors `(B, T, D)`, embedded for it."""
    pool: ClassVar[Pool] = Pool.LAST
    cost: ClassVar[Cost | None] = None
    """What it costs in the length, for people to read; None: not stated."""

    @property
    def causal(self) -> bool:
        """Whether no output at `t` depends on inputs after `t`."""
        return True

    @property
    def max_length(self) -> int | None:
        """The most steps it can ever read; None: any number."""
        return None

    @property
    def width_multiple(self) -> int:
        """Widths must be a multiple of this."""
        return 1

    @abstractmethod
    def build(self, width: int, signature: Signature) -> Mixer | Transducer:
        """Make the core, initialised from torch's global generator.

        width: `D`, of its inputs (where they are embedded) and of its outputs.
        signature: for cores whose size depends on the longest sequence or on the raw space.
        """


@dataclass(frozen=True)
class EncoderDecoder(Architecture):
    """An architecture whose core is a `Transducer`; it never sees targets ahead of time."""

    @property
    def causal(self) -> bool:
        """False: the encoder reads the whole source."""
        return False

    @abstractmethod
    def build(self, width: int, signature: Signature) -> Transducer:
        """As for `Architecture`; the core reads embedded sources and embedded prefixes."""
