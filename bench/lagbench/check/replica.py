"""Replicas under `torch.func.vmap` compute what each computes by itself.

The engine stacks parameters and shares buffers; in training each replica has a batch of its own
under an outer backward pass, in evaluation all of them share one batch.
"""

import copy
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from lagbench.check.calling import ROUNDING, Forward, InChunks, gap, real, run
from lagbench.check.inputs import (
    BATCH,
    LONG,
    Core,
    Inputs,
    core,
    generator,
    inputs,
    lengthened,
    normal,
    padded,
    width,
    writes,
)
from lagbench.check.results import NotApplicable
from lagbench.contract import Architecture, Signature, Transducer
from lagbench.hints import CoreHints
from lagbench.spec.pairing import Unsupported, match
from lagbench.train.execution import vmap_obstacle

REPLICAS = 3
ROWS = 5  # of an embedding: fewer than the steps


def _obstacle(architecture: Architecture, signature: Signature) -> NotApplicable | None:
    """Why the engine runs replicas of it in a loop, and what that costs; None: it uses vmap."""
    plan = match(architecture, signature)
    if isinstance(plan, Unsupported):
        return None
    with torch.enable_grad():
        reason = vmap_obstacle(plan, width(architecture), torch.device("cpu"))
    if reason is None:
        return None
    return NotApplicable(f"{reason} Replicas run one after another, which is slower")


def vmap_training(architecture: Architecture, signature: Signature) -> str:
    """Replicas under vmap have the outputs and gradients of each by itself."""
    if (obstacle := _obstacle(architecture, signature)) is not None:
        return obstacle
    far = lengthened(architecture, signature)
    cores = [core(architecture, far, seed) for seed in range(REPLICAS)]
    seeds = [10 * replica for replica in range(REPLICAS)]
    for batches in (
        [padded(inputs(architecture, signature, seed=seed), seed // 10) for seed in seeds],
        [inputs(architecture, far, (2, LONG), seed) for seed in seeds],
    ):
        outputs, gradients = _train_under_vmap(cores, batches)
        for replica, (subject, batch) in enumerate(zip(cores, batches, strict=True)):
            expected, expected_gradients = _trained(subject, batch)
            moved = gap(real(outputs[replica], batch), expected)
            assert moved <= ROUNDING, f"Under vmap, outputs differ by {moved:.1e}."
            for name, gradient in expected_gradients.items():
                moved = gap(gradients[name][replica], gradient)
                assert moved <= ROUNDING, (
                    f"Under vmap, the gradient of {name} differs by {moved:.1e}."
                )
    return f"{REPLICAS} replicas"


@torch.no_grad()
def vmap_evaluation(architecture: Architecture, signature: Signature) -> str:
    """Replicas under vmap on one batch, at once or step by step, do what each does by itself."""
    if (obstacle := _obstacle(architecture, signature)) is not None:
        return obstacle
    cores = [core(architecture, signature, seed) for seed in range(REPLICAS)]
    given = inputs(architecture, signature)
    kinds: list[tuple[str, Callable[[Core], nn.Module], Inputs]] = [
        ("on a shared batch", Forward, padded(given))
    ]
    if writes(architecture):
        kinds.append(("step by step", partial(InChunks, chunk=1), given))
    for way, called, shared in kinds:
        models = [called(subject) for subject in cores]
        outputs = _shared(models, shared, raw=architecture.input_spaces is not None)
        for subject, output in zip(cores, outputs, strict=True):
            moved = gap(real(output, shared), real(run(subject, shared), shared))
            assert moved <= ROUNDING, f"Under vmap {way}, outputs differ by {moved:.1e}."
    return ""


def forward_with_embedding(architecture: Architecture, signature: Signature) -> str:
    """`forward_with_embedding` has the outputs and gradients of embedding first."""
    subject = core(architecture, signature)
    if (
        not isinstance(subject, CoreHints)
        or isinstance(subject, Transducer)
        or type(subject).forward_with_embedding is CoreHints.forward_with_embedding
    ):
        return NotApplicable("it does not override `forward_with_embedding`")
    D, shape = width(architecture), (BATCH, signature.steps)
    symbols = torch.randint(ROWS, shape, generator=generator(0))
    for embed, source in (
        (nn.Embedding(ROWS, D), symbols),
        (nn.Embedding(2 * symbols.numel(), D), symbols),
        (nn.Linear(2, D), normal((*shape, 2), 0)),
        (nn.Linear(3 * D, D), normal((*shape, 3 * D), 0)),
    ):
        embed.double()
        given = padded(Inputs(source))
        leaves: dict[str, Tensor] = dict(subject.named_parameters())
        leaves |= {f"the embedder's {name}": leaf for name, leaf in embed.named_parameters()}
        embedded = real(subject(embed(source), given.mask), given)
        outputs = real(subject.forward_with_embedding(embed, source, given.mask), given)
        moved = gap(outputs, embedded)
        assert moved <= ROUNDING, f"With {embed}, outputs differ by {moved:.1e}."
        gradients = _gradients([outputs], leaves)
        for name, gradient in _gradients([embedded], leaves).items():
            moved = gap(gradients[name], gradient)
            assert moved <= ROUNDING, (
                f"With {embed}, the gradient of {name} differs by {moved:.1e}."
            )
    return "symbols, few and many; values, narrower and wider"


def _trained(subject: Core, given: Inputs) -> tuple[Tensor, dict[str, Tensor]]:
    """Real outputs of one replica, and the gradients of all that it learns from and reads."""
    model = Forward(subject)
    columns = _columns([given])
    outputs = real(model(**{name: column[0] for name, column in columns.items()}), given)
    leaves = dict(model.named_parameters())
    gradients = _gradients([outputs], leaves | columns)
    return outputs, {n: gradients[n] if n in leaves else gradients[n][0] for n in gradients}


def _train_under_vmap(cores: list[Core], given: list[Inputs]) -> tuple[Tensor, dict[str, Tensor]]:
    """As `_trained` for all replicas at once, in tensors `(R, …)`; the outputs with padding."""
    leaves, base = _stack([Forward(subject) for subject in cores])
    columns = _columns(given)
    outputs: Tensor = vmap(partial(functional_call, base))(leaves, (), columns)
    rows = [real(output, batch) for output, batch in zip(outputs, given, strict=True)]
    return outputs, _gradients(rows, leaves | columns)


def _shared(models: list[nn.Module], given: Inputs, raw: bool) -> Tensor:
    """The outputs of stacked replicas on one batch.

    Vectors reach a core after an embedder of each replica's own, so they come stacked; what is
    read raw does not, nor does the mask.
    """
    leaves, base = _stack(models)
    columns = _columns([given] * REPLICAS)
    plain = {
        name: columns.pop(name)[0] for name in ("mask", "source")[: 1 + raw] if name in columns
    }
    if not leaves and not columns:
        return torch.stack([model(**plain) for model in models])

    def call(leaves: dict[str, Tensor], columns: dict[str, Tensor]) -> Tensor:
        return functional_call(base, leaves, (), plain | columns)  # type: ignore[no-any-return]

    outputs: Tensor = vmap(call)(leaves, columns)
    return outputs


def _stack(models: list[nn.Module]) -> tuple[dict[str, Tensor], nn.Module]:
    """Parameters `(R, …)` by name, and a module to call with them, told that it is stacked."""
    leaves, _ = stack_module_state(models)
    base = copy.deepcopy(models[0])
    for module in base.modules():
        if isinstance(module, CoreHints):
            module.under_vmap = True
    return leaves, base


def _columns(given: list[Inputs]) -> dict[str, Tensor]:
    """What there is of source, mask and prefix, `(R, …)`; gradients flow to real numbers."""
    columns = {}
    for name in ("source", "mask", "prefix"):
        if getattr(given[0], name) is not None:
            column = torch.stack([getattr(item, name) for item in given])
            columns[name] = column.requires_grad_(column.is_floating_point())
    return columns


def _gradients(rows: list[Tensor], leaves: dict[str, Tensor]) -> dict[str, Tensor]:
    """Gradients of a loss that weighs every output of every replica differently."""
    wanted = {name: leaf for name, leaf in leaves.items() if leaf.requires_grad}
    losses = [(row * normal(tuple(row.shape), seed=7)).sum() for row in rows]
    gradients = torch.autograd.grad(
        torch.stack(losses).sum(), list(wanted.values()), materialize_grads=True
    )
    return dict(zip(wanted, gradients, strict=True))
