"""Words and filler: what is drawn, and that filler is made of whole phrases."""

import re

import pytest
import torch
from scipy.stats import chisquare

from lagbench.material.language import ADVERB, DETERMINER, NOUN, PREPOSITION, Lexicon, fill

LEXICON = Lexicon((("a", "b"), ("c", "d", "e"), ("f",), ("g", "h")), verb=("i", "j", "k", "l"))
LETTERS = {ADVERB: "A", PREPOSITION: "P", DETERMINER: "D", NOUN: "N"}


def test_words_and_categories_are_numbered_by_their_place():
    assert "".join(LEXICON.words) == "abcdefghijkl"
    assert LEXICON.category("verb") == 4
    assert LEXICON.first("verb") == LEXICON.word("i") == 8


@pytest.mark.parametrize("category", [0, 1, 3, 4])
def test_all_words_of_a_category_are_drawn_alike(category):
    generator = torch.Generator().manual_seed(0)
    words = LEXICON.draw(torch.full((60, 100), category), generator)
    counts = torch.bincount(words.flatten(), minlength=len(LEXICON.words))
    mine = {0: slice(0, 2), 1: slice(2, 5), 3: slice(6, 8), 4: slice(8, 12)}[category]
    assert counts[mine].sum() == 6000
    assert chisquare(counts[mine]).pvalue > 1e-5


@pytest.mark.parametrize("length", [6, 7, 13, 20])
def test_every_gap_is_adverbs_and_whole_phrases(length):
    first = torch.arange(length - 5)
    pairs = torch.cartesian_prod(first, first)
    pairs = pairs[pairs[:, 0] <= pairs[:, 1]] + torch.tensor([0, 2])  # blocks of 2 and 3 steps
    for (start, second), row in zip(pairs.tolist(), fill(length, pairs, [2, 3]), strict=True):
        gaps = row[:start], row[start + 2 : second], row[second + 3 : length - 1]
        for gap in gaps:
            assert re.fullmatch("A{0,2}(PDN)*", "".join(LETTERS[kind] for kind in gap.tolist()))
