"""Built-in tasks, one file each.

In a checkout they lie in its top-level folder `tasks`, in an installation here.
"""

from pathlib import Path

_CHECKOUT = Path(__file__).parents[3] / "tasks"

if not any(Path(__file__).parent.glob("[a-z]*.py")):  # no wheel: nothing was copied here
    __path__ = [str(_CHECKOUT)]
