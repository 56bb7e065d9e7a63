"""The reference that several recurrent architectures are held against: torch's own cells."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from architectures.layers.recurrent import (
    GRULayer,
    LSTMLayer,
    RecurrentLayer,
    RNNLayer,
    States,
)
from bench.kernels.library import library

MODULES: dict[type[RecurrentLayer], Callable[..., nn.Module]] = {
    RNNLayer: nn.RNNCell,
    GRULayer: nn.GRUCell,
    LSTMLayer: nn.LSTMCell,
}


@pytest.fixture
def torch_run() -> Callable[..., tuple[Tensor, States]]:
    """Run torch's cell with the weights of ours, through which gradients reach those.

    Inputs `(B, T, N)` and states (None: zeros) -> all `h` `(B, T, H)` and the states after them.
    """
    return _torch_run


def _torch_run(layer: RecurrentLayer, x: Tensor, states: States | None) -> tuple[Tensor, States]:
    second = torch.zeros_like(layer.bias)
    if isinstance(layer, GRULayer):
        second = torch.cat([second[: 2 * layer.units], layer.bias_hn])
    weights = {
        "weight_ih": layer.weight_ih,
        "weight_hh": layer.weight_hh,
        "bias_ih": layer.bias,
        "bias_hh": second,
    }
    module = MODULES[type(layer)](x.shape[2], layer.units, dtype=x.dtype)
    if states is None:
        states = (x.new_zeros(len(x), layer.units),) * layer.carried
    hidden = []
    for step in x.unbind(1):
        found = functional_call(
            module, weights, (step, states if layer.carried == 2 else states[0])
        )
        states = found if layer.carried == 2 else (found,)
        hidden.append(states[0])
    return torch.stack(hidden, dim=1), states


@pytest.fixture(params=["compiled", "plain"])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a test on both forms of a kernel: compiled, and as PyTorch's operations."""
    if request.param == "plain":
        monkeypatch.setattr("bench.kernels.library.library", lambda: None)
    elif library() is None:
        pytest.skip("there is no C++ compiler here")
