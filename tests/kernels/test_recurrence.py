"""The kernels against the obvious loops and `torch.nn`: outputs and every gradient."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from lagbench.kernels.gru import gru_loop, gru_scan
from lagbench.kernels.gru_variants import (
    blocks_backward,
    gru_minimal_loop,
    gru_minimal_scan,
    gru_original_loop,
    gru_original_scan,
)
from lagbench.kernels.lstm import lstm_loop, lstm_scan
from lagbench.kernels.recurrence import project_source
from lagbench.kernels.rnn import rnn_loop, rnn_scan


@dataclass(frozen=True)
class Cell:
    kernel: Callable[..., Tensor | tuple[Tensor, ...]]
    loop: Callable[..., Tensor | tuple[Tensor, ...]]
    gates: int
    others: tuple[str, ...]  # the inputs after x and the recurrent weight

    def inputs(self, B: int, T: int, H: int, *replicas: int) -> list[Tensor]:
        shapes = {"state": (B, H), "bias": (H,), "peepholes": (3, H)}
        sizes = [(B, T, self.gates * H), (self.gates * H, H), *(shapes[n] for n in self.others)]
        return [leaf(*replicas, *size) for size in sizes]


CELLS = {
    "rnn": Cell(rnn_scan, rnn_loop, 1, ("state",)),
    "relu": Cell(partial(rnn_scan, relu=True), partial(rnn_loop, relu=True), 1, ("state",)),
    "gru": Cell(gru_scan, gru_loop, 3, ("bias", "state")),
    "gru_original": Cell(gru_original_scan, gru_original_loop, 3, ("state",)),
    "gru_minimal": Cell(gru_minimal_scan, gru_minimal_loop, 2, ("state",)),
    "lstm": Cell(lstm_scan, lstm_loop, 4, ("state", "state")),
    "peephole": Cell(lstm_scan, lstm_loop, 4, ("state", "state", "peepholes")),
}
SHAPES = [(3, 5, 4), (1, 4, 3), (3, 1, 4), (3, 2, 4), (2, 6, 1), (1, 1, 1), (40, 9, 200)]
SHAPES += [(19, 4, 8), (3, 5, 9), (2, 6, 17), (9, 3, 30)]  # as wide as compiled kernels take
SHAPES += [(150, 3, 8)]  # and more examples than they bring together at a time
pytestmark = pytest.mark.usefixtures("kernels")
by_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
by_shape = pytest.mark.parametrize(("B", "T", "H"), SHAPES)


def leaf(*size: int) -> Tensor:
    H = size[-1]
    return torch.randn(*size, dtype=torch.float64).mul_(H**-0.5).requires_grad_()


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def tupled(outputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


def assert_same(
    actual: Tensor | tuple[Tensor, ...],
    expected: Tensor | tuple[Tensor, ...],
    inputs: list[Tensor],
) -> None:
    """Equal outputs, and equal gradients of a random function of all outputs."""
    actual, expected = tupled(actual), tupled(expected)
    torch.testing.assert_close(actual, expected)
    directions = [torch.randn_like(output) for output in expected]
    torch.testing.assert_close(
        torch.autograd.grad(actual, inputs, directions),
        torch.autograd.grad(expected, inputs, directions),
    )


def in_turn(function: Callable[..., Tensor | tuple[Tensor, ...]], *inputs: Tensor):
    """Each replica alone, stacked afterwards."""
    separate = [tupled(function(*replica)) for replica in zip(*inputs, strict=True)]
    return tuple(torch.stack(outputs) for outputs in zip(*separate, strict=True))


@by_cell
@by_shape
def test_kernel_equals_loop(cell: Cell, B: int, T: int, H: int) -> None:
    inputs = cell.inputs(B, T, H)
    assert_same(cell.kernel(*inputs), cell.loop(*inputs), inputs)


@by_cell
@pytest.mark.parametrize("R", [1, 3])
@by_shape
def test_stacked_kernel_equals_loops_in_turn(cell: Cell, R: int, B: int, T: int, H: int) -> None:
    inputs = cell.inputs(B, T, H, R)
    stacked = torch.func.vmap(cell.kernel)(*inputs)
    assert_same(stacked, in_turn(cell.loop, *inputs), inputs)


@by_cell
def test_replicas_may_share_any_input_and_stand_in_any_dimension(cell: Cell) -> None:
    R, count = 3, 2 + len(cell.others)
    inputs = cell.inputs(2, 5, 9, R)
    for shared in range(count):
        mixed = [value[0] if i == shared else value for i, value in enumerate(inputs)]
        in_dims = tuple(None if i == shared else 0 for i in range(count))
        stacked = torch.func.vmap(cell.kernel, in_dims)(*mixed)
        spread = [value.expand(R, *value.shape) if i == shared else value
                  for i, value in enumerate(mixed)]  # fmt: skip
        assert_same(stacked, in_turn(cell.loop, *spread), mixed)
    moved = [value.movedim(0, -1) for value in inputs]
    assert_same(torch.func.vmap(cell.kernel, -1)(*moved), in_turn(cell.loop, *inputs), inputs)


SOURCED = ("rnn", "relu", "gru", "lstm", "peephole")


@pytest.mark.parametrize("name", SOURCED)
@pytest.mark.parametrize("values", [False, True], ids=["symbols", "values"])
@by_shape
def test_what_a_source_says_is_what_is_projected_of_it(
    name: str, values: bool, B: int, T: int, H: int
) -> None:
    R, cell = 2, CELLS[name]
    _, *others = cell.inputs(B, T, H, R)
    inputs = [leaf(R, 4, cell.gates * H), *others]
    source = torch.randn(R, B, T, 3).double() if values else torch.randint(4, (R, B, T))

    def loop(source: Tensor, table: Tensor, *others: Tensor) -> Tensor | tuple[Tensor, ...]:
        return cell.loop(project_source(table, source), *others)

    def kernel(source: Tensor, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        return cell.kernel(*inputs, source=source)

    for actual in (in_turn(kernel, source, *inputs), torch.func.vmap(kernel)(source, *inputs)):
        assert_same(actual, in_turn(loop, source, *inputs), inputs)
    shared = in_turn(loop, source[:1].expand(R, *source.shape[1:]), *inputs)
    together = torch.func.vmap(kernel, (None, *[0] * len(inputs)))(source[0], *inputs)
    assert_same(together, shared, inputs)


@pytest.mark.parametrize("name", SOURCED)
@pytest.mark.parametrize("source", [None, torch.zeros(0, 5).long(), torch.zeros(0, 5, 3).double()])
def test_no_examples_are_no_examples(name: str, source: Tensor | None) -> None:
    cell = CELLS[name]
    x, *others = cell.inputs(0, 5, 9)
    inputs = [x if source is None else leaf(4, cell.gates * 9), *others]
    outputs = tupled(cell.kernel(*inputs, source=source))
    assert outputs[0].shape == (0, 5, 9)
    for gradient in torch.autograd.grad(outputs[0].sum(), inputs, allow_unused=True):
        assert gradient is None or not gradient.any()


@pytest.mark.parametrize("name", SOURCED)
@pytest.mark.parametrize("row", [-1, 4])
def test_symbols_without_a_row_are_refused(name: str, row: int) -> None:
    cell = CELLS[name]
    _, *others = cell.inputs(2, 5, 9)
    source = torch.tensor([[0, 1, 2, 3, row]] * 2)
    with pytest.raises(IndexError):
        cell.kernel(leaf(4, cell.gates * 9), *others, source=source)


@by_cell
def test_only_some_inputs_need_gradients(cell: Cell) -> None:
    for index in range(2 + len(cell.others)):
        inputs = [value.detach() for value in cell.inputs(2, 5, 9)]
        inputs[index].requires_grad_()
        assert_same(cell.kernel(*inputs), cell.loop(*inputs), [inputs[index]])


@by_cell
def test_only_some_outputs_need_gradients(cell: Cell) -> None:
    inputs = cell.inputs(2, 5, 9)
    for index in range(len(tupled(cell.kernel(*inputs)))):
        actual, expected = cell.kernel(*inputs), cell.loop(*inputs)
        assert_same(tupled(actual)[index], tupled(expected)[index], inputs[:2])
    last = [tupled(function(*inputs))[0][:, -1] for function in (cell.kernel, cell.loop)]
    assert_same(*last, inputs)


@by_cell
def test_memory_layout_of_the_inputs_does_not_matter(cell: Cell) -> None:
    x, weight, *others = inputs = cell.inputs(3, 5, 9)
    time_first = x.transpose(0, 1).contiguous().transpose(0, 1)
    strided = weight.mT.contiguous().mT
    assert_same(cell.kernel(time_first, strided, *others), cell.loop(*inputs), inputs)


@by_cell
def test_gradcheck(cell: Cell) -> None:
    assert torch.autograd.gradcheck(cell.kernel, cell.inputs(2, 3, 2))
    assert torch.autograd.gradcheck(cell.kernel, cell.inputs(1, 3, 8))
    stacked = torch.func.vmap(cell.kernel)
    assert torch.autograd.gradcheck(stacked, cell.inputs(1, 3, 2, 2))


@by_cell
def test_single_precision(cell: Cell) -> None:
    inputs = cell.inputs(4, 20, 16)
    single = [value.detach().float().requires_grad_() for value in inputs]
    actual, expected = tupled(cell.kernel(*single)), tupled(cell.loop(*inputs))
    for left, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(left, other.float())
    gradients = torch.autograd.grad([value.sum() for value in actual], single)
    for left, other in zip(
        gradients, torch.autograd.grad([value.sum() for value in expected], inputs), strict=True
    ):
        torch.testing.assert_close(left, other.float(), rtol=1e-4, atol=1e-4)


@by_cell
def test_the_same_inputs_give_the_same_bits_and_stay_untouched(cell: Cell) -> None:
    inputs = cell.inputs(3, 5, 9)
    kept = [value.detach().clone() for value in inputs]
    outputs = [tupled(cell.kernel(*inputs)) for _ in range(2)]
    summed = [sum(value.sum() for value in output) for output in outputs]
    gradients = [torch.autograd.grad(value, inputs, retain_graph=True) for value in summed]
    again = torch.autograd.grad(summed[0], inputs)
    torch.testing.assert_close(outputs[0], outputs[1], rtol=0, atol=0)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=0)
    torch.testing.assert_close(gradients[0], again, rtol=0, atol=0)
    torch.testing.assert_close(kept, [value.detach() for value in inputs], rtol=0, atol=0)


@by_cell
def test_a_backward_pass_of_its_own_is_not_differentiated(
    cell: Cell, request: pytest.FixtureRequest
) -> None:
    compiled = "compiled" in request.node.callspec.id
    inputs = cell.inputs(2, 3, 8)
    if not compiled and cell.kernel not in (gru_original_scan, gru_minimal_scan):
        pytest.skip("the plain form may be differentiated twice")
    output = tupled(cell.kernel(*inputs))[0]
    with pytest.raises(RuntimeError, match="cannot be differentiated twice"):
        torch.autograd.grad(output.sum(), inputs[:1], create_graph=True)


@by_shape
@pytest.mark.parametrize("kind", ["rnn", "relu", "gru", "lstm"])
def test_kernel_equals_torch_nn(kind: str, B: int, T: int, H: int) -> None:
    cell = CELLS[kind]
    _, weight, *others = cell.inputs(B, T, H)
    module = {
        "rnn": partial(nn.RNN, nonlinearity="tanh"),
        "relu": partial(nn.RNN, nonlinearity="relu"),
        "gru": nn.GRU,
        "lstm": nn.LSTM,
    }[kind](2 * H, H, batch_first=True, dtype=torch.float64)
    states = [other for name, other in zip(cell.others, others, strict=True) if name == "state"]
    x, weight_ih, bias = leaf(B, T, 2 * H), leaf(cell.gates * H, 2 * H), leaf(cell.gates * H)
    recurrent_bias = torch.zeros(cell.gates * H, dtype=torch.float64)
    if kind == "gru":
        recurrent_bias = torch.cat([recurrent_bias[: 2 * H], others[0]])
    names = [name for name, _ in module.named_parameters()]
    weights = dict(zip(names, [weight_ih, weight, bias, recurrent_bias], strict=True))
    first = tuple(state.unsqueeze(0) for state in states)
    output, last = torch.func.functional_call(
        module, weights, (x, first if kind == "lstm" else first[0])
    )
    expected = (output, last[1][0]) if kind == "lstm" else (output,)
    projected = nn.functional.linear(x, weight_ih, bias)
    assert_same(
        cell.kernel(projected, weight, *others), expected, [x, weight_ih, bias, weight, *others]
    )


@pytest.mark.parametrize(("T", "size"), [(1, 1), (7, 2**15), (7, 2**16), (7, 2**20)])
def test_blocks_cover_time_once_from_the_end(T: int, size: int) -> None:
    blocks = list(blocks_backward(torch.empty(T, 1, size, device="meta"), size))
    steps = [step for block in blocks for step in reversed(range(block.start, block.stop))]
    assert steps == list(reversed(range(T)))
