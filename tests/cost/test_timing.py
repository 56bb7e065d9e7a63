"""Whether others computed meanwhile, by clocks that are set."""

import time

import psutil
import pytest

from lagbench.cost.timing import BackgroundLoad


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Seconds since the start: of all cores, of this process, and on the wall."""
    now = {"user": 100.0, "idle": 500.0, "own": 10.0, "wall": 0.0}
    kind = type("times", (), {"_asdict": lambda self: {k: now[k] for k in ("user", "idle")}})
    monkeypatch.setattr(psutil, "cpu_times", kind)
    monkeypatch.setattr(time, "process_time", lambda: now["own"])
    monkeypatch.setattr(time, "perf_counter", lambda: now["wall"])
    return now


def test_own_work_and_idling_do_not_count(clocks: dict[str, float]) -> None:
    others = BackgroundLoad()
    clocks |= {"user": 102.0, "idle": 502.0, "own": 12.0, "wall": 2.0}
    assert others.cores() == 0


def test_what_others_computed_is_a_number_of_cores(clocks: dict[str, float]) -> None:
    others = BackgroundLoad()
    clocks |= {"user": 105.0, "own": 12.0, "wall": 2.0}
    assert others.cores() == pytest.approx(1.5)
