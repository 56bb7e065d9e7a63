"""Every trial and every suite as a W&B run: offline first, and never at the cost of a result.

Only this package imports wandb. Runs are always written to the disk; what is asked to be online is
uploaded from there by a process of its own, beside training, which no server can hold up.
"""

from lagbench.tracking.cells import CellRuns
from lagbench.tracking.destination import Tracking
from lagbench.tracking.suite import SuiteRuns

__all__ = ["CellRuns", "SuiteRuns", "Tracking"]
