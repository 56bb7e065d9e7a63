"""How replicas run: decided before training by what an author's module needs, and recorded."""

import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from safetensors.torch import load
from torch import Tensor, nn

from lagbench import registry
from lagbench.contract import Architecture, Mixer, Signature, Split
from lagbench.data.streams import stack, training_batches
from lagbench.model.assembly import assemble
from lagbench.record import Execution, Record, Status
from lagbench.registry import Named
from lagbench.run.cell import make_job, run_cell
from lagbench.run.config import WorkerConfig
from lagbench.spec.budget import Budget
from lagbench.spec.cell import Cell
from lagbench.spec.pairing import Plan, match
from lagbench.spec.recipe import Recipe
from lagbench.train.cell import Job, initialised
from lagbench.train.evaluation import evaluate, unstack
from lagbench.train.execution import vmap_obstacle
from lagbench.train.replicas import replicate
from lagbench.train.tape import Tapes

CPU = torch.device("cpu")


class Sign(torch.autograd.Function):
    """Without a rule for `vmap`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.sign()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]


class Normalised(nn.Module):
    """Batch norm over `(B, T, D)`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)

    def forward(self, x: Tensor) -> Tensor:
        normalised: Tensor = self.norm(x.transpose(1, 2)).transpose(1, 2)
        return normalised


class Outputs(nn.GRU):
    """`nn.GRU` without its state."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        outputs: Tensor = super().forward(x)[0]
        return outputs


class Branching(nn.Module):
    """Control flow that depends on data."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x if x.sum() > 0 else x


class Average(nn.Module):
    """A buffer that is replaced at every step of training."""

    mean: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean((0, 1))
        return x - self.mean


class Features(nn.Module):
    """A buffer that each seed draws."""

    features: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("features", torch.randn(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.features


class Signs(nn.Module):
    """Calls a function of autograd's."""

    def forward(self, x: Tensor) -> Tensor:
        signs: Tensor = Sign.apply(x)  # type: ignore[no-untyped-call]
        return signs


INNER: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda width: nn.Identity(),
    "dropout": lambda width: nn.Dropout(0.3),
    "batch_norm": Normalised,
    "gru": lambda width: Outputs(width, width, batch_first=True),
    "branch": lambda width: Branching(),
    "function": lambda width: Signs(),
    "average": Average,
    "features": Features,
}


class Core(Mixer):
    """A sum over the steps so far, and a module of the author's."""

    def __init__(self, inner: str, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.inner = INNER[inner](width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        outputs: Tensor = self.inner(self.linear(x).cumsum(1))
        return outputs


@dataclass(frozen=True)
class Authored(Architecture):
    """A plain architecture, which knows nothing of replicas."""

    inner: str = "none"

    def build(self, width: int, signature: Signature) -> Mixer:
        return Core(self.inner, width)


RECIPE = Recipe(
    steps=8, batch_size=4, evaluate_every=4, validation_examples=8, test_examples=8, keep="best"
)


def small_cell(inner: str, task: str = "recall", recipe: Recipe = RECIPE) -> Cell:
    authored = Named(inner, Authored(inner))
    budget = Budget(width=8)
    return Cell(authored, registry.task(task), 6, (0, 1), (1e-3, 1e-2), recipe, budget)


def run_twice(cell: Cell) -> tuple[list[Record], list[dict[str, Tensor]]]:
    """Records and weights, after a check that running the cell again gives the same."""
    runs = []
    for _ in range(2):
        torch.rand(3)  # the state of the generator does not matter
        weights: dict[str, bytes] = {}
        records = run_cell(cell, WorkerConfig("test"), keep_weights=weights.__setitem__)
        assert all(record.status is Status.OK for record in records), records[0].reason
        texts = [record.model_dump_json(exclude={"wall_seconds", "commit"}) for record in records]
        runs.append((texts, [load(packed) for packed in weights.values()]))
    assert runs[0][0] == runs[1][0]
    torch.testing.assert_close(runs[0][1], runs[1][1], rtol=0, atol=0)
    return records, runs[0][1]


REASONS = {
    "batch_norm": r"`inner\.norm` is nn\.BatchNorm1d, .*\(test_execution\.py:\d+: RuntimeError: ",
    "gru": r"`inner` is Outputs, which vmap cannot map \(test_execution\.py:\d+: RuntimeError: ",
    "branch": r"`inner` is Branching, .*\(test_execution\.py:\d+: RuntimeError: .*control flow\)\.",
    "function": r"`inner` is Signs, .*\(test_execution\.py:\d+: RuntimeError: .*autograd\.Function",
    "average": r"Training changes the buffer `inner\.mean`\.",
}


@pytest.mark.parametrize("inner", INNER)
def test_every_core_trains_the_same_twice_and_the_record_says_how(inner: str) -> None:
    records, _ = run_twice(small_cell(inner))
    for record in records:
        if inner in REASONS:
            assert record.execution == "loop"
            assert re.match(REASONS[inner], record.execution_reason or "")
        else:
            assert record.execution == "vmap"
            assert record.execution_reason is None


@pytest.mark.parametrize("inner", ["dropout", "batch_norm"])
@pytest.mark.parametrize("task", ["copy", "running_parity", "adding"])
def test_other_plans_train_with_random_state_and_buffers_too(inner: str, task: str) -> None:
    run_twice(small_cell(inner, task))


def test_dropout_differs_between_replicas_and_is_off_in_evaluation() -> None:
    plan = match(Authored("dropout"), registry.task("recall").value.signature(6))
    assert isinstance(plan, Plan)
    torch.manual_seed(0)
    model = assemble(plan, 8)
    for execution in Execution:
        replicas = replicate([deepcopy(model), deepcopy(model)], execution, CPU)
        replicas.tapes = Tapes(record=False)
        batch = next(training_batches(registry.task("recall"), 6, 0, 16))
        losses = replicas.backward(stack([batch]), torch.tensor([0, 0]))
        assert losses[0] != losses[1]
        first, second = replicas.predict(batch, teacher_forced=True)
        assert torch.equal(first, second)
        assert torch.equal(replicas.predict(batch, teacher_forced=True)[0], first)


def test_buffers_are_kept_with_the_best_weights() -> None:
    """A model that is loaded from its file predicts what was scored."""
    cell = small_cell("batch_norm")
    records, kept = run_twice(cell)
    selected = [record for record in records if record.selected]
    job = make_job(cell)
    assert isinstance(job, Job)
    means = [tensors["core.inner.norm.running_mean"] for tensors in kept]
    assert not torch.equal(*means)
    split = job.split(Split.TEST, None)
    for record, tensors in zip(selected, kept, strict=True):
        model = initialised(job, record.seed)
        model.load_state_dict(tensors)
        replicas = replicate([model], Execution.LOOP, CPU)
        reached, _ = evaluate(replicas, split, job.scale.metric)
        assert reached.loss.item() == record.test_loss


@pytest.mark.parametrize("execution", Execution)
@pytest.mark.parametrize("inner", ["features", "average"])
def test_selected_replicas_have_their_buffers(inner: str, execution: Execution) -> None:
    plan = match(Authored(inner), registry.task("recall").value.signature(6))
    assert isinstance(plan, Plan)
    models = [assemble(plan, 8) for _ in range(3)]
    for number, model in enumerate(models):
        for buffer in model.buffers():
            buffer.add_(number)
    batch = next(training_batches(registry.task("recall"), 6, 0, 4))
    expected = torch.stack([model.eval()(batch.source, None, None).detach() for model in models])
    replicas = replicate(models, execution, CPU)
    torch.testing.assert_close(replicas.predict(batch, teacher_forced=True), expected)
    chosen = replicas.select([2, 0], replicas.flat.detach())
    torch.testing.assert_close(chosen.predict(batch, teacher_forced=True), expected[[2, 0]])
    for model, outputs in zip(unstack(replicas), expected, strict=True):
        torch.testing.assert_close(model(batch.source, None, None), outputs)
    other = [replicas.copy_buffers(row) for row in (1, 1, 2)]
    changed = replicas.select([0], replicas.flat.detach()[[1, 1, 1]], other)
    torch.testing.assert_close(changed.predict(batch, teacher_forced=True), expected[[1]])


def test_a_dry_run_leaves_random_state_as_it_is() -> None:
    plan = match(Authored("dropout"), registry.task("recall").value.signature(6))
    assert isinstance(plan, Plan)
    before = torch.get_rng_state()
    assert vmap_obstacle(plan, 8, CPU) is None
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", registry.architectures())
def test_every_built_in_core_can_be_mapped(name: str) -> None:
    architecture = registry.architecture(name).value
    for task in ("recall", "copy", "frame_labels"):
        plan = match(architecture, registry.task(task).value.signature(6))
        if isinstance(plan, Plan):
            assert vmap_obstacle(plan, 2 * architecture.width_multiple, CPU) is None
