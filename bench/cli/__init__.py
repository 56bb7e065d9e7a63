"""The command line, a file for each group of commands. Only this package prints.

What trains and draws takes seconds to import: commands do so themselves.
"""

from bench.cli import (
    check,
    claims,
    compare,
    dashboard,
    data,
    names,
    probe,
    publish,
    report,
    run,
    search,
    speed,
    sweep,
    sync,
)
from bench.cli.app import app, main

__all__ = [
    "app",
    "check",
    "claims",
    "compare",
    "dashboard",
    "data",
    "main",
    "names",
    "probe",
    "publish",
    "report",
    "run",
    "search",
    "speed",
    "sweep",
    "sync",
]
