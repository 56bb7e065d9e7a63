"""Built-in architectures, one file a family.

In a checkout they lie in its top-level folder `architectures`, in an installation here.
"""

from pathlib import Path

_CHECKOUT = Path(__file__).parents[3] / "architectures"

if not any(Path(__file__).parent.glob("[a-z]*.py")):  # no wheel: nothing was copied here
    __path__ = [str(_CHECKOUT)]
