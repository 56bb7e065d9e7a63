"""Average ranks by hand, and who is told apart against tabulated critical values."""

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
def scores(record):
    """Make records from scores by architecture, a column of blocks each; seeds are alike."""

    def make(seeds=1, **columns):
        return [
            record(architecture=name, length=length, seed=seed, score=score)
            for name, column in columns.items()
            for length, score in enumerate(column, start=2)
            if score is not None
            for seed in range(seeds)
        ]

    return make


def test_ranks_by_hand(scores):
    found = ranked(scores(gru=[0.9, 0.9], rnn=[0.5, 0.9], lstm=[0.7, 0.1]))
    assert found["rank"].to_dict() == {"gru": 1.25, "rnn": 2.25, "lstm": 2.5}
    assert found.index.tolist() == ["gru", "rnn", "lstm"]
    assert set(found["blocks"]) == {2}
    assert found["score"].to_dict() == {"gru": 0.9, "rnn": 0.7, "lstm": pytest.approx(0.4)}
    assert found["score_low"].isna().all()  # one seed


@pytest.mark.parametrize(
    ("architectures", "critical"),  # Demšar 2006, table 5a: the Nemenyi test at 0.05
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)],
)
def test_the_critical_difference_is_that_of_the_tables(architectures, critical):
    k, blocks = architectures, 14
    expected = critical * np.sqrt(k * (k + 1) / (6 * blocks))
    assert critical_difference(k, blocks) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_who_shares_a_letter_is_closer_than_the_critical_difference(seed):
    random = np.random.default_rng(seed)
    table = pd.DataFrame(random.normal(np.arange(6) / 2, 1, (12, 6)), columns=list("uvwxyz"))
    averages = table.rank(axis=1).mean().sort_values()
    letters = cliques(table[averages.index])
    for one in averages.index:
        for other in averages.index:
            near = abs(averages[one] - averages[other]) < critical_difference(6, 12)
            assert one == other or near == bool(set(letters[one]) & set(letters[other]))


def test_one_block_distinguishes_none(scores):
    found = ranked(scores(seeds=3, gru=[0.9], rnn=[0.5], lstm=[0.7]))
    assert found["rank"].tolist() == [1, 2, 3]
    assert set(found["clique"]) == {"a"}


def test_one_architecture_is_first_beside_none(scores):
    row = ranked(scores(gru=[0.9, 0.8])).loc["gru"]
    assert (row["rank"], row["clique"]) == (1, "")
    assert np.isnan([row["critical_difference"], row["friedman_p"]]).all()


def test_equals_share_their_rank_and_are_not_told_apart(scores):
    found = ranked(scores(gru=[0.9] * 4, rnn=[0.9] * 4, lstm=[0.9] * 4))
    assert found["rank"].tolist() == [2, 2, 2]
    assert set(found["friedman_p"]) == {1}
    assert set(found["clique"]) == {"a"}


def test_friedmans_p_is_that_of_the_chi_squared_distribution():
    table = np.array([[3.0, 2, 1]] * 4)
    assert friedman_p(table) == pytest.approx(stats.chi2.sf(8, 2))  # all blocks agree: N (k - 1)


def test_who_has_a_score_in_few_blocks_has_no_rank_and_costs_no_other_a_block(scores):
    found = ranked(scores(gru=[0.9] * 4, rnn=[0.5] * 3 + [None], lstm=[0.7] + [None] * 3))
    assert found.loc["lstm", "blocks"] == 0
    assert np.isnan(found.loc["lstm", "rank"])
    assert set(found.loc[["gru", "rnn"], "blocks"]) == {3}


def test_the_interval_resamples_seeds_within_blocks(record):
    records = [
        record(length=length, seed=seed, score=score)
        for length, both in ((16, (0.0, 0.2)), (32, (1.0, 1.0)))
        for seed, score in enumerate(both)
    ]
    row = ranked(records).loc["lstm"]
    assert row["score"] == pytest.approx((0.2 + 1.0) / 2)  # 0 and a 1 of four are left out
    assert (row["score_low"], row["score_high"]) == (pytest.approx(0.5), pytest.approx(0.6))


def test_nothing_scored_is_no_row(record):
    found = ranks(trials([record(status=Status.FAILED, selected=False)], []))
    assert found.empty
    assert list(found.columns) == COLUMNS
