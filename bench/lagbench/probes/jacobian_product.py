"""The product of a recurrent state's Jacobians: that it vanishes or explodes, as numbers."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lagbench.contract import Mixer, State
from lagbench.model.assembly import tensors
from lagbench.probes.context import (
    DEEPER,
    NotMeasurable,
    Probe,
    ProbeContext,
    ProbeResult,
    curve,
    in_double,
)
from lagbench.probes.lags import chosen_lags
from lagbench.spec.pairing import PlanKind

NAME = "jacobian_product"
WIDEST = 256  # real numbers in a state
GRAPH = 2**21  # numbers that the states of one backward pass may have together


def jacobian_product(context: ProbeContext) -> list[ProbeResult] | NotMeasurable:
    """The largest singular value of `∂ s_T / ∂ s_{T−k}` against `k`, not normalised.

    `s` is all of the state that `Mixer.extend` carries, on the source of one test example. Only
    states of one size, whatever has been read, have such a product.
    """
    if context.job.plan.kind is PlanKind.TRANSDUCE:
        return NotMeasurable("its core is an encoder–decoder, and not one recurrence")
    if not context.job.plan.architecture.causal:
        return NotMeasurable("it reads ahead, and carries no state from step to step")
    batch = in_double(context.examples(1))
    real = slice(None) if batch.source_mask is None else batch.source_mask[0]
    results = []
    for model in context.models:
        x = model.embed(batch.source)[:, real].detach()
        assert isinstance(model.core, Mixer)
        if (reason := _unmeasurable(model.core, x)) is not None:
            return NotMeasurable(reason)
        lags, sizes = largest_singular_values(model.core, x, context.deep)
        results.append(ProbeResult(curve(NAME, lags, sizes, torch.ones_like(sizes).long())))
    return results


def _unmeasurable(core: Mixer, x: Tensor) -> str | None:
    if x.shape[1] < 2:
        return "one step has no Jacobian of the state before it"
    with torch.no_grad():
        first, second = (tensors(core.extend(x[:, :steps])[1]) for steps in (1, 2))
    if [part.shape for part in first] != [part.shape for part in second]:
        return "what it carries grows with every step: it is a memory, and not a state"
    if not all(part.is_floating_point() or part.is_complex() for part in first):
        return "its state is not of real numbers alone"
    if (width := _flat(first).shape[1]) > WIDEST:
        return f"its state has {width} numbers, and the product is taken of at most {WIDEST}"
    return None


def largest_singular_values(core: Mixer, x: Tensor, deep: bool = False) -> tuple[list[int], Tensor]:
    """`(1, T, D)` -> the lags `k >= 1`, and the largest singular value of the product over each.

    As many copies as the state has numbers are read at once, so that one ordinary backward pass
    gives all rows of all products; `GRAPH` bounds how far back it goes. Deep, it goes further, and
    looks at every lag.
    """
    steps, graph = x.shape[1], DEEPER * GRAPH if deep else GRAPH
    with torch.no_grad():
        width = _flat(tensors(core.extend(x[:, :1])[1])).shape[1]
        deepest = min(steps - 1, max(1, graph // width**2))
        state = core.extend(x[:, : steps - deepest])[1]
    copies = x.expand(width, -1, -1)
    state = _mapped(state, lambda part: part.expand(width, *part.shape[1:]).clone())
    states = [_leaves(state)]
    for step in range(steps - deepest, steps):
        # Clones cut the step off: in an LSTM, `h` is computed from the very tensor that `c` is.
        state = _mapped(core.extend(copies[:, step : step + 1], state)[1], Tensor.clone)
        states.append(tensors(state))
    lags = chosen_lags(deepest, deep)[1:]
    wanted = [part for lag in lags for part in states[-1 - lag]]
    rows = torch.autograd.grad(
        _flat(states[-1]),
        wanted,
        torch.eye(width, dtype=x.dtype, device=x.device),
        materialize_grads=True,
    )
    parts = len(states[0])
    products = [_flat(rows[start : start + parts]) for start in range(0, len(rows), parts)]
    return lags, torch.linalg.matrix_norm(torch.stack(products), ord=2).detach().cpu()


def _leaves(state: State) -> list[Tensor]:
    return [part.requires_grad_() for part in tensors(state)]


def _mapped(state: State, change: Callable[[Tensor], Tensor]) -> State:
    if isinstance(state, Tensor):
        return change(state)
    return tuple(_mapped(part, change) for part in state)


def _flat(parts: Sequence[Tensor]) -> Tensor:
    """The parts `(B, …)` of a state side by side as real numbers `(B, S)`."""
    reals = [torch.view_as_real(part) if part.is_complex() else part for part in parts]
    return torch.cat([part.flatten(1) for part in reals], dim=1)


JACOBIAN_PRODUCT = Probe(NAME, jacobian_product)
