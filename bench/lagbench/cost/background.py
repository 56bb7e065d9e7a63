"""Whether other processes computed while something was measured."""

import time

import psutil


class BackgroundLoad:
    """What other processes, of this machine or of its host, have computed since this was made."""

    def __init__(self) -> None:
        self.busy, self.own, self.wall = _busy(), time.process_time(), time.perf_counter()

    def cores(self) -> float:
        """How many cores they kept busy in the mean."""
        own = time.process_time() - self.own
        wall = time.perf_counter() - self.wall
        return max(0.0, _busy() - self.busy - own) / wall


def _busy() -> float:
    """Seconds that all cores have not idled since the machine started."""
    spent = psutil.cpu_times()._asdict()
    doubled = ("idle", "iowait", "guest", "guest_nice")  # guests count among users already
    return float(sum(seconds for name, seconds in spent.items() if name not in doubled))
