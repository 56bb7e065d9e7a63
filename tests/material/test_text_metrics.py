"""BLEU and the character error rate against the same by hand."""

from collections import Counter
from math import exp, log

import pytest
import torch

from lagbench import registry
from lagbench.contract import Batch, Split
from lagbench.material import text_metrics

NAMES = ["a", "bb", "c", "d", "end"]
TARGET = torch.tensor([[0, 1, 2, 3, 0, 4], [3, 2, 1, 0, 4, 0]])
BATCH = Batch(TARGET, TARGET)


def grams(text, n):
    return Counter(tuple(text[at : at + n]) for at in range(len(text) - n + 1))


def test_bleu_is_the_mean_of_precisions_with_a_penalty_for_short_answers():
    answers = torch.tensor([[0, 1, 2, 3, 4, 4], [3, 2, 1, 0, 4, 4]])
    pairs = [([0, 1, 2, 3], [0, 1, 2, 3, 0]), ([3, 2, 1, 0], [3, 2, 1, 0])]
    logs = []
    for n in (1, 2, 3, 4):
        right = sum((grams(a, n) & grams(b, n)).total() for a, b in pairs)
        logs.append(log(right / sum(grams(a, n).total() for a, _ in pairs)))
    expected = exp(sum(logs) / 4) * exp(1 - 9 / 8)
    assert text_metrics.bleu(NAMES, answers, BATCH) == pytest.approx(expected, abs=1e-6)
    assert text_metrics.bleu(NAMES, TARGET, BATCH) == 1.0


def test_letters_are_words_by_the_spaces_between_them():
    names = ["a", "b", " ", "end"]
    target = torch.tensor([[0, 1, 2, 0, 2, 1, 2, 0, 0, 2, 1, 3]])
    wrong = target.clone()
    wrong[0, 1] = 0  # the first of five words
    actual = text_metrics.bleu(names, wrong, Batch(target, target))
    assert actual == pytest.approx((4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25, abs=1e-6)


def test_errors_are_edits_to_a_symbol():
    # One symbol too few, and one wrong and one too many: 3 edits to 9 symbols.
    answers = torch.tensor([[0, 1, 2, 3, 4, 4], [3, 2, 0, 0, 0, 4]])
    assert text_metrics.character_error_rate(4, answers, BATCH) == pytest.approx(3 / 9)
    assert text_metrics.character_error_rate(4, TARGET, BATCH) == 0.0


@pytest.mark.parametrize(
    ("name", "measure", "best"),
    [("translation", "bleu", 1.0), ("transcription", "character_error_rate", 0.0)],
)
def test_tasks_measure_their_oracle_as_perfect(name, measure, best):
    task = registry.task(name).value
    batch = task.sample(16, 20, torch.Generator().manual_seed(0), Split.TEST)
    answers = task.oracle(16, batch.source, batch.source_mask)
    assert task.extra_metrics(16, answers, batch) == {measure: pytest.approx(best)}
    worse = task.extra_metrics(16, answers.flip(0), batch)[measure]
    assert abs(worse - best) > 0.1
