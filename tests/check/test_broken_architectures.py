"""The checks of architectures find what is broken, by the name of what is broken, and no more."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lagbench.check import OF_A_CORE, run_checks
from lagbench.contract import (
    Architecture,
    EncoderDecoder,
    Frames,
    Mixer,
    Reals,
    Signature,
    State,
    Tokens,
    Transducer,
)
from lagbench.hints import CoreHints
from lagbench.registry import Named

EXTENDED = {"extension", "state", "vmap_evaluation"}  # all that extend a core


def failing(architecture: Architecture) -> set[str]:
    return {finding.name for finding in run_checks(Named("toy", architecture)) if not finding.holds}


@dataclass(frozen=True)
class Toy(Architecture):
    """A core of a given class, declared to be causal or not."""

    core: type[nn.Module]
    is_causal: bool = True

    @property
    def causal(self) -> bool:
        return self.is_causal

    def build(self, width: int, signature: Signature) -> Any:
        return self.core(width)


@dataclass(frozen=True)
class ToyPair(EncoderDecoder):
    """A transducer of a given class."""

    core: type[Transducer]

    def build(self, width: int, signature: Signature) -> Transducer:
        return self.core(width)


# --- sound ones -------------------------------------------------------------------------------


class RunningMean(Mixer):
    """y_t = W x_t + V mean(x_1 … x_t) + b."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.here = nn.Linear(width, width)
        self.past = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.extend(x)[0]

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        before, seen = state or (torch.zeros_like(x[:, 0]), torch.zeros_like(x[:, 0, 0]).long())
        total = before[:, None] + x.cumsum(1)
        count = seen[:, None] + torch.arange(1, x.shape[1] + 1)
        return self.here(x) + self.past(total / count[..., None]), (total[:, -1], count[:, -1])


class MaskedMean(RunningMean):
    """y_t = W x_t + V mean(x) over the real steps."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        weight = torch.ones_like(x[..., :1]) if mask is None else mask[..., None].to(x.dtype)
        mean = (x * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True)
        return self.here(x) + self.past(mean)


class Pair(Transducer):
    """A running mean over the prefix, plus the mean of the source."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.source, self.prefix = nn.Linear(width, width), RunningMean(width)

    def start(self, source: Tensor, mask: Tensor | None = None) -> State:
        weight = torch.ones_like(source[..., :1]) if mask is None else mask[..., None].to(source)
        mean = (source * weight).sum(1) / weight.sum(1)
        return self.source(mean), (torch.zeros_like(mean), torch.zeros_like(mean[:, 0]).long())

    def extend(self, prefix: Tensor, state: State) -> tuple[Tensor, State]:
        summary, inner = state
        outputs, inner = self.prefix.extend(prefix, inner)
        return outputs + summary[:, None], (summary, inner)


@dataclass(frozen=True)
class RawReader(Architecture):
    """It reads every space raw, by a flat linear map or a table."""

    input_spaces = (Tokens, Reals, Frames)

    def build(self, width: int, signature: Signature) -> Mixer:
        return RawMean(width, signature)


class RawMean(Mixer):
    def __init__(self, width: int, signature: Signature) -> None:
        super().__init__()
        match signature.source:
            case Tokens(size):
                self.embed: nn.Module = nn.Embedding(size, width)
            case Reals(values):
                self.embed = nn.Linear(values, width)
            case Frames(channels, height, columns):
                self.embed = nn.Sequential(
                    nn.Flatten(2), nn.Linear(channels * height * columns, width)
                )
        self.mean = RunningMean(width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.mean(self.embed(x))


SOUND = [Toy(RunningMean), Toy(MaskedMean, is_causal=False), ToyPair(Pair), RawReader()]


@pytest.mark.parametrize("architecture", SOUND, ids=str)
def test_nothing_is_found_in_sound_ones(architecture: Architecture) -> None:
    assert failing(architecture) == set()


# --- along time -------------------------------------------------------------------------------


class Leaky(MaskedMean):
    """The mean of all steps, in a core that is declared causal."""

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        return Mixer.extend(self, x, state)


class Forgetful(RunningMean):
    """It begins anew at every chunk."""

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        return super().extend(x, None)


class TimeFirst(RunningMean):
    """Its state has the batch as the second dimension."""

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        known = None if state is None else tuple(part[0] for part in state)
        outputs, after = super().extend(x, known)
        return outputs, tuple(part[None] for part in after)


class Counting(Mixer):
    """Its state holds a number that is no tensor."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = RunningMean(width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.mix(x)

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        inner, count = state or (None, 0)
        outputs, inner = self.mix.extend(x, inner)
        return outputs, (inner, count + x.shape[1])


class Deaf(RunningMean):
    """It hears nothing of the fourth step."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        heard = torch.arange(x.shape[1]) != 3
        return super().extend(x * heard[:, None])[0]

    extend = Mixer.extend


# --- padding and batches ----------------------------------------------------------------------


class PaddingReader(MaskedMean):
    """The mean of all steps, real or not."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return super().forward(x)


class Infinite(MaskedMean):
    """The root of what padding makes zero: no number comes back."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        outputs = super().forward(x, mask)
        weight = torch.ones_like(x[..., :1]) if mask is None else mask[..., None].to(x.dtype)
        energy = ((self.here(x) * weight).square().sum(2, keepdim=True)).sqrt()
        return outputs + (energy * weight).sum(1, keepdim=True)


class BatchMixer(RunningMean):
    """It takes the mean over the batch away."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return super().extend(x - x.mean(0))[0]

    extend = Mixer.extend


# --- weights and replicas ---------------------------------------------------------------------


class DeadParameter(RunningMean):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.unused = nn.Parameter(torch.randn(width))


class Constant(RunningMean):
    """Every seed gives the same weights."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        for parameter in self.parameters():
            nn.init.constant_(parameter, 0.1)


class OtherDice(RunningMean):
    """Its weights are drawn by NumPy."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        drawn = np.random.default_rng().normal(size=(width, width))
        self.here.weight.data = torch.from_numpy(drawn).float()


class Rolling(RunningMean, CoreHints):
    """It draws a number at every call, and does nothing with it."""

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        if not self.under_vmap:
            torch.rand(())
        return super().extend(x, state)


class Training(RunningMean):
    """It does something else in evaluation."""

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        return super().extend(x if self.training else 2 * x, state)


class Detached(RunningMean, CoreHints):
    """Stacked, it loses the gradient."""

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        return super().extend(x.detach() if self.under_vmap else x, state)


class Branching(RunningMean):
    """It asks a tensor for a number, which vmap does not allow."""

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        return super().extend(x if x.sum().item() < 1e9 else -x, state)


class Misreader(RunningMean, CoreHints):
    """It reads symbols other than those that it is given."""

    def forward_with_embedding(
        self, embed: nn.Module, source: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        return super().forward_with_embedding(embed, source.flip(0), mask)


class FrozenReader(RunningMean, CoreHints):
    """Its embedder learns nothing."""

    def forward_with_embedding(
        self, embed: nn.Module, source: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        return self(embed(source).detach(), mask)


class OwnBuffer(RunningMean):
    """A buffer that is drawn for each replica, where replicas share buffers."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.register_buffer("scale", torch.rand(width))

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        return super().extend(x * self.scale, state)


# --- shapes -----------------------------------------------------------------------------------


class Upcast(RunningMean):
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return super().forward(x, mask).double()


class EvenOnly(RunningMean):
    def __init__(self, width: int) -> None:
        if width % 2:
            raise ValueError("odd width")
        super().__init__(width)


class ManyOnly(MaskedMean):
    """It divides by the number of steps less one."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return super().forward(x, mask) * ((x.shape[1] - 1) / (x.shape[1] - 1.0 or torch.nan))


class Table(RunningMean):
    """A table of 100 positions, whose length is not stated."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return super().extend(x + torch.linspace(0, 1, 100)[: x.shape[1], None])[0]

    extend = Mixer.extend


FAULTS: list[tuple[type[Mixer], bool, set[str]]] = [
    (Leaky, True, {"causality", "extension", "vmap_evaluation"}),
    (RunningMean, False, {"causality"}),
    (Forgetful, True, EXTENDED),
    (TimeFirst, True, {"state"}),
    (Counting, True, {"state"}),
    (Deaf, True, {"reach"}),
    (PaddingReader, False, {"padding"}),
    (Infinite, False, {"gradients", "vmap_training"}),
    (BatchMixer, True, {"batch", "padding", "state"}),  # neighbours show wherever there are fewer
    (DeadParameter, True, {"gradients"}),
    (Constant, True, {"determinism"}),
    (OtherDice, True, {"determinism"}),
    (Rolling, True, {"determinism"}),
    (Training, True, {"training_mode"}),
    (Detached, True, {"vmap_training"}),
    (Branching, True, set()),  # runs in a loop
    (OwnBuffer, True, {"vmap_training", "vmap_evaluation"}),
    (Misreader, True, {"forward_with_embedding"}),
    (FrozenReader, True, {"forward_with_embedding"}),
    (Upcast, True, {"shape"}),
    (EvenOnly, True, {"widths"}),
    (ManyOnly, False, {"one_step", "padding"}),  # an example of one step, without its padding
    (Table, True, {"max_length"}),
]


@pytest.mark.parametrize(
    ("core", "causal", "names"), FAULTS, ids=lambda x: getattr(x, "__name__", "")
)
def test_mixers(core: type[Mixer], causal: bool, names: set[str]) -> None:
    assert failing(Toy(core, causal)) == names


# --- encoder–decoders -------------------------------------------------------------------------


class PeekingPair(Pair):
    """The mean of the prefix, whole as it is given."""

    def extend(self, prefix: Tensor, state: State) -> tuple[Tensor, State]:
        outputs, after = super().extend(prefix, state)
        return outputs + prefix.mean(1, keepdim=True), after


class DeafPair(Pair):
    """It does not read the source."""

    def start(self, source: Tensor, mask: Tensor | None = None) -> State:
        return super().start(source + torch.zeros(()) - source, mask)


class PaddingReaderPair(Pair):
    def start(self, source: Tensor, mask: Tensor | None = None) -> State:
        return super().start(source)


class ForgetfulPair(Pair):
    """It forgets the prefix at every chunk."""

    def extend(self, prefix: Tensor, state: State) -> tuple[Tensor, State]:
        outputs, _ = super().extend(prefix, state)
        return outputs, state


PAIR_FAULTS: list[tuple[type[Transducer], set[str]]] = [
    (PeekingPair, {"causality", "extension", "state", "vmap_evaluation"}),
    (DeafPair, {"reach", "gradients"}),
    (PaddingReaderPair, {"padding"}),
    (ForgetfulPair, EXTENDED),
]


@pytest.mark.parametrize(("core", "names"), PAIR_FAULTS, ids=lambda x: getattr(x, "__name__", ""))
def test_transducers(core: type[Transducer], names: set[str]) -> None:
    assert failing(ToyPair(core)) == names


# --- configurations ---------------------------------------------------------------------------


class Undeclared(Toy):
    """It lacks its @dataclass(frozen=True)."""


@dataclass(frozen=True)
class Undocumented(Toy):
    pass


@dataclass(frozen=True)
class Listing(Toy):
    """It cannot be hashed."""

    sizes: Any = None


@dataclass(frozen=True)
class Limited(Toy):
    """It states how much it reads."""

    most: int = 14

    @property
    def max_length(self) -> int:
        return self.most


@dataclass(frozen=True)
class Odd(Toy):
    """It states another multiple."""

    step: Any = 3

    @property
    def width_multiple(self) -> Any:
        return self.step


@pytest.mark.parametrize(
    ("architecture", "names"),
    [
        (Undeclared(RunningMean), {"configuration"}),
        (Undocumented(RunningMean), {"documented"}),
        (Listing(RunningMean, sizes=[1]), {"configuration"}),
        (Limited(Table, most=14), set()),
        (Limited(Table, most=120), {"max_length"}),
        (Limited(Table, most=5), set()),
        (Limited(RunningMean, most=1), set()),
        (Odd(EvenOnly, step=2), set()),
        (Odd(RunningMean, step=3), set()),
        (Odd(EvenOnly, step=3), {check.__name__ for check in OF_A_CORE}),
    ],
    ids=lambda x: type(x).__name__,
)
def test_declarations(architecture: Architecture, names: set[str]) -> None:
    assert failing(architecture) == names


class Stopping(Mixer):
    def __init__(self, width: int) -> None:
        raise SystemExit("no licence found")


@dataclass(frozen=True)
class Raising(Architecture):
    """A property that raises."""

    @property
    def causal(self) -> bool:
        raise KeyError("mode")

    def build(self, width: int, signature: Signature) -> Mixer:
        return RunningMean(width)


@pytest.mark.parametrize(
    ("architecture", "sentence"),
    [(Toy(Stopping), "It raises SystemExit: no licence found"), (Raising(), "It raises KeyError")],
    ids=str,
)
def test_whatever_is_raised_is_told(architecture: Architecture, sentence: str) -> None:
    found = run_checks(Named("toy", architecture))[2:]
    assert not any(finding.holds for finding in found)
    assert all(finding.detail.startswith(sentence) for finding in found)


def test_every_check_is_a_finding_with_a_sentence() -> None:
    found = run_checks(Named("toy", Toy(MaskedMean, is_causal=False)))
    assert len({finding.name for finding in found}) == len(found) == 2 + len(OF_A_CORE)
    assert all(finding.sentence.endswith(".") for finding in found)
    unasked = {finding.name: finding.detail for finding in found if not finding.applies}
    assert unasked == {
        "extension": "not causal: extend is not asked for",
        "state": "not causal: extend is not asked for",
        "forward_with_embedding": "it does not override `forward_with_embedding`",
    }


def test_failures_say_by_how_much() -> None:
    found = {finding.name: finding for finding in run_checks(Named("toy", Toy(Leaky)))}
    told = re.fullmatch(r"An output moves by (\S+) with a later input\.", found["causality"].detail)
    assert told is not None
    assert 0.01 < float(told[1]) < 10


def test_randomness_is_left_as_it_was() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    run_checks(Named("toy", Toy(RunningMean)))
    assert torch.equal(torch.get_rng_state(), before)


class ChunkForgetful(RunningMean):
    """It works in chunks of 64 steps, and loses the state from one to the next."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return torch.cat(
            [super(ChunkForgetful, self).extend(part)[0] for part in x.split(64, 1)], 1
        )


def test_chunk_borders_are_crossed() -> None:
    assert failing(Toy(ChunkForgetful)) == {"extension"}
