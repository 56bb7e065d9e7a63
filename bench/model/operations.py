"""Floating-point operations of the products and convolutions that a model takes."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.matching import Plan
from bench.model.assembly import assemble
from bench.model.blank import blank


def forward_operations(plan: Plan, width: int) -> int:
    """Of reading one example of the task's length, and its answer with teacher forcing.

    Training on it takes about three times as many. What is computed number by number is not
    counted: activations, and the scans of linear recurrences.
    """
    signature = plan.signature
    with torch.device("meta"):
        model = assemble(plan, width)
    source = blank(signature.source, signature.steps, "meta")
    target = blank(signature.target, signature.target_steps, "meta")
    return operations(lambda: model(source, None, target))


def operations(call: Callable[[], object]) -> int:
    """Of the products and convolutions that are called, counted by their shapes.

    The tensors should be on the `meta` device: on a CPU, the kernels of libraries hide what they
    multiply.
    """
    with FlopCounterMode(display=False, custom_mapping=_IN_PLACE) as counter:
        call()
    return int(counter.get_total_flops())


def _accumulated(_: Any, a: torch.Size, b: torch.Size, **_kwargs: Any) -> int:
    return 2 * math.prod(a) * b[-1]


_IN_PLACE = {torch.ops.aten.addmm_: _accumulated, torch.ops.aten.baddbmm_: _accumulated}
