"""What holds for the core of every architecture: shapes, masks, batches, weights.

Each check takes an architecture and a signature to build it for; see `lagbench.check.results`. What
holds along time is in `lagbench.check.order`, and what holds under `vmap` in
`lagbench.check.replica`.
"""

import copy
from dataclasses import replace

import torch
from torch import Tensor, nn

from lagbench.check.calling import ROUNDING, gap, real, run
from lagbench.check.inputs import another, core, draw, fresh, inputs, normal, padded, width
from lagbench.check.results import NotApplicable
from lagbench.contract import Architecture, EncoderDecoder, Mixer, Signature, Transducer, UserError


def shape(architecture: Architecture, signature: Signature) -> str:
    """Outputs are (B, T, D), or (B, U, D) of an encoder–decoder, and finite float32 numbers."""
    D = width(architecture)
    built = fresh(architecture, signature, D)
    kind = Transducer if isinstance(architecture, EncoderDecoder) else Mixer
    assert isinstance(built, kind), f"`build` gives a {type(built).__name__}, no {kind.__name__}."
    for name, parameter in built.named_parameters():
        assert parameter.dtype is torch.float32, f"Parameter {name} is {parameter.dtype}."
    given = inputs(architecture, signature)
    for inputs_ in (given, padded(given)):
        outputs = run(built, inputs_.single)
        expected = (*inputs_.steps.shape[:2], D)
        assert tuple(outputs.shape) == expected, (
            f"Outputs have the shape {tuple(outputs.shape)}, not {expected}."
        )
        assert outputs.dtype is torch.float32, f"float32 goes in, {outputs.dtype} comes out."
        assert real(outputs, inputs_).isfinite().all(), "Some outputs are infinite or not numbers."
    return f"{sum(parameter.numel() for parameter in built.parameters())} parameters at width {D}"


def padding(architecture: Architecture, signature: Signature) -> str:
    """What stands on padding, and how much padding there is, changes no real output."""
    subject, given = core(architecture, signature), padded(inputs(architecture, signature))
    assert given.mask is not None
    expected = run(subject, given)
    other = draw(architecture, signature, (given.source.shape[0], signature.steps), seed=5)
    extra = min(3, signature.steps - given.source.shape[1])
    longer = torch.cat([given.source, other[:, :extra]], dim=1)
    longer_mask = nn.functional.pad(given.mask, (0, extra))
    for way, source, mask in (
        ("other content of the padding", _mixed(given.source, other, given.mask), given.mask),
        ("more padding", longer, longer_mask),
    ):
        outputs = run(subject, replace(given, source=source, mask=mask))
        if given.prefix is None:
            outputs = outputs[:, : given.source.shape[1]]
        moved = gap(real(outputs, given), real(expected, given))
        assert moved <= ROUNDING, f"Real outputs move by {moved:.1e} with {way}."
    for row, steps in enumerate(given.mask.sum(1).tolist()):
        single = given.example(row, steps)
        outputs = expected[row : row + 1]
        moved = gap(
            outputs if given.prefix is not None else outputs[:, :steps], run(subject, single)
        )
        assert moved <= ROUNDING, f"Real outputs move by {moved:.1e} where there is no padding."
    return ""


def batch(architecture: Architecture, signature: Signature) -> str:
    """The outputs of an example do not depend on the other examples of its batch."""
    subject, given = core(architecture, signature), padded(inputs(architecture, signature))
    together = run(subject, given)
    largest = 0.0
    for row in range(given.source.shape[0]):
        single = given.example(row)
        moved = gap(real(run(subject, single), single), real(together[row : row + 1], single))
        largest = max(largest, moved)
    assert largest <= ROUNDING, f"The outputs of an example move by {largest:.1e} without others."
    return ""


def reach(architecture: Architecture, signature: Signature) -> str:
    """Every real step of the source reaches some output."""
    subject, given = core(architecture, signature), padded(inputs(architecture, signature))
    assert given.mask is not None
    expected = real(run(subject, given), given)

    def moved(step: int, seed: int) -> float:
        source = given.source.clone()
        source[:, step] = another(source, signature, seed)[:, step]
        return gap(real(run(subject, replace(given, source=source)), given), expected)

    for step in range(given.source.shape[1]):
        reached = any(moved(step, seed) > ROUNDING for seed in range(5, 10))  # a relu may be off
        assert reached, f"No output moves when source step {step} does."
    return ""


def gradients(architecture: Architecture, signature: Signature) -> str:
    """Gradients reach every parameter, and all are finite, with padding and without."""
    subject, given = core(architecture, signature), inputs(architecture, signature)
    parameters = dict(subject.named_parameters())
    if not parameters:
        return NotApplicable("it has no parameters")
    for inputs_ in (given, padded(given)):
        outputs = real(run(subject, inputs_), inputs_)
        loss = (outputs * normal(tuple(outputs.shape), seed=7)).sum()
        gradients_ = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        sizes = {
            name: 0.0 if gradient is None else gradient.abs().max().item()
            for name, gradient in zip(parameters, gradients_, strict=True)
        }
        for name, size in sizes.items():
            assert size < float("inf"), f"The gradient of {name} is infinite or not a number."
            assert size > ROUNDING * max(sizes.values()), f"No gradient reaches {name}."
    return f"{len(parameters)} parameter tensors"


def determinism(architecture: Architecture, signature: Signature) -> str:
    """The seed alone decides the weights, and the weights and inputs alone the outputs."""
    D = width(architecture)
    first, again, other = (fresh(architecture, signature, D, seed) for seed in (1, 1, 2))
    weights = list(first.parameters())
    for first_, second in zip(weights, again.parameters(), strict=True):
        assert torch.equal(first_, second), "The same seed gives other weights."
    assert not weights or any(
        not torch.equal(first_, second)
        for first_, second in zip(weights, other.parameters(), strict=True)
    ), "Another seed gives the same weights, so that replicas would be all alike."
    subject, given = core(architecture, signature), padded(inputs(architecture, signature))
    before = torch.get_rng_state()
    outputs = real(run(subject, given), given)
    assert torch.equal(before, torch.get_rng_state()), "Calling it draws random numbers."
    for way, twin in (
        ("in a second call", subject),
        ("in a deep copy", copy.deepcopy(subject)),
    ):
        moved = gap(real(run(twin, given), given), outputs)
        assert moved <= ROUNDING, (
            f"The same weights and inputs give other outputs {way}, by {moved:.1e}."
        )
    return ""


def training_mode(architecture: Architecture, signature: Signature) -> str:
    """In training mode it does the same, or says so: dropout, or buffers that training changes."""
    subject = core(architecture, signature).train()
    given = padded(inputs(architecture, signature))
    names = {
        name: type(module).__name__
        for name, module in subject.named_modules()
        if isinstance(module, nn.modules.dropout._DropoutNd | nn.modules.batchnorm._NormBase)
    }
    buffers = {name: buffer.clone() for name, buffer in subject.named_buffers()}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        before = torch.get_rng_state()
        outputs = run(subject, given)
        random = not torch.equal(before, torch.get_rng_state())
    now = dict(subject.named_buffers())
    changed = [name for name, buffer in buffers.items() if not torch.equal(now[name], buffer)]
    if not random and not changed:
        moved = gap(real(outputs, given), real(run(subject.eval(), given), given))
        assert moved <= ROUNDING, f"In training mode, outputs differ by {moved:.1e}."
        return ""
    effects = ["draws random numbers"] * random + [f"changes {', '.join(changed)}"] * bool(changed)
    causes = ", ".join(f"`{name}` is nn.{kind}" for name, kind in names.items())
    return f"{causes or 'it'}: training {' and '.join(effects)}"


def widths(architecture: Architecture, signature: Signature) -> str:
    """It can be built at every small multiple of `width_multiple`."""
    multiple = architecture.width_multiple
    assert type(multiple) is int, f"`width_multiple` is {multiple!r}, which is no whole number."
    assert multiple >= 1, f"`width_multiple` is {multiple}."
    for D in (multiple, 2 * multiple, 3 * multiple):
        given = inputs(architecture, signature, D=D)
        outputs = run(fresh(architecture, signature, D), given.single)
        assert outputs.shape[-1] == D, f"Built at width {D}, it gives {outputs.shape[-1]}."
        assert outputs.isfinite().all(), f"At width {D}, outputs are infinite or not numbers."
    return f"{multiple}, {2 * multiple} and {3 * multiple}"


def one_step(architecture: Architecture, signature: Signature) -> str:
    """A sequence of one step is read, or refused with a sentence when it is built for one."""
    short = replace(signature, steps=1, target_steps=1)
    try:
        subject = core(architecture, short)
    except UserError as refusal:
        return NotApplicable(f"it refuses sequences of one step: {refusal}")
    outputs = run(subject, inputs(architecture, short))
    assert outputs.shape[1] == 1, f"One step goes in, {outputs.shape[1]} come out."
    assert outputs.isfinite().all(), "Outputs on a single step are infinite or not numbers."
    return ""


def max_length(architecture: Architecture, signature: Signature) -> str:
    """It reads as many steps as `max_length` says; if that is None, any number, or it refuses.

    What is sized by its signature refuses longer sequences with an `UserError`.
    """
    most = architecture.max_length
    assert most is None or type(most) is int, f"`max_length` is {most!r}."
    steps = 10 * signature.steps if most is None else most
    read = replace(signature, steps=steps, target_steps=steps)
    subject = fresh(architecture, signature if most is None else read, width(architecture))
    given = inputs(architecture, read, (1, steps))
    try:
        with torch.no_grad():
            outputs = run(subject, given.single)
    except UserError as refusal:
        if most is not None:
            raise
        return NotApplicable(f"it refuses more steps than it is built for: {refusal}")
    expected = given.steps.shape[1]
    assert outputs.shape[1] == expected, f"{expected} steps go in, {outputs.shape[1]} come out."
    assert outputs.isfinite().all(), f"Over {steps} steps, outputs are infinite or not numbers."
    return f"{steps} steps"


def _mixed(source: Tensor, other: Tensor, mask: Tensor) -> Tensor:
    """`source` on real steps, `other` on padding."""
    mask = mask.view(*mask.shape, *[1] * (source.dim() - 2))
    return torch.where(mask, source, other[:, : source.shape[1]])
