"""A replayed pass gives the bits of the plain one, and what cannot be replayed is not."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lagbench import registry
from lagbench.data.streams import stack, training_batches
from lagbench.record import Execution
from lagbench.spec.pairing import Plan, match
from lagbench.train import tape
from lagbench.train.cell import Job, initialised, train
from lagbench.train.module import CellModule
from lagbench.train.replicas import replicate
from lagbench.train.tape import MAX_SHAPES, Results, Tapes

CPU = torch.device("cpu")
Run = Callable[[Tensor], Sequence[Tensor]]
# Real numbers, whose heads leave an odd number of parameters; symbols; written answers; images;
# masks, counted steps.
TASKS = ("adding", "recall", "reverse", "moving_digit")
JOBS: list[tuple[str, str | None]] = [(name, None) for name in registry.architectures()]
JOBS += [("gru", "associative_recall:pairs=3,vocabulary=12"), ("transformer", "sentiment")]


def run_as_tuple(run: Run, x: Tensor) -> Results:
    return tuple(run(x))


def passes(run: Run, inputs: list[Tensor], tapes: Tapes, count: int = 4) -> list[Results]:
    """The results of further and further passes over one input."""
    return [tapes.run(partial(run_as_tuple, run, given), [given]) for given in inputs[:count]]


def inputs(count: int = 4, shape: tuple[int, ...] = (3, 5)) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(*shape, generator=generator) for _ in range(count)]


def replays(tapes: Tapes) -> int:
    """How many tapes are trusted."""
    return sum(
        tape_of_shape is not None and tape_of_shape.trusted
        for tape_of_shape in tapes.tapes.values()
    )


def assert_replayed(run: Run, given: list[Tensor] | None = None) -> None:
    given = inputs() if given is None else given
    tapes = Tapes()
    results_of_passes = passes(run, given, tapes)
    assert replays(tapes) == 1
    for results, given_input in zip(results_of_passes, given, strict=True):
        for result, expected in zip(results, run(given_input), strict=True):
            assert torch.equal(result, expected)


def assert_plain(run: Run, given: list[Tensor] | None = None) -> list[Results]:
    """It is not replayed, and gives what it gives."""
    given = inputs() if given is None else given
    tapes = Tapes()
    results_of_passes = passes(run, given, tapes)
    assert replays(tapes) == 0
    return results_of_passes


WEIGHT = torch.linspace(-1, 1, 20).view(5, 4).requires_grad_()


def test_a_pass_with_its_gradients() -> None:
    def run(x: Tensor) -> tuple[Tensor, ...]:
        value = (x @ WEIGHT).tanh().square().mean()
        return value.detach(), *torch.autograd.grad(value, [WEIGHT])

    assert_replayed(run)


def test_weights_are_where_they_are_now() -> None:
    weight = torch.ones(5, 2)

    def run(x: Tensor) -> tuple[Tensor, ...]:
        return ((x @ weight).sum(0),)

    tapes = Tapes()
    for given_input in inputs(5):
        weight.mul_(1.5)  # in place, as the optimiser does
        assert torch.equal(
            tapes.run(partial(run, given_input), [given_input])[0], run(given_input)[0]
        )
    assert replays(tapes) == 1


def test_weights_of_several_models_share_a_tape() -> None:
    models = [nn.Linear(5, 2) for _ in range(3)]
    tapes = Tapes()
    for given_input in inputs(3):
        for model in models:
            results_of_passes = tapes.run(
                partial(lambda m, x: (m(x).detach(),), model, given_input),
                [given_input],
                [*model.parameters()],
            )
            assert torch.equal(results_of_passes[0], model(given_input))
    assert replays(tapes) == 1


@pytest.mark.parametrize(
    "run",
    [
        lambda x: (x.T.unsqueeze(0).expand(2, -1, -1).reshape(2, -1)[:, 2:] + 1,),
        lambda x: ((x + 1).T.unfold(0, 2, 1).permute(2, 0, 1)[1] * 2,),
        lambda x: tuple(part * 2 for part in (x * 3).split([2, 3], dim=1)),
        lambda x: (torch.view_as_complex((x[:, :4] * 2).reshape(3, 2, 2)).conj().mul(1j).abs(),),
        lambda x: ((x * 2).view(torch.int32).bitwise_and(255),),
        lambda x: (torch.empty(3, 5).copy_(x)[1:].mul_(2).clone(),),
        lambda x: ((x + 1).add_(1)[0].sub_(float("inf")),),
        lambda x: (x * 2).max(dim=1),
        lambda x: (torch.where(x > 0, x, torch.arange(5.0)),),
        lambda x: (torch.zeros(5).index_add(0, torch.tensor([1, 2, 2]), x[:, 0]),),
        lambda x: (torch.stack([row + 1 for row in x.unbind(0)]).sum(dim=1),),
    ],
)
def test_views_in_place_and_several_results(run: Run) -> None:
    assert_replayed(lambda x: tuple(run(x)))


LIBRARY: Any = torch.library.Library("lagbench_test", "FRAGMENT")  # type: ignore[no-untyped-call]
LIBRARY.define("nothing(Tensor x) -> ()")
LIBRARY.define("nested(Tensor x) -> (Tensor, Tensor[])")
LIBRARY.define("write(Tensor(a!) x) -> Tensor")
LIBRARY.impl("nothing", lambda x: None, "CPU")
LIBRARY.impl("nested", lambda x: (x * 2, [x + 1, x + 2]), "CPU")
LIBRARY.impl("write", lambda x: x.mul_(2) + 1, "CPU")
ops = torch.ops.lagbench_test


@pytest.mark.parametrize(
    "run",
    [
        lambda x: (ops.nothing(x), x + 1)[1:],
        lambda x: (torch._assert_async((x < 100).all()), x + 1)[1:],
        lambda x: (x[:0].unbind(0), (x + 1)[:0].unbind(0), (x + 1).exp())[2:],
        lambda x: ((x * 2).exp(), x.exp().sum(), x.max(dim=1), x + 1)[3:],
        lambda x: (x.max(dim=1).indices + 1,),
        lambda x: (x.T, x[0]),
        lambda x: ((x + 1)[0], (x + 1).T),
        lambda x: (x.clone().mul_(2),),
        lambda x: (torch.empty(3, 5).copy_(x).add_(1),),
        lambda x: (ops.nested(x)[0], ops.nested(x)[1][1] * 3),
        lambda x: (lambda y: (ops.write(y) * 2, y))(x + 1),
        lambda x: (x,),
    ],
    ids=[
        *("nothing", "assert", "empty", "unused", "partly_used", "views_of_inputs", "views"),
        *("in_place", "scratch", "nested", "writes_and_returns", "no_operation"),
    ],
)
def test_results_of_every_kind(run: Run) -> None:
    assert_replayed(lambda x: tuple(run(x)))


def test_gradients_that_are_not_needed_are_none() -> None:
    """The backward pass of layer norm returns None for its weight and bias."""

    def run(x: Tensor) -> tuple[Tensor, ...]:
        leaf = x.detach().requires_grad_()
        value = nn.functional.layer_norm(leaf, (5,)).exp().sum()
        return value.detach(), *torch.autograd.grad(value, [leaf])

    assert_replayed(run)


def test_mamba_on_a_sequence_of_one_image(job: Callable[..., Job]) -> None:
    small = job("mamba", "digit_image", length=1, width=4, steps=3, evaluate_every=3)
    assert all(train(small, execution=execution).finite for execution in Execution)


def test_what_is_returned_lasts() -> None:
    def run(x: Tensor) -> tuple[Tensor, ...]:
        return torch.empty(3, 5).copy_(x), x[0], x

    given = inputs()
    tapes = Tapes()
    results_of_passes = passes(run, given, tapes)
    assert replays(tapes) == 1
    for (scratch, view, whole_input), given_input in zip(results_of_passes, given, strict=True):
        assert torch.equal(scratch, given_input)
        assert torch.equal(view, given_input[0])
        assert torch.equal(whole_input, given_input)
    assert results_of_passes[-1][2] is not given[-1]


def test_dropout_draws_the_same_and_no_more() -> None:
    dropout = nn.Dropout(0.5)
    given = inputs(6)
    torch.manual_seed(1)
    expected = [dropout(given_input) for given_input in given]
    torch.manual_seed(1)
    tapes = Tapes()
    results_of_passes = [
        tapes.run(partial(run_as_tuple, lambda x: [dropout(x)], given_input), [given_input])[0]
        for given_input in given
    ]
    assert replays(tapes) == 1
    assert all(map(torch.equal, results_of_passes, expected))


def test_not_a_number_is_a_value_too() -> None:
    tapes = Tapes()
    results_of_passes = passes(lambda x: (x * torch.nan,), inputs(), tapes)
    assert replays(tapes) == 1
    assert all(result.isnan().all() for (result,) in results_of_passes)


@pytest.mark.parametrize(
    "run",
    [
        lambda x: (x * x.max().item(),),
        lambda x: (x * float(x[0, 0]),),
        lambda x: (x * 2 if bool((x > 0).all()) else x * 3,),
        lambda x: (x * x.tolist()[0][0],),
        lambda x: (x * torch.from_numpy(x.numpy() * 2),),
        lambda x: (x[x > 0],),
        lambda x: (x.unique(),),
        lambda x: (x.abs().nonzero().sum(),),
    ],
    ids=["item", "float", "bool", "tolist", "numpy", "mask", "unique", "nonzero"],
)
def test_values_on_the_host_are_read_each_time(run: Run) -> None:
    given = inputs()
    for results, given_input in zip(assert_plain(run, given), given, strict=True):
        assert torch.equal(results[0], run(given_input)[0])


def test_what_is_given_is_written_to_once() -> None:
    given = inputs()
    before = [given_input.clone() for given_input in given]
    assert_plain(lambda x: (x.add_(1),), given)
    assert all(
        torch.equal(given_input, old + 1) for given_input, old in zip(given, before, strict=True)
    )


def test_what_stays_is_written_to_once() -> None:
    total = torch.zeros(3, 5)
    given = inputs()
    assert_plain(lambda x: (total.add_(x).clone(),), given)
    torch.testing.assert_close(total, sum(given))


def test_running_means_move_once_a_pass() -> None:
    norm, expected = nn.BatchNorm1d(5), nn.BatchNorm1d(5)
    given = inputs()
    assert_plain(lambda x: (norm(x).detach(),), given)
    for given_input in given:
        expected(given_input)
    assert norm.running_mean is not None
    assert expected.running_mean is not None
    assert torch.equal(norm.running_mean, expected.running_mean)
    assert norm.num_batches_tracked == len(given)


def test_what_changes_from_pass_to_pass_is_noticed() -> None:
    calls = []

    def run(x: Tensor) -> tuple[Tensor, ...]:
        calls.append(1)
        return (x * len(calls),)

    given = inputs()
    results_of_passes = assert_plain(run, given)
    for number, (results, given_input) in enumerate(
        zip(results_of_passes, given, strict=True), start=1
    ):
        assert torch.equal(results[0], given_input * number)


class WarmingUp(nn.Module):
    """Another function from the fourth pass on."""

    def __init__(self) -> None:
        super().__init__()
        self.passes = 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        return x * 2 if self.passes > 3 else x


def test_a_module_that_counts_its_passes_is_not_replayed() -> None:
    module = WarmingUp()
    tapes = Tapes(nn.Sequential(module))
    given = inputs(6)
    results_of_passes = passes(lambda x: (module(x),), given, tapes, count=6)
    assert replays(tapes) == 0
    for number, ((result,), given_input) in enumerate(zip(results_of_passes, given, strict=True)):
        assert torch.equal(result, given_input * 2 if number >= 3 else given_input)


def test_a_long_pass_is_not_recorded_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape, "MAX_OPERATIONS", 10)
    assert_replayed(lambda x: (x.exp().exp().exp(),))
    assert_plain(lambda x: (torch.stack([x * i for i in range(10)]).sum(0),))


def test_tapes_keep_so_much_scratch_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape, "MAX_SCRATCH", 3 * 5 * 4)
    assert_replayed(lambda x: (torch.empty_like(x).copy_(x).exp(),))
    assert_plain(lambda x: (torch.empty_like(x).copy_(x) + torch.empty_like(x).copy_(x),))


def test_each_shape_has_its_tape_up_to_a_number() -> None:
    tapes = Tapes()
    for size in range(1, MAX_SHAPES + 3):
        for given_input in inputs(3, (size, 2)):
            (results_of_passes,) = tapes.run(
                partial(lambda x: (x.exp().sum(0),), given_input), [given_input]
            )
            assert torch.equal(results_of_passes, given_input.exp().sum(0))
    assert replays(tapes) == MAX_SHAPES


def test_none_are_made_where_none_are_wanted() -> None:
    tapes = Tapes(record=False)
    passes(lambda x: (x.exp(),), inputs(), tapes)
    assert replays(tapes) == 0


@pytest.mark.parametrize("execution", Execution)
@pytest.mark.parametrize(("architecture", "task"), JOBS)
def test_training_has_the_same_bits(
    job: Callable[..., Job], architecture: str, task: str, execution: Execution
) -> None:
    """Four optimiser steps of every architecture, of replicas with tapes and without."""
    small = job(architecture, task or fitting(architecture), length=12)
    models = [[initialised(small, seed) for seed, _ in small.pairs] for _ in range(2)]
    taped, plain = (replicate(group, execution, CPU) for group in models)
    plain.tapes = Tapes(record=False)
    modules = [
        CellModule(group, small.pairs, small.recipe, small.scale, lambda _: None)
        for group in (taped, plain)
    ]
    streams = [training_batches(small.task, small.length, seed, 4) for seed in small.seeds]
    for _ in range(4):
        batch = stack([next(stream) for stream in streams])
        losses = [module.replicas.backward(batch, module.rows) for module in modules]
        assert torch.equal(*losses)
        taped_gradient, plain_gradient = taped.flat.grad, plain.flat.grad
        assert taped_gradient is not None
        assert plain_gradient is not None
        assert torch.equal(taped_gradient, plain_gradient)
        for module in modules:
            module.optimiser.step()
    assert torch.equal(taped.flat, plain.flat)
    assert replays(taped.tapes) == 1


def fitting(architecture: str) -> str:
    """The first of the tasks that an architecture can do."""
    value = registry.architecture(architecture).value
    signatures = {task: registry.task(task).value.signature(12) for task in TASKS}
    return next(task for task in TASKS if isinstance(match(value, signatures[task]), Plan))
