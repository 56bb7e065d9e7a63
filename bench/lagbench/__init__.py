"""LagBench: which sequence architecture reaches how far back, and at what price.

What authors of architectures and tasks need is here: `from lagbench import Mixer, register`.
Names are imported when they are first asked for, so that `import lagbench` needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from lagbench.contract import (
        Alignment,
        Architecture,
        Batch,
        Cost,
        DisplayNames,
        EncoderDecoder,
        Frames,
        Metric,
        Mixer,
        Pool,
        Reals,
        Signature,
        Split,
        State,
        Task,
        Tokens,
        Transducer,
        UserError,
    )
    from lagbench.registry import register

__all__ = [
    "Alignment",
    "Architecture",
    "Batch",
    "Cost",
    "DisplayNames",
    "EncoderDecoder",
    "Frames",
    "Metric",
    "Mixer",
    "Pool",
    "Reals",
    "Signature",
    "Split",
    "State",
    "Task",
    "Tokens",
    "Transducer",
    "UserError",
    "register",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "lagbench.registry" if name == "register" else "lagbench.contract"
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
