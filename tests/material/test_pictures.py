"""Pictures of cells: put together, taken apart, and read."""

import pytest
import torch

from lagbench.material.pictures import Stamps, recognise, shifted, split_into_cells


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("play", [0, 1, 2])
def test_cells_stand_where_their_row_and_column_say(play, dtype):
    seeded = torch.Generator().manual_seed(0)
    glyphs = torch.rand(7, 5, 6, generator=seeded).to(dtype)
    glyph = torch.randint(7, (2, 3, 4), generator=seeded)
    position = torch.randint((play + 1) ** 2, (2, 3, 4), generator=seeded)
    picture = Stamps(glyphs, play).paint(glyph, position)
    height, width = 5 + play, 6 + play
    assert picture.shape == (2, 3 * height, 4 * width)
    assert picture.dtype is dtype
    cells = shifted(glyphs, play)[7 * position + glyph]
    for row in range(3):
        for column in range(4):
            at = (
                slice(height * row, height * (row + 1)),
                slice(width * column, width * (column + 1)),
            )
            assert torch.equal(picture[:, *at], cells[:, row, column])
    assert torch.equal(split_into_cells(picture, 3, 4), cells)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_glyphs_are_moved_everywhere_and_recognised_there(dtype):
    levels = torch.randint(17, (5, 3, 3), generator=torch.Generator().manual_seed(0))
    glyphs = levels.to(dtype) / 16
    cells = shifted(glyphs, 2)
    assert cells.shape == (45, 5, 5)
    for position in range(9):
        y, x = divmod(position, 3)
        assert torch.equal(cells[5 * position : 5 * position + 5, y : y + 3, x : x + 3], glyphs)
    assert torch.equal(cells.sum((1, 2)), glyphs.sum((1, 2)).repeat(9))
    assert torch.equal(recognise(cells, glyphs), torch.arange(5).repeat(9))


def test_other_cells_are_not_recognised():
    glyphs = torch.randint(17, (5, 3, 3), generator=torch.Generator().manual_seed(0)) / 16
    cells = shifted(glyphs, 1)
    cells[:, 1, 1] += 1 / 16
    assert (recognise(cells, glyphs) == -1).all()
    assert recognise(torch.zeros(1, 4, 4), glyphs).item() == -1
