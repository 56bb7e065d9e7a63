"""What the tests of linear recurrences share: a mixer beside a loop that follows its equations."""

from collections.abc import Callable

import torch
from torch import Tensor

from lagbench.contract import Mixer

STEPS = 131  # two whole chunks of linear attention, and a shorter one
WAYS = ("at once", "in pieces", "extended at once")


def assert_equals_loop(mixer: Mixer, loop: Callable[[Tensor], Tensor], width: int) -> None:
    """Outputs and gradients, in double precision, whichever way the mixer reads."""
    x = torch.randn(2, STEPS, width, dtype=torch.float64, requires_grad=True)
    wanted = (x, *mixer.parameters())
    expected = _with_gradients(loop(x), wanted)
    for way in WAYS:
        found = _with_gradients(_read(mixer, x, way), wanted)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(
                one, other, rtol=1e-9, atol=1e-9, msg=lambda text, way=way: f"{way}: {text}"
            )


def _read(mixer: Mixer, x: Tensor, way: str) -> Tensor:
    if way == "at once":
        return mixer(x)
    outputs, state = [], None
    for piece in x.split((1, 70, 3, STEPS - 74) if way == "in pieces" else STEPS, dim=1):
        output, state = mixer.extend(piece, state)
        outputs.append(output)
    return torch.cat(outputs, dim=1)


def _with_gradients(outputs: Tensor, wanted: tuple[Tensor, ...]) -> list[Tensor]:
    weights = torch.linspace(-1, 1, outputs.numel(), dtype=outputs.dtype).view_as(outputs)
    return [outputs.detach(), *torch.autograd.grad((outputs * weights).sum(), wanted)]
