"""Pictures of cells, each of which shows a known glyph at some position within it."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding, pad


def black(*shape: int) -> Tensor:
    """Return zeros in half precision, by `memset`: faster than `torch.zeros` for millions."""
    picture = torch.empty(shape, dtype=torch.float16)
    picture.numpy().view(np.uint8).fill(0)
    return picture


def shifted(glyphs: Tensor, play: int) -> Tensor:
    """Glyphs `(N, h, w)` everywhere in cells larger by `play`: `((play + 1)^2 N, h', w')`.

    Glyph `i` at the `j`-th place is number `j N + i`.
    """
    return torch.cat([
        pad(glyphs, (x, play - x, y, play - y)) for y in range(play + 1) for x in range(play + 1)
    ])  # fmt: skip


class Stamps:
    """Glyphs `(N, h, w)` to paint pictures of, in cells larger by `play`.

    They are kept as lines of pixels, everywhere from left to right, with `play` empty lines between
    two glyphs: a cell is `h + play` lines that follow each other, the sooner the lower its glyph.
    """

    def __init__(self, glyphs: Tensor, play: int) -> None:
        self.number, self.height = len(glyphs), glyphs.shape[1] + play
        moved = [pad(glyphs, (x, play - x, play, 0)).flatten(0, 1) for x in range(play + 1)]
        self.lines = torch.cat([*moved, glyphs.new_zeros(play, glyphs.shape[2] + play)])
        right = torch.arange(play + 1) * self.number * self.height
        up = play - torch.arange(play + 1)
        self.starts = (up[:, None] + right).flatten().int()  # the first line of glyph 0, by place

    def paint(self, glyph: Tensor, position: Tensor) -> Tensor:
        """A picture `(B, rows h', columns w')` of cells; each line is looked up and written once.

        glyph, position: `(B, rows, columns)`; position `y (play + 1) + x` is so far down and right.
        """
        start = torch.add(self.starts[position], glyph.int(), alpha=self.height)
        down = torch.arange(self.height, dtype=torch.int32)  # int64 would be more to read
        line = start[:, :, None] + down[:, None]
        return embedding(line, self.lines).flatten(3).flatten(1, 2)


def split_into_cells(picture: Tensor, rows: int, columns: int) -> Tensor:
    """A picture `(B, rows h, columns w)` as its cells `(B, rows, columns, h, w)`."""
    B, height, width = picture.shape
    return picture.reshape(B, rows, height // rows, columns, width // columns).transpose(2, 3)


def recognise(cells: Tensor, glyphs: Tensor) -> Tensor:
    """Which of the glyphs `(N, h, w)` is in each of the cells `(…, h', w')`, at any place; else -1.

    By fingerprints: sums of pixels, which are multiples of 1/16, at random weights.
    """
    weights = torch.randint(2**40, cells.shape[-2:], generator=torch.Generator().manual_seed(0))
    placed = shifted(glyphs, cells.shape[-1] - glyphs.shape[-1])
    known, order = _fingerprints(placed, weights).sort()
    wanted = _fingerprints(cells, weights)
    position = torch.searchsorted(known, wanted).clamp(max=len(known) - 1)
    return torch.where(known[position] == wanted, order[position] % len(glyphs), -1)


def _fingerprints(pictures: Tensor, weights: Tensor) -> Tensor:
    return (pictures.flatten(-2) * 16).long() @ weights.flatten()
