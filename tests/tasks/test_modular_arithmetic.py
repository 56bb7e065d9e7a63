"""Modular arithmetic against Python's own evaluation, and its chance against all expressions."""

from collections import Counter
from itertools import product

import pytest
import torch
from scipy.stats import chisquare

from lagbench.contract import Split, UserError
from lagbench.tasks.modular_arithmetic import OPERATORS, ModularArithmetic


def drawn(task: ModularArithmetic, length: int, count: int):
    return task.sample(length, count, torch.Generator().manual_seed(0), Split.TRAIN)


def written(tokens: list[int], modulus: int) -> str:
    words = [str(number) for number in range(modulus)] + list(OPERATORS)
    return "".join(words[token] for token in tokens)


@pytest.mark.parametrize("modulus", [2, 5, 6, 12])
@pytest.mark.parametrize("operators", ["+-*", "*-", "+"])
@pytest.mark.parametrize("shortest", [1.0, 0.0])
def test_the_target_is_the_value_in_python(modulus, operators, shortest):
    batch = drawn(ModularArithmetic(modulus, operators, shortest), 41, 50)
    mask = batch.source_mask if batch.source_mask is not None else torch.ones(50, 41).bool()
    for tokens, real, target in zip(batch.source, mask, batch.target, strict=True):
        expression = written(tokens[real].tolist(), modulus)
        assert eval(expression) % modulus == target.item(), expression


@pytest.mark.parametrize(("expression", "value"), [("1+2*3", 2), ("1-1-1", 4), ("0*1+4*3-2", 0)])
def test_the_oracle_gives_the_published_examples(expression, value):
    tokens = [5 + OPERATORS.index(sign) if sign in OPERATORS else int(sign) for sign in expression]
    assert ModularArithmetic().oracle(len(tokens), torch.tensor([tokens]), None).item() == value


@pytest.mark.parametrize(
    ("modulus", "operators", "length"), [(3, "+-*", 7), (4, "*+", 5), (2, "*-", 9)]
)
def test_chance_is_exact(modulus, operators, length):
    numbers = "".join(map(str, range(modulus)))
    terms = [numbers, *[operators, numbers] * (length // 2)]
    values = Counter(eval("".join(signs)) % modulus for signs in product(*terms))
    expected = max(values.values()) / values.total()
    assert ModularArithmetic(modulus, operators).chance(length) == pytest.approx(
        expected, abs=1e-12
    )


def test_chance_averages_over_the_lengths_that_occur():
    task = ModularArithmetic(3, shortest=0)
    answers = torch.bincount(drawn(task, 6, 200_000).target[:, 0]) / 200_000
    assert task.chance(6) == pytest.approx(answers.max().item(), abs=0.005)


def test_an_even_length_reads_one_token_less():
    assert ModularArithmetic().signature(16).steps == 15
    assert drawn(ModularArithmetic(), 16, 3).source.shape == (3, 15)


def test_numbers_and_operators_are_uniform():
    source = drawn(ModularArithmetic(), 31, 2000).source
    assert chisquare(torch.bincount(source[:, ::2].flatten())).pvalue > 1e-5
    assert chisquare(torch.bincount(source[:, 1::2].flatten())[5:]).pvalue > 1e-5


def test_published_lengths_are_uniform_over_1_to_40_with_even_ones_cut():
    steps = drawn(ModularArithmetic(shortest=0), 40, 8000).source_mask.sum(1)
    counts = torch.bincount(steps, minlength=40)
    assert counts[::2].sum() == 0
    assert chisquare(counts[1::2]).pvalue > 1e-5


@pytest.mark.parametrize("operators", ["", "/", "++", "*"])
def test_impossible_operators_are_refused(operators):
    with pytest.raises(UserError, match="operators"):
        ModularArithmetic(operators=operators)


def test_impossible_moduli_and_lengths_are_refused():
    with pytest.raises(UserError, match="modulus"):
        ModularArithmetic(1)
    with pytest.raises(UserError, match="at least 1, not 0"):
        ModularArithmetic().signature(0)
