"""Finding an example among all that are stored, by what is read of it."""

import torch
from torch import Tensor

_CHUNK = 2**22  # numbers that are hashed at once


def keys(source: Tensor, mask: Tensor | None) -> Tensor:
    """A hash `(N,)` of 64 bits for each source, padding left out.

    source: `(N, T)` or `(N, T, W)`. Windows into one long text are hashed a few at a time, since
    they take far more memory each for itself than together.
    """
    size = max(1, _CHUNK // source[0].numel())
    chunks = [slice(start, start + size) for start in range(0, len(source), size)]
    return torch.cat([_hashed(source[at], None if mask is None else mask[at]) for at in chunks])


class Index:
    """Stored keys in order, so that any of them is found fast."""

    def __init__(self, stored: Tensor) -> None:
        self._keys, self._places = stored.sort(stable=True)

    def matches(self, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """All pairs of a key wanted and the same key stored: the places `(P,)` of both."""
        begin, times = self._found(wanted)
        row = torch.arange(len(wanted)).repeat_interleave(times)
        rank = torch.arange(len(row)) - (times.cumsum(0) - times)[row]
        return row, self._places[begin[row] + rank]

    def holds(self, wanted: Tensor) -> Tensor:
        """Which of the keys are stored, `(M,)`."""
        return self._found(wanted)[1] > 0

    def _found(self, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Where each key begins in order, and how often it stands there."""
        begin = torch.searchsorted(self._keys, wanted)
        return begin, torch.searchsorted(self._keys, wanted, right=True) - begin


def _hashed(source: Tensor, mask: Tensor | None) -> Tensor:
    bits = source.contiguous().view(torch.int32) if source.is_floating_point() else source
    content = bits.reshape(*source.shape[:2], -1).long() + 1
    generator = torch.Generator().manual_seed(0)
    weights = torch.randint(-(2**62), 2**62, content.shape[1:], generator=generator)
    hashed = (content * weights).sum(2)  # overflow wraps around, as it should
    return (hashed if mask is None else hashed * mask).sum(1)
