"""Every trial and every suite as a W&B run, written to disk first and never at a result's cost.

Only this package imports wandb. Runs are always offline; what is asked to be online is uploaded
from disk when the suite is finished, and by `lagbench sync`.
"""

from lagbench.tracking.destination import Tracking
from lagbench.tracking.runs import CellRuns
from lagbench.tracking.suite import SuiteRuns

__all__ = ["CellRuns", "SuiteRuns", "Tracking"]
