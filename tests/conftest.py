"""What every test needs: one thread, every name registered, nothing from the network."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("WANDB__SERVICE_WAIT", "300")  # seconds, on a machine that is very busy

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from torch import Tensor, nn
from torch.func import functional_call

from lagbench import registry
from lagbench.kernels.library import library
from lagbench.layers.recurrent import GRULayer, LSTMLayer, RecurrentLayer, RNNLayer, States

torch.set_num_threads(1)
registry.discover()

settings.register_profile("lagbench", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("lagbench")


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry as it was after each test, whatever a plugin adds."""
    for private in ("_ARCHITECTURES", "_TASKS", "_HOMES"):
        monkeypatch.setattr(registry, private, dict(getattr(registry, private)))


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The path of a suite so small that its run takes seconds; a copy, to be changed at will."""
    return Path(shutil.copy(Path(__file__).parent / "suites" / "tiny.toml", tmp_path))


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
        actual = functional_call(
            module, weights, (step, states if layer.carried == 2 else states[0])
        )
        states = actual if layer.carried == 2 else (actual,)
        hidden.append(states[0])
    return torch.stack(hidden, dim=1), states


@pytest.fixture(params=["compiled", "plain"])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a test on both forms of a kernel: compiled, and as PyTorch's operations."""
    if request.param == "plain":
        monkeypatch.setattr("lagbench.kernels.library.library", lambda: None)
    elif library() is None:
        pytest.skip("there is no C++ compiler here")
