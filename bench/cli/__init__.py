"""The command line, a file for each group of commands. Only this package prints.

What trains and draws takes seconds to import: commands do so themselves.
"""

from bench.cli import check, data, names, probe, report, run
from bench.cli.app import app, main

__all__ = ["app", "check", "data", "main", "names", "probe", "report", "run"]
