"""Average ranks by hand, and who is told apart against tabulated critical values."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lagbench.record import Record, Status
from lagbench.report.ranks import COLUMNS, cliques, critical_difference, friedman_p, ranks
from lagbench.report.tables import trials


def ranked(records: list[Record]) -> pd.DataFrame:
    return ranks(trials(records, [])).set_index("architecture")


@pytest.fixture
def scores(record: Any) -> Any:
    """Make records from scores by architecture, a column of blocks each; seeds are alike."""

    def make(seeds: Any = 1, **columns: Any) -> Any:
        return [
            record(architecture=name, length=length, seed=seed, score=score)
            for name, column in columns.items()
            for length, score in enumerate(column, start=2)
            if score is not None
            for seed in range(seeds)
        ]

    return make


def test_ranks_by_hand(scores: Any) -> None:
    result = ranked(scores(gru=[0.9, 0.9], rnn=[0.5, 0.9], lstm=[0.7, 0.1]))
    assert result["rank"].to_dict() == {"gru": 1.25, "rnn": 2.25, "lstm": 2.5}
    assert result.index.tolist() == ["gru", "rnn", "lstm"]
    assert set(result["blocks"]) == {2}
    assert result["score"].to_dict() == {"gru": 0.9, "rnn": 0.7, "lstm": pytest.approx(0.4)}
    assert result["score_low"].isna().all()  # one seed


@pytest.mark.parametrize(
    ("architectures", "critical"),  # Demšar 2006, table 5a: the Nemenyi test at 0.05
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)],
)
def test_the_critical_difference_is_that_of_the_tables(architectures: Any, critical: Any) -> None:
    k, blocks = architectures, 14
    expected = critical * np.sqrt(k * (k + 1) / (6 * blocks))
    assert critical_difference(k, blocks) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_who_shares_a_letter_is_closer_than_the_critical_difference(seed: Any) -> None:
    random = np.random.default_rng(seed)
    table = pd.DataFrame(random.normal(np.arange(6) / 2, 1, (12, 6)), columns=list("uvwxyz"))
    averages = table.rank(axis=1).mean().sort_values()
    letters = cliques(table[averages.index])
    for first in averages.index:
        for other in averages.index:
            near = abs(averages[first] - averages[other]) < critical_difference(6, 12)
            assert first == other or near == bool(set(letters[first]) & set(letters[other]))


def test_one_block_distinguishes_none(scores: Any) -> None:
    result = ranked(scores(seeds=3, gru=[0.9], rnn=[0.5], lstm=[0.7]))
    assert result["rank"].tolist() == [1, 2, 3]
    assert set(result["clique"]) == {"a"}


def test_one_architecture_is_first_beside_none(scores: Any) -> None:
    row = ranked(scores(gru=[0.9, 0.8])).loc["gru"]
    assert (row["rank"], row["clique"]) == (1, "")
    assert np.isnan([row["critical_difference"], row["friedman_p"]]).all()


def test_equals_share_their_rank_and_are_not_told_apart(scores: Any) -> None:
    result = ranked(scores(gru=[0.9] * 4, rnn=[0.9] * 4, lstm=[0.9] * 4))
    assert result["rank"].tolist() == [2, 2, 2]
    assert set(result["friedman_p"]) == {1}
    assert set(result["clique"]) == {"a"}


def test_friedmans_p_is_that_of_the_chi_squared_distribution() -> None:
    table = np.array([[3.0, 2, 1]] * 4)
    assert friedman_p(table) == pytest.approx(stats.chi2.sf(8, 2))  # all blocks agree: N (k - 1)


def test_who_has_a_score_in_few_blocks_has_no_rank_and_costs_no_other_a_block(scores: Any) -> None:
    result = ranked(scores(gru=[0.9] * 4, rnn=[0.5] * 3 + [None], lstm=[0.7] + [None] * 3))
    assert result.loc["lstm", "blocks"] == 0
    assert np.isnan(result["rank"]["lstm"])
    assert set(result.loc[["gru", "rnn"], "blocks"]) == {3}


def test_the_interval_resamples_seeds_within_blocks(record: Any) -> None:
    records = [
        record(length=length, seed=seed, score=score)
        for length, both in ((16, (0.0, 0.2)), (32, (1.0, 1.0)))
        for seed, score in enumerate(both)
    ]
    row = ranked(records).loc["lstm"]
    assert row["score"] == pytest.approx((0.2 + 1.0) / 2)  # 0 and a 1 of four are left out
    assert (row["score_low"], row["score_high"]) == (pytest.approx(0.5), pytest.approx(0.6))


def test_nothing_scored_is_no_row(record: Any) -> None:
    result = ranks(trials([record(status=Status.FAILED, selected=False)], []))
    assert result.empty
    assert list(result.columns) == COLUMNS
