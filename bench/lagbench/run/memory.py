"""How much memory this process may have."""

from functools import cache
from pathlib import Path


@cache  # of a process that works on many cells: what it had before the first counts
def limit_memory(allowance: int) -> None:
    """Let this process have so many bytes of memory on top of those that it has. Linux only.

    Whoever asks for more is refused by the system, which is an exception and no kill.
    """
    import resource  # there is none on Windows

    status = Path("/proc/self/status").read_text(encoding="ascii")
    (held,) = (int(line.split()[1]) for line in status.splitlines() if line.startswith("VmData:"))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (held * 1024 + allowance, hard))
