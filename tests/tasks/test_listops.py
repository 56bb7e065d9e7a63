"""ListOps against a recursive definition: shapes, values, lengths and the exact distribution."""

import random
import statistics
from collections import Counter
from itertools import product
from math import comb

import pytest
import torch
from scipy.stats import binomtest, chi2_contingency, chisquare

from lagbench.contract import Split, UserError
from lagbench.material.expressions import distribution, grammar
from lagbench.material.expressions.grammar import WORDS
from lagbench.tasks.listops import ListOps

APPLY = {
    "[MIN": min,
    "[MAX": max,
    "[MED": lambda arguments: int(statistics.median(arguments)),
    "[SM": lambda arguments: sum(arguments) % 10,
}


def drawn(task: ListOps, length: int, count: int, seed: int = 0):
    return task.sample(length, count, torch.Generator().manual_seed(seed), Split.TRAIN)


def expressions(batch) -> list[list[str]]:
    rows = zip(batch.source, batch.source_mask, strict=True)
    return [[WORDS[token] for token in row[real].tolist()] for row, real in rows]


def parsed(words: list[str]) -> tuple[int, int, int]:
    """Value, depth, and most arguments of the expression that the words begin with."""
    word = words.pop(0)
    if word.isdigit():
        return int(word), 1, 0
    parts = []
    while words[0] != "]":
        parts.append(parsed(words))
    words.pop(0)
    values, depths, most = zip(*parts, strict=True)
    return APPLY[word](values), 1 + max(depths), max(len(parts), *most)


def grown(depth: int, most: int, chance: random.Random, root: bool) -> tuple[int, int]:
    """Value and length of a random expression, by recursion as in Long Range Arena."""
    if depth == 1 or not (root or chance.random() <= 0.25):
        return chance.randrange(10), 1
    parts = [grown(depth - 1, most, chance, False) for _ in range(chance.randint(2, most))]
    values, lengths = zip(*parts, strict=True)
    return APPLY[chance.choice(list(APPLY))](values), 2 + sum(lengths)


@pytest.mark.parametrize(("task", "length"), [
    (ListOps(), 5), (ListOps(), 40), (ListOps(), 300), (ListOps(max_depth=2), 9),
    (ListOps(max_depth=4, max_args=3, shortest=0), 30), (ListOps(max_depth=3, max_args=31), 200),
])  # fmt: skip
def test_expressions_are_well_formed_and_their_values_right(task, length):
    batch = drawn(task, length, 200)
    for words, target in zip(expressions(batch), batch.target, strict=True):
        assert round(task.shortest * length) < len(words) < length
        rest = list(words)
        value, depth, arguments = parsed(rest)
        assert not rest
        assert value == target.item()
        assert 2 <= depth <= task.max_depth
        assert 2 <= arguments <= task.max_args


def test_the_default_fields_at_length_2000_are_those_of_long_range_arena():
    batch = drawn(ListOps(), 2000, 60)
    assert ListOps() == ListOps(max_depth=10, max_args=10, shortest=0.25)
    steps = batch.source_mask.sum(1)
    assert steps.min() > 500
    assert steps.max() < 2000
    depths, arguments = zip(*(parsed(words)[1:] for words in expressions(batch)), strict=True)
    assert max(depths) == max(arguments) == 10


def test_the_distribution_is_that_of_the_recursion():
    chance = random.Random(0)
    actual = Counter(grown(4, 4, chance, True) for _ in range(20_000))
    expected = 20_000 * distribution.values(4, 4, 24)
    cells = [(v, n) for v, n in product(range(10), range(25)) if expected[v, n] >= 5]
    seen = [actual[cell] for cell in cells]
    wanted = [expected[cell].item() for cell in cells]
    assert len(cells) > 100
    rest = 20_000 - sum(seen), 20_000 - sum(wanted)
    assert chisquare([*seen, rest[0]], [*wanted, rest[1]]).pvalue > 1e-5


@pytest.mark.parametrize(("task", "length"), [
    (ListOps(max_depth=4, max_args=4), 24), (ListOps(), 64), (ListOps(), 128),
    (ListOps(max_depth=20, max_args=5, shortest=0), 50),
])  # fmt: skip
def test_the_sampler_has_the_exact_distribution_of_lengths_and_values(task, length):
    batch, count = drawn(task, length, 40_000), 40_000
    cells = batch.target[:, 0] * (length + 1) + batch.source_mask.sum(1)
    cells = torch.bincount(cells, minlength=10 * (length + 1))
    exact = distribution.values(task.max_depth, task.max_args, length).clone()
    exact[:, : round(task.shortest * length) + 1] = 0
    exact[:, length] = 0
    exact = count * (exact / exact.sum()).flatten()
    assert cells[exact < 1e-6].sum() == 0
    likely = exact >= 5
    assert (
        chisquare(cells[likely], exact[likely] * cells[likely].sum() / exact[likely].sum()).pvalue
        > 1e-5
    )


def outline(words: list[str]) -> tuple:
    """The arguments of the expression that the words begin with; those of a digit are none."""
    word, parts = words.pop(0), []
    if not word.isdigit():
        while words[0] != "]":
            parts.append(outline(words))
        words.pop(0)
    return tuple(parts)


def outlined(depth: int, most: int, chance: random.Random, root: bool = True) -> tuple:
    """The arguments of a random expression, by recursion as in Long Range Arena."""
    if depth == 1 or not (root or chance.random() <= 0.25):
        return ()
    return tuple(outlined(depth - 1, most, chance, False) for _ in range(chance.randint(2, most)))


def tokens(parts: tuple) -> int:
    return 2 + sum(map(tokens, parts)) if parts else 1


def depth(parts: tuple) -> int:
    return 1 + max(map(depth, parts), default=0)


def operators(parts: tuple) -> int:
    return bool(parts) + sum(map(operators, parts))


def places(parts: tuple) -> tuple[bool, ...]:
    """Of each argument, whether it is nested."""
    return tuple(map(bool, parts))


def below(parts: tuple) -> tuple[bool, ...]:
    """The places in the last nested argument."""
    return places(next(filter(None, reversed(parts)), ()))


@pytest.mark.parametrize("statistic", [tokens, depth, operators, places, below])
@pytest.mark.parametrize(("task", "length"), [
    (ListOps(max_depth=5, max_args=5), 40), (ListOps(max_depth=4, max_args=4, shortest=0), 200),
    (ListOps(max_depth=7, max_args=3, shortest=0.6), 30),
])  # fmt: skip
def test_the_sampler_has_the_shapes_of_the_recursion(task, length, statistic):
    chance, allowed = random.Random(1), range(round(task.shortest * length) + 1, length)
    wanted = [outlined(task.max_depth, task.max_args, chance) for _ in range(20_000)]
    wanted = Counter(statistic(parts) for parts in wanted if tokens(parts) in allowed)
    ours = Counter(statistic(outline(e)) for e in expressions(drawn(task, length, 8000)))
    likely = [cell for cell in wanted | ours if wanted[cell] + ours[cell] >= 20]
    table = [[counts[cell] for cell in likely] for counts in (wanted, ours)]
    table = [[*row, c.total() - sum(row)] for row, c in zip(table, (wanted, ours), strict=True)]
    assert len(likely) >= 3
    seen = [column for column in zip(*table, strict=True) if sum(column) > 0]
    assert chi2_contingency(seen).pvalue > 1e-5


def test_every_subset_of_the_arguments_is_nested_alike():
    shapes = [places(outline(e)) for e in expressions(drawn(ListOps(), 64, 40_000))]
    counts, seen, expected = Counter((len(p), sum(p)) for p in shapes), [], []
    subsets = Counter(shapes)
    groups = [(k, c) for k, c in counts if 0 < c < k and counts[k, c] >= 5 * comb(k, c)]
    assert max(c for _, c in groups) >= 3
    for k, c in groups:
        cells = [cell for cell in product([False, True], repeat=k) if sum(cell) == c]
        seen += [subsets[cell] for cell in cells]
        expected += [counts[k, c] / len(cells)] * len(cells)
    assert chisquare(seen, expected, ddof=len(groups) - 1).pvalue > 1e-5


@pytest.mark.parametrize(("depth", "arguments", "least", "longest"), [
    (10, 10, 16, 63), (10, 10, 256, 1023), (2, 10, 0, 9), (20, 3, 32, 127), (4, 31, 16, 63),
    (10, 10, 2, 7), (100, 31, 1, 4),
])  # fmt: skip
def test_as_many_proposals_are_kept_as_foretold(depth, arguments, least, longest):
    law, generator = distribution.tilted(depth, arguments, least, longest), torch.Generator()
    _, actual = grammar.grow(4000, law, longest, generator.manual_seed(0))
    kept = torch.rand(4000, generator=generator) < law.kept[actual.clamp(max=longest + 1)]
    assert binomtest(int(kept.sum()), 4000, law.share).pvalue > 1e-5
    assert law.share > 0.5 * distribution.lengths(depth, arguments, longest)[least + 1 :].sum()


def test_drawing_one_expression_goes_on_where_none_of_a_round_is_kept():
    generator = torch.Generator().manual_seed(0)
    batches = [ListOps().sample(64, 1, generator, Split.TRAIN) for _ in range(200)]
    assert all(len(batch.target) == 1 for batch in batches)


@pytest.mark.parametrize("arguments", [2, 3])
def test_the_distribution_of_flat_expressions_is_that_of_all_of_them(arguments):
    values = {(k, v): 0.0 for k in range(2, arguments + 1) for v in range(10)}
    for k in range(2, arguments + 1):
        for digits, apply in product(product(range(10), repeat=k), APPLY.values()):
            values[k, apply(digits)] += 1 / (4 * 10**k * (arguments - 1))
    exact = distribution.values(2, arguments, 8)
    for (k, v), probability in values.items():
        assert exact[v, k + 2].item() == pytest.approx(probability, abs=1e-12)
    assert exact.sum().item() == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize(
    ("depth", "arguments", "longest"), [(10, 10, 64), (10, 10, 600), (3, 31, 97)]
)
def test_lengths_are_the_sums_over_values(depth, arguments, longest):
    exact = distribution.values(depth, arguments, longest).sum(0)
    torch.testing.assert_close(
        distribution.lengths(depth, arguments, longest), exact, atol=1e-12, rtol=0
    )


def test_operators_digits_and_shares_are_those_of_the_grammar():
    words = Counter(
        word
        for row in expressions(drawn(ListOps(max_args=2, shortest=0), 40, 4000))
        for word in row
    )
    assert chisquare([words[name] for name in APPLY]).pvalue > 1e-5
    assert chisquare([words[str(digit)] for digit in range(10)]).pvalue > 1e-5


def test_drawing_goes_on_until_there_are_enough():
    task = ListOps(max_depth=3, max_args=6, shortest=0.5)  # a round gives 80 or so
    batch = drawn(task, 60, 300)
    assert len(batch.target) == 300
    assert torch.equal(task.oracle(60, batch.source, batch.source_mask), batch.target)
    assert len(batch.source.unique(dim=0)) == 300


def test_impossible_settings_are_refused():
    with pytest.raises(UserError, match="max_depth of at least 2, not 1"):
        ListOps(max_depth=1)
    with pytest.raises(UserError, match="max_args from 2 to 31, not 32"):
        ListOps(max_args=32)
    with pytest.raises(UserError, match="at least 5, not 4"):
        ListOps().signature(4)
    with pytest.raises(UserError, match="hardly any expressions of 26 to 99 tokens"):
        ListOps(max_depth=2).signature(100)
