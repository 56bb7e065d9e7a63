"""Three kills at random moments; `nox -s faults` makes fifty."""

import pytest

from tests.faults.kills import TIMED, Attack, compare, decided

pytestmark = pytest.mark.slow


def test_a_run_that_is_killed_at_random_comes_to_what_an_undisturbed_one_does(tmp_path):
    attack = Attack(tmp_path, kills=3)
    told = []
    attack.run(told.append)
    assert attack.killed.total() == 3
    out = tmp_path / "undisturbed"
    expected = decided(out)
    lost = next(out.glob("trials/*/result.json"))
    lost.unlink()
    with pytest.raises(AssertionError):
        compare(out, expected)
    assert set(TIMED).isdisjoint(expected.columns)
