from collections import Counter
from itertools import product

import pytest
import torch

from lagbench.architectures.ngram import NGram, NGramBag
from lagbench.contract import Alignment, Signature, Tokens, UserError


def build(size: int, **fields) -> NGramBag:
    torch.manual_seed(0)
    signature = Signature(Tokens(size), Tokens(2), Alignment.POOLED, steps=9)
    return NGram(**fields).build(6, signature).double()


def possible(size: int, n: int) -> list[tuple[int, ...]]:
    """All n-grams; those with fewer than n symbols begin before the sequence."""
    return [gram for length in range(1, n + 1) for gram in product(range(size), repeat=length)]


def row(core: NGramBag, gram: tuple[int, ...]) -> int:
    symbols = [0] * (core.n - len(gram)) + [symbol + 1 for symbol in gram]
    return core.index(torch.tensor([symbols])).item()


@pytest.mark.parametrize(("size", "n"), [(1, 3), (3, 1), (5, 2), (3, 4)])
def test_every_ngram_has_a_row_of_its_own_and_no_row_is_idle(size, n):
    core = build(size, n=n)
    rows = [row(core, gram) for gram in possible(size, n)]
    assert sorted(rows) == list(range(core.features))
    assert core.features == core.rows == len(core.table.weight)


@pytest.mark.parametrize("table", [4096, 7])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_equals_a_counter_over_every_prefix(n, reduction, table):
    core = build(4, n=n, reduction=reduction, table=table)
    tokens = torch.randint(4, (3, 9))
    rows = {gram: row(core, gram) for gram in possible(4, n)}
    outputs = []
    for sequence in tokens.tolist():
        for t in range(1, 10):
            grams = Counter(tuple(sequence[max(0, end - n) : end]) for end in range(1, t + 1))
            bag = sum(count * core.table.weight[rows[gram]] for gram, count in grams.items())
            outputs.append(core.bag.dense(bag / t if reduction == "mean" else bag).relu())
    expected = torch.stack(outputs).view(3, 9, 6)
    actual = core(tokens)
    torch.testing.assert_close(actual, expected)
    wanted = list(core.parameters())
    torch.testing.assert_close(
        torch.autograd.grad(actual.square().sum(), wanted),
        torch.autograd.grad(expected.square().sum(), wanted),
    )


def test_order_matters_from_bigrams_on():
    same_words = torch.tensor([[0, 1, 2, 3], [2, 0, 1, 3]])
    unigrams, bigrams = build(4, n=1)(same_words)[:, -1], build(4)(same_words)[:, -1]
    torch.testing.assert_close(unigrams[0], unigrams[1])
    assert not torch.allclose(bigrams[0], bigrams[1])


def test_bigrams_are_blind_beyond_neighbours():
    core = build(3)
    same_bigrams = torch.tensor([[0, 1, 0, 2, 0], [0, 2, 0, 1, 0]])
    torch.testing.assert_close(*core(same_bigrams)[:, -1])


def test_hashing_spreads_ngrams_over_the_table():
    core = build(100, table=512)
    pairs = torch.cartesian_prod(torch.arange(1, 101), torch.arange(1, 101))
    load = core.index(pairs).flatten().bincount(minlength=512)
    assert core.features == 100 + 100**2
    assert len(load) == core.rows == 512
    mean = 100**2 / 512
    assert (load - mean).square().mean() < 2 * mean  # of a random hash: 1 × mean


def test_hashes_of_long_ngrams_are_those_of_whole_numbers():
    """No product overflows, even where symbols and orders are large."""
    core = build(2_000_000, n=9)
    symbols = torch.randint(1_999_000, 2_000_001, (4, 9))
    for sequence, hashed in zip(symbols.tolist(), core.index(symbols).flatten(), strict=True):
        number = sum(d * 950_706_376**power for power, d in enumerate(reversed(sequence)))
        assert hashed == (number % (2**31 - 1) - 1) % 4096


def test_impossible_fields_are_refused():
    with pytest.raises(UserError, match="at least 1"):
        NGram(n=0)
    with pytest.raises(UserError, match="at least 1"):
        NGram(table=0)
