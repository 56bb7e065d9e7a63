"""The command line, a file for each group of commands. Only this package prints.

What trains and draws takes seconds to import: commands do so themselves.
"""

from lagbench.cli import (
    check,
    claims,
    compare,
    dashboard,
    data,
    listing,
    probe,
    publish,
    report,
    run,
    search,
    speed,
    sweep,
    sync,
)
from lagbench.cli.app import app, main

__all__ = [
    "app",
    "check",
    "claims",
    "compare",
    "dashboard",
    "data",
    "listing",
    "main",
    "probe",
    "publish",
    "report",
    "run",
    "search",
    "speed",
    "sweep",
    "sync",
]
