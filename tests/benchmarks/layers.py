"""One recurrent layer, forward and backward, against PyTorch's own."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from lagbench import registry
from lagbench.contract import Mixer
from lagbench.model.operations import operations
from tests.benchmarks.comparison import Comparison

WIDTH, STEPS, BATCH = 64, 1024, 8
SETTINGS = (("gru", nn.GRU, 2.5), ("rnn", nn.RNN, 1.5))


def comparisons() -> Iterator[Comparison]:
    """Gradients of the parameters and of the inputs, which another layer would want."""
    for name, rival, target in SETTINGS:
        x = torch.randn(BATCH, STEPS, WIDTH, requires_grad=True)
        with torch.device("meta"):
            counted, away = layer(name), torch.empty_like(x, device="meta", requires_grad=True)
        yield Comparison(
            name=f"one layer: {name} h{WIDTH} T{STEPS} B{BATCH}",
            against=f"torch.nn.{rival.__name__}",
            ours=pass_through(layer(name), x),
            theirs=pass_through(Outputs(rival(WIDTH, WIDTH, batch_first=True)), x),
            target=target,
            share=False,
            flops=operations(pass_through(counted, away)),
        )


class Outputs(nn.Module):
    """A recurrent layer of PyTorch, without the state that it also gives back."""

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """`(B, T, D) -> (B, T, H)`."""
        outputs: Tensor = self.layer(x)[0]
        return outputs


def layer(name: str) -> Mixer:
    """A core of one layer."""
    signature = registry.task("recall").value.signature(STEPS)
    core = registry.architecture(name).value.build(WIDTH, signature)
    assert isinstance(core, Mixer)
    return core


def pass_through(module: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[], None]:
    """A forward and a backward pass."""

    def call() -> None:
        x.grad = None
        module(x).square().mean().backward()  # type: ignore[no-untyped-call]

    return call
