"""Calling a core: at once, in chunks, or several of them stacked; and comparing what comes out."""

import torch
from torch import Tensor, nn

from lagbench.check.inputs import Core, Inputs
from lagbench.contract import State, Transducer

ROUNDING = 1e-10  # in double precision, beside values of about 1


def real(outputs: Tensor, given: Inputs) -> Tensor:
    """The outputs that are read: a mixer's on real steps, all of a transducer's."""
    return outputs if given.prefix is not None or given.mask is None else outputs[given.mask]


class Forward(nn.Module):
    """A core called at once."""

    def __init__(self, core: Core) -> None:
        super().__init__()
        self.core = core

    def forward(
        self, source: Tensor, mask: Tensor | None = None, prefix: Tensor | None = None
    ) -> Tensor:
        """The core's outputs."""
        if isinstance(self.core, Transducer):
            assert prefix is not None
            return self.core(source, mask, prefix)  # type: ignore[no-any-return]
        return self.core(source, mask)  # type: ignore[no-any-return]


class InChunks(nn.Module):
    """A core that is extended by so many steps at a time, and by what is left at the end."""

    def __init__(self, core: Core, chunk: int) -> None:
        super().__init__()
        self.core, self.chunk = core, chunk

    def forward(
        self, source: Tensor, mask: Tensor | None = None, prefix: Tensor | None = None
    ) -> Tensor:
        """The core's outputs, joined."""
        state: State = None
        steps = source
        if isinstance(self.core, Transducer):
            assert prefix is not None
            state, steps = self.core.start(source, mask), prefix
        outputs = []
        for chunk in torch.split(steps, self.chunk, dim=1):
            output, state = self.core.extend(chunk, state)
            outputs.append(output)
        return torch.cat(outputs, dim=1)


def run(core: Core, given: Inputs) -> Tensor:
    """The core's outputs."""
    result: Tensor = Forward(core)(given.source, given.mask, given.prefix)
    return result


def gap(actual: Tensor, expected: Tensor) -> float:
    """The largest difference, beside the largest value or 1; infinite where one is not a number."""
    assert actual.shape == expected.shape, (
        f"A tensor has the shape {tuple(actual.shape)}, not {tuple(expected.shape)}."
    )
    if not actual.numel():
        return 0.0
    difference = (actual - expected).abs().max() / expected.abs().max().clamp(min=1)
    return difference.nan_to_num(nan=torch.inf).item()
