"""Texts as symbols and back, and what a vocabulary knows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagbench.contract import UserError
from lagbench.material.real.builders import UNKNOWN, Vocabulary, require_vocabulary, tokenize


@given(st.text())
def test_characters_and_bytes_lose_nothing(text):
    assert "".join(tokenize(text, "characters")) == text
    characters = tokenize(text, "bytes")
    vocabulary = Vocabulary("bytes", [], 1)
    assert bytes(vocabulary.numbers(characters)).decode() == text
    assert vocabulary.unknown([characters]) == (0 if text else 1)


def test_words_are_runs_of_letters_and_single_signs():
    text = "Männer, don't\nstop!? 3.5"
    expected = ["Männer", ",", "don", "'", "t", "\n", "stop", "!", "?", "3", ".", "5"]
    assert tokenize(text, "words") == expected


def test_a_vocabulary_keeps_the_most_frequent_and_breaks_ties_by_name():
    vocabulary = Vocabulary("characters", ["bbbccaad", "b"], 3)
    assert vocabulary.names == [UNKNOWN, "b", "a", "c"]
    assert vocabulary.numbers("abcdz") == [2, 1, 3, 0, 0]
    assert vocabulary.unknown(["ab", "zz", "cd"]) == 0.5
    with pytest.raises(UserError, match="at least 1, not 0"):
        require_vocabulary("next_token", 0)
