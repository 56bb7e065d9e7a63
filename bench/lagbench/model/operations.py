"""Floating-point operations of the products and convolutions that a model takes."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from lagbench.contract import Signature
from lagbench.kernels.library import without_kernels
from lagbench.model.assembly import assemble
from lagbench.model.zeros import zeros_like_space
from lagbench.spec.pairing import Plan

LARGE = 2**26  # what takes a CPU a second or a gigabyte is not computed: its shapes will do


def forward_operations(plan: Plan, width: int) -> int:
    """Of reading one example of the task's length, and its answer with teacher forcing.

    Training on it takes about three times as many. What is computed number by number is not
    counted: activations, and the scans of linear recurrences.
    """
    signature = plan.signature
    device = quickest(signature, width)
    with torch.random.fork_rng(devices=[]), torch.device(device):
        model = assemble(plan, width)
        source = zeros_like_space(signature.source, signature.steps, device)
        target = zeros_like_space(signature.target, signature.target_steps, device)
        return operations(lambda: model(source, None, target))


def quickest(signature: Signature, width: int) -> str:
    """Where to count: loops over time are faster on a CPU than on `meta`, by a factor of 3 to 100.

    An example's activations, and the weights of a layer over all of its steps, are fewer than what
    is compared here.
    """
    steps = signature.steps + signature.target_steps
    return "cpu" if width * width * steps <= LARGE else "meta"


def operations(call: Callable[[], object]) -> int:
    """Of the products and convolutions that are called, counted by their shapes.

    The same on a CPU as on the `meta` device. On a GPU, the kernels of libraries hide what they
    multiply, and so would ours.
    """
    with without_kernels(), FlopCounterMode(display=False, custom_mapping=_OTHERS) as counter:
        call()
    return int(counter.get_total_flops())


def _accumulated(_: Any, a: torch.Size, b: torch.Size, **_kwargs: Any) -> int:
    return 2 * math.prod(a) * b[-1]


def _lstm(
    x: torch.Size, weight_ih: torch.Size, weight_hh: torch.Size, *_rest: Any, **_kwargs: Any
) -> int:
    return 2 * math.prod(x[:-1]) * (math.prod(weight_ih) + math.prod(weight_hh))


def _attention(
    query: torch.Size, key: torch.Size, value: torch.Size, *_rest: Any, **_kwargs: Any
) -> int:
    return 2 * math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


_OTHERS = {  # than PyTorch counts by itself: what works in place, and a CPU's own kernels
    torch.ops.aten.addmm_: _accumulated,
    torch.ops.aten.baddbmm_: _accumulated,
    torch.ops.aten.mkldnn_rnn_layer: _lstm,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
}
