"""Small cores and inputs to put under test: double precision, a few examples of a few steps."""

from dataclasses import dataclass, replace
from math import ceil

import torch
from torch import Tensor

from lagbench.contract import (
    Alignment,
    Architecture,
    EncoderDecoder,
    Frames,
    Mixer,
    Reals,
    Signature,
    Space,
    Tokens,
    Transducer,
)

BATCH, STEPS = 3, 7
LONG = 70  # more than a chunk of those who work by chunks
ROOM = 12  # the longest source that a core is built for, so that padding can be lengthened
SPACES: tuple[Space, ...] = (Tokens(11), Reals(3), Frames(1, 8, 8))

Core = Mixer | Transducer


@dataclass(frozen=True)
class Inputs:
    """What a core is called with.

    source: `(B, T, D)`, or raw as its space says; mask: `(B, T)` or None.
    prefix: `(B, U, D)` for a transducer, None for a mixer.
    """

    source: Tensor
    mask: Tensor | None = None
    prefix: Tensor | None = None

    @property
    def single(self) -> "Inputs":
        """The same in single precision, which is how cores are trained."""
        floats = (self.source, self.prefix)
        source, prefix = (
            x.float() if x is not None and x.is_floating_point() else x for x in floats
        )
        assert source is not None
        return Inputs(source, self.mask, prefix)

    def example(self, row: int, steps: int | None = None) -> "Inputs":
        """One example; with `steps`, its first ones without a mask."""
        rows = slice(row, row + 1)
        prefix = None if self.prefix is None else self.prefix[rows]
        if steps is not None:
            return Inputs(self.source[rows, :steps], None, prefix)
        return Inputs(self.source[rows], None if self.mask is None else self.mask[rows], prefix)

    @property
    def steps(self) -> Tensor:
        """The sequence that outputs go in step with: the prefix, or a mixer's source."""
        return self.source if self.prefix is None else self.prefix

    def with_steps(self, steps: Tensor) -> "Inputs":
        """The same with another sequence to go in step with."""
        if self.prefix is None:
            return replace(self, source=steps)
        return replace(self, prefix=steps)


def signatures(architecture: Architecture) -> tuple[Signature, ...]:
    """What to build it for: one signature for each space that it reads raw, or one for vectors."""
    spaces = SPACES[:1]
    if architecture.input_spaces is not None:
        spaces = tuple(space for space in SPACES if isinstance(space, architecture.input_spaces))
    steps = min(ROOM, architecture.max_length or ROOM)
    if isinstance(architecture, EncoderDecoder):
        return tuple(
            Signature(space, Tokens(11), Alignment.FREE, steps, steps, padded=True)
            for space in spaces
        )
    aligned, causal = Alignment.ALIGNED, architecture.causal
    return tuple(
        Signature(space, Tokens(11), aligned, steps, steps, causal, padded=True) for space in spaces
    )


def lengthened(architecture: Architecture, signature: Signature) -> Signature:
    """The same for as many steps as `LONG`, where the architecture reads so many."""
    steps = min(LONG, architecture.max_length or LONG)
    return replace(signature, steps=steps, target_steps=steps)


def writes(architecture: Architecture) -> bool:
    """Whether it can write an answer step by step, so that `extend` is asked for."""
    return architecture.causal or isinstance(architecture, EncoderDecoder)


def width(architecture: Architecture) -> int:
    """The smallest width from 8 on that the architecture allows."""
    return architecture.width_multiple * ceil(8 / architecture.width_multiple)


def fresh(architecture: Architecture, signature: Signature, D: int, seed: int = 0) -> Core:
    """A core as the engine would get it, from a seeded global generator that is put back after."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return architecture.build(D, signature)


def core(architecture: Architecture, signature: Signature, seed: int = 0) -> Core:
    """A core in evaluation mode and double precision, its weights moved off zero.

    In evaluation mode dropout is off and batch norms use their running statistics, so that outputs
    are a function of the inputs.
    """
    built = fresh(architecture, signature, width(architecture), seed).double().eval()
    with torch.no_grad():
        for index, parameter in enumerate(built.parameters()):
            parameter.add_(normal(tuple(parameter.shape), seed + index), alpha=0.05)
    return built


def inputs(
    architecture: Architecture,
    signature: Signature,
    shape: tuple[int, int] = (BATCH, STEPS),
    seed: int = 0,
    D: int | None = None,
) -> Inputs:
    """Inputs of `(B, T)` steps, or as many as the signature has, without padding.

    The prefix of an encoder–decoder is shorter, where it can be, so that the two are told apart.
    """
    count, steps = shape[0], min(shape[1], signature.steps)
    drawn = draw(architecture, signature, (count, steps), seed, D)
    if not isinstance(architecture, EncoderDecoder):
        return Inputs(drawn)
    target_steps = min(max(1, shape[1] - 2), signature.target_steps)
    return Inputs(drawn, prefix=normal((count, target_steps, D or width(architecture)), seed + 1))


def draw(
    architecture: Architecture,
    signature: Signature,
    shape: tuple[int, int],
    seed: int,
    D: int | None = None,
) -> Tensor:
    """A source of `(B, T)` steps, as a core of width `D` reads it.

    It is of vectors of the width (None: that of `width`), or raw as its space says.
    """
    if architecture.input_spaces is None:
        return normal((*shape, D or width(architecture)), seed)
    match signature.source:
        case Tokens(size):
            return torch.randint(size, shape, generator=generator(seed))
        case Reals(values):
            return normal((*shape, values), seed)
        case Frames(channels, height, columns):
            return normal((*shape, channels, height, columns), seed)


def another(sequence: Tensor, signature: Signature, seed: int = 5) -> Tensor:
    """A sequence that differs from the given one at every step, raw or of vectors."""
    if sequence.is_floating_point():
        return normal(tuple(sequence.shape), seed)
    assert isinstance(signature.source, Tokens)
    size = signature.source.size
    away = torch.randint(1, size, tuple(sequence.shape), generator=generator(seed))
    return (sequence + away) % size


def normal(shape: tuple[int, ...], seed: int) -> Tensor:
    """Standard normal numbers in double precision."""
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def generator(seed: int) -> torch.Generator:
    """A generator of its own, so that checks leave the global one alone."""
    return torch.Generator().manual_seed(seed)


def padded(given: Inputs, turn: int = 0) -> Inputs:
    """The same inputs, whose three examples end after all, half and one of their steps.

    turn: which of them is the longest.
    """
    steps = given.source.shape[1]
    lengths = torch.tensor([steps, (steps + 1) // 2, 1]).roll(turn)
    return replace(given, mask=torch.arange(steps) < lengths[:, None])
