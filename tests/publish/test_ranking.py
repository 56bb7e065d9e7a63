"""Who is ahead of whom, against values worked out by hand."""

from dataclasses import replace
from typing import Any

import pytest

from lagbench.publish.ranking import rank_architectures
from lagbench.publish.records import Published
from lagbench.record import Status

BLOCKS = {"a": (0.9, 0.5), "b": (0.9, None), "c": (0.1, 0.7)}  # scores on two tasks


@pytest.fixture
def suite(published: Published) -> Any:
    """Three architectures on two tasks; `b` ran out of time on the second, `d` cannot run it."""
    model = next(record for record in published.records if record.status is Status.OK)
    result = [
        model.model_copy(update={
            "architecture": name, "task": task, "selected": score is not None, "score": score,
            "status": Status.OK if score is not None else Status.TIMEOUT, "trial": f"{name}-{task}",
        })
        for name, scores in BLOCKS.items()
        for task, score in zip(("first", "second"), scores, strict=True)
    ]  # fmt: skip
    refused = {"architecture": "d", "task": "second", "status": Status.UNSUPPORTED, "score": None}
    result.append(model.model_copy(update=refused))
    return replace(published, records=tuple(result), throughputs=())


def test_shares_of_the_others(suite: Any) -> None:
    standings = {
        entry.architecture: entry.suites["x"] for entry in rank_architectures({"x": suite})
    }
    assert set(standings) == {"a", "b", "c"}
    assert standings["a"].ahead == pytest.approx((0.75 + 0.5) / 2)  # ties b, beats c; beats b
    assert standings["b"].ahead == pytest.approx((0.75 + 0.0) / 2)
    assert standings["c"].ahead == pytest.approx((0.0 + 1.0) / 2)
    assert standings["a"].score == pytest.approx(0.7)
    assert standings["b"].score == pytest.approx(0.45), "no score counts as chance"
    assert standings["b"].cells == 2


def test_suites_count_alike_and_the_best_come_first(suite: Any) -> None:
    first = [record for record in suite.records if record.task == "first"]
    both = rank_architectures({"x": suite, "y": replace(suite, records=tuple(first))})
    assert [entry.architecture for entry in both] == ["a", "b", "c"]
    assert both[0].ahead == pytest.approx((0.625 + 0.75) / 2)
    assert both[2].ahead == pytest.approx((0.5 + 0.0) / 2)


def test_whoever_stands_alone_has_no_place(suite: Any) -> None:
    single = [record for record in suite.records if record.architecture == "a"]
    assert rank_architectures({"x": replace(suite, records=tuple(single))}) == []
