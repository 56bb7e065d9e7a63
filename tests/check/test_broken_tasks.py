"""The checks of tasks find what is broken, by the name of what is broken, and no more."""

import random
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from lagbench.check import AT_A_LENGTH, OF_A_TASK, run_checks
from lagbench.contract import (
    Alignment,
    Batch,
    Frames,
    Metric,
    Reals,
    Signature,
    Split,
    Task,
    Tokens,
    UserError,
)
from lagbench.registry import Named

DRAWING = {  # all that draw a batch
    "lengths",
    "batch",
    "padding",
    "determinism",
    "splits",
    "oracle",
    "optimum",
    "chance",
    "lag",
}


def failing(task: Task) -> set[str]:
    return {finding.name for finding in run_checks(Named("toy", task)) if not finding.holds}


# --- sound ones -------------------------------------------------------------------------------


@dataclass(frozen=True)
class First(Task):
    """Name the first of many: `2 0 1 3 -> 2`."""

    lengths: ClassVar[tuple[int, ...]] = (8, 12)

    def signature(self, length: int) -> Signature:
        if length < 2:
            raise UserError(f"first needs a length of at least 2, not {length}.")
        return Signature(Tokens(4), Tokens(4), Alignment.POOLED, length)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        source = torch.randint(4, (count, length), generator=generator)
        return Batch(source, source[:, :1].clone(), lag=torch.full((count, 1), length - 1))

    def chance(self, length: int) -> float:
        return 0.25

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        return source[:, :1].clone()


@dataclass(frozen=True)
class Last(First):
    """Name the last real one of some: `2 0 1 3 _ _ -> 3`."""

    def signature(self, length: int) -> Signature:
        return replace(super().signature(length), padded=True)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        source = torch.randint(4, (count, length), generator=generator)
        steps = torch.randint(1, length + 1, (count, 1), generator=generator)
        mask = torch.arange(length) < steps
        return Batch(source, source.gather(1, steps - 1), mask, lag=torch.zeros_like(steps))

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        assert source_mask is not None
        return source.gather(1, source_mask.sum(1, keepdim=True) - 1)


@dataclass(frozen=True)
class Delayed(First):
    """Say each one two steps later: `2 0 1 3 -> _ _ 2 0`, where it is asked for."""

    def signature(self, length: int) -> Signature:
        stated = super().signature(length)
        return replace(stated, alignment=Alignment.ALIGNED, target_steps=stated.steps, causal=True)

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        source = super().sample(length, count, generator, split).source
        asked = (torch.arange(length) >= 2).expand(count, length)
        lag = torch.where(asked, 2, -1)
        return Batch(source, self.oracle(length, source, None), None, asked, lag)

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        return source.roll(2, 1)


@dataclass(frozen=True)
class Spelled(First):
    """Say a string again and close it: `2 0 1 -> 2 0 1 4`."""

    def signature(self, length: int) -> Signature:
        super().signature(length)
        return Signature(
            Tokens(4), Tokens(5, end=4), Alignment.FREE, length, length + 1, padded=True
        )

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        drawn = Last().sample(length, count, generator, split)
        assert drawn.source_mask is not None
        steps = drawn.source_mask.sum(1, keepdim=True)
        asked = torch.arange(length + 1) <= steps
        lag = torch.where(torch.arange(length + 1) < steps, steps, -1)
        target = self.oracle(length, drawn.source, drawn.source_mask)
        return Batch(drawn.source, target, drawn.source_mask, asked, lag)

    def chance(self, length: int) -> float:
        """Position u is asked for in strings of u symbols and more; the last is the end's."""
        stay = [(length - u) / (length - u + 1) for u in range(1, length)]
        best = [0.25, *(max(p / 4, 1 - p) for p in stay), 1.0]
        weights = [1.0, *((length - u + 1) / length for u in range(1, length)), 1 / length]
        return sum(w * b for w, b in zip(weights, best, strict=True)) / sum(weights)

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        assert source_mask is not None
        closed = torch.where(source_mask, source, 4)
        return torch.cat([closed, torch.full_like(source[:, :1], 4)], dim=1)


@dataclass(frozen=True)
class Mean(First):
    """The mean of many numbers: `0.2 0.4 -> 0.3`."""

    metric: ClassVar[Metric] = Metric.MSE

    def signature(self, length: int) -> Signature:
        return replace(super().signature(length), source=Reals(1), target=Reals(1))

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        source = torch.rand(count, length, 1, generator=generator)
        return Batch(source, source.mean(1, keepdim=True))

    def chance(self, length: int) -> float:
        return 1 / 12 / length

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        return source.mean(1, keepdim=True)


@dataclass(frozen=True)
class Noisy(First):
    """The first one, or any: `2 0 1 3 -> 2`, sometimes `-> 1`."""

    metric: ClassVar[Metric] = Metric.BITS

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        drawn = super().sample(length, count, generator, split)
        any_one = torch.randint(4, (count, 1), generator=generator)
        kept = torch.rand(count, 1, generator=generator) < 0.5
        return replace(drawn, target=torch.where(kept, drawn.target, any_one))

    def chance(self, length: int) -> float:
        return 2.0

    def optimum(self, length: int) -> float:
        p = torch.tensor([0.625, 0.125, 0.125, 0.125])
        return float(-(p * p.log2()).sum())

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        known = torch.nn.functional.one_hot(source[:, :1], 4)
        return (0.125 + 0.5 * known).log()


@dataclass(frozen=True)
class Pictures(First):
    """A fixed set, named by its first symbol: `2 6 6 6 -> 2`."""

    shared: int = 0

    def signature(self, length: int) -> Signature:
        return replace(super().signature(length), source=Tokens(1000))

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        every = torch.arange(1000)[:, None].expand(-1, length).clone()
        every[:, 0] %= 4
        start = {Split.TRAIN: 0, Split.VALIDATION: 600 - self.shared, Split.TEST: 800}[split]
        mine = every[start : start + self.num_examples(length, split)]
        rounds = -(-count // len(mine))
        order = torch.cat([torch.randperm(len(mine), generator=generator) for _ in range(rounds)])
        source = mine[order[:count]]
        return Batch(source, source[:, :1].clone())

    def num_examples(self, length: int, split: Split) -> int:
        return 600 if split is Split.TRAIN else 200


@dataclass(frozen=True)
class Film(First):
    """Name the brightness of the first frame: `2 0 1 3 -> 2`, of one pixel each."""

    dtype: torch.dtype = torch.float32

    def signature(self, length: int) -> Signature:
        return replace(super().signature(length), source=Frames(1, 1, 1))

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        drawn = super().sample(length, count, generator, split)
        return replace(drawn, source=drawn.source[..., None, None, None].to(self.dtype))

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        return source[:, :1, 0, 0, 0].long()


SOUND = [
    First(), Last(), Delayed(), Spelled(), Mean(), Noisy(), Pictures(), Film(), Film(torch.float16),
]  # fmt: skip


@pytest.mark.parametrize("task", SOUND, ids=lambda task: type(task).__name__)
def test_nothing_is_found_in_sound_ones(task: Task) -> None:
    assert [f for f in run_checks(Named("toy", task)) if not f.holds] == []


# --- data -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.uint8])
def test_frames_are_of_single_or_half_precision(dtype: torch.dtype) -> None:
    found = {f.name: f.detail for f in run_checks(Named("toy", Film(dtype))) if not f.holds}
    assert f"The source is {dtype}, not torch.float32 or torch.float16." in found["batch"]


@dataclass(frozen=True)
class Changed(First):
    """First, `2 0 1 3 -> 2`, with a batch that `change` makes another."""

    change: Any = None

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        return self.change(super().sample(length, count, generator, split), generator)


def outside(drawn: Batch, _: torch.Generator) -> Batch:
    return replace(
        drawn, source=torch.where(torch.arange(drawn.source.shape[1]) == 3, 4, drawn.source)
    )


def floating(drawn: Batch, _: torch.Generator) -> Batch:
    return replace(drawn, target_mask=torch.ones_like(drawn.target).float())


def unasked(drawn: Batch, _: torch.Generator) -> Batch:
    return replace(drawn, target_mask=torch.zeros_like(drawn.target, dtype=torch.bool))


def shortened(drawn: Batch, _: torch.Generator) -> Batch:
    mask = torch.ones_like(drawn.source, dtype=torch.bool)
    mask[::2, -1] = False
    return replace(drawn, source_mask=mask, lag=mask.sum(1, keepdim=True) - 1)


def torn(drawn: Batch, _: torch.Generator) -> Batch:
    mask = torch.ones_like(drawn.source, dtype=torch.bool)
    mask[:, 1] = False
    return replace(drawn, source_mask=mask, lag=torch.full_like(drawn.target, mask.shape[1] - 2))


def numpy_dice(drawn: Batch, _: torch.Generator) -> Batch:
    source = drawn.source.clone()
    source[:, 1] = torch.from_numpy(np.random.randint(4, size=len(source)))  # noqa: NPY002
    return replace(drawn, source=source)


def unseeded_dice(drawn: Batch, _: torch.Generator) -> Batch:
    source = drawn.source.clone()
    source[:, 1] = torch.from_numpy(np.random.default_rng().integers(4, size=len(source)))
    return replace(drawn, source=source)


def torch_dice(drawn: Batch, _: torch.Generator) -> Batch:
    torch.rand(())
    return drawn


def python_dice(drawn: Batch, _: torch.Generator) -> Batch:
    random.random()
    return drawn


def fixed(drawn: Batch, _: torch.Generator) -> Batch:
    again = torch.Generator().manual_seed(0)
    source = torch.randint(4, drawn.source.shape, generator=again)
    return replace(drawn, source=source, target=source[:, :1].clone())


def later_lag(drawn: Batch, _: torch.Generator) -> Batch:
    return replace(drawn, lag=drawn.lag - 1)


def earlier_lag(drawn: Batch, _: torch.Generator) -> Batch:
    return replace(drawn, lag=drawn.lag + 1)


def any_lag(drawn: Batch, source: torch.Generator) -> Batch:
    return replace(
        drawn, lag=torch.randint(drawn.source.shape[1], drawn.lag.shape, generator=source)
    )


def stopping(drawn: Batch, _: torch.Generator) -> Batch:
    raise SystemExit("no data found")


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (outside, {"lengths", "batch"}),
        (floating, {"lengths", "batch", "optimum", "chance", "lag"}),
        (unasked, {"padding", "optimum", "chance", "lag"}),
        (shortened, {"padding"}),
        (torn, {"padding"}),
        (numpy_dice, {"determinism"}),
        (unseeded_dice, {"determinism"}),
        (torch_dice, {"determinism"}),
        (python_dice, {"determinism"}),
        (fixed, {"determinism"}),
        (later_lag, {"lag"}),
        (earlier_lag, {"lag"}),
        (any_lag, {"lag"}),
        (stopping, DRAWING),
    ],
)
def test_data(change: Any, names: set[str]) -> None:
    assert failing(Changed(change=change)) == names


@dataclass(frozen=True)
class ReplayingTest(First):
    """First, `2 0 1 3 -> 2`, tested on one of two fixed batches, which are trained on too."""

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        drawn = super().sample(length, count, generator, split)
        known = super().sample(length, 100, torch.Generator().manual_seed(9), split).source
        rows = torch.randint(100, (count,), generator=generator)
        often = 1.0 if split is Split.TEST else 0.1
        replayed = torch.rand(count, 1, generator=generator) < often
        source = torch.where(replayed, known[rows], drawn.source)
        return replace(drawn, source=source, target=source[:, :1].clone())


@dataclass(frozen=True)
class PaddingUndeclared(Last):
    """Last, `2 0 _ -> 0`, but it does not say that sources differ in length."""

    def signature(self, length: int) -> Signature:
        return replace(super().signature(length), padded=False)


@dataclass(frozen=True)
class PaddingMissing(First):
    """First, `2 0 1 -> 2`, but it says that sources differ in length."""

    def signature(self, length: int) -> Signature:
        return replace(super().signature(length), padded=True)


@dataclass(frozen=True)
class Unclosed(Spelled):
    """Spelled, `2 0 1 -> 2 0 1 4`, but no string ends."""

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        drawn = super().sample(length, count, generator, split)
        assert drawn.target_mask is not None
        assert drawn.lag is not None
        asked = drawn.target_mask & (drawn.target != 4)
        return replace(drawn, target_mask=asked)

    def chance(self, length: int) -> float:
        return 0.25


# --- answers ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Worth(First):
    """First, `2 0 1 3 -> 2`, with a chance and an optimum as stated."""

    stated_chance: float = 0.25
    stated_optimum: float = 1.0

    def chance(self, length: int) -> float:
        return self.stated_chance

    def optimum(self, length: int) -> float:
        return self.stated_optimum


_SEEN: list[Tensor] = []


@dataclass(frozen=True)
class Remembering(First):
    """First, `2 0 1 3 -> 2`, whose oracle remembers the targets of the last batch."""

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        drawn = super().sample(length, count, generator, split)
        _SEEN[:] = [drawn.target]
        return drawn

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        return _SEEN[-1][: len(source)]


@dataclass(frozen=True)
class Resampling(First):
    """First, `2 0 1 3 -> 2`, whose oracle samples."""

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        self.sample(length, len(source), torch.Generator(), Split.TRAIN)
        return super().oracle(length, source, source_mask)


@dataclass(frozen=True)
class Neighbourly(First):
    """First, `2 0 1 3 -> 2`, whose oracle looks at its neighbours."""

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        right = super().oracle(length, source, source_mask)
        return right if len(source) > 1 else 3 - right


@dataclass(frozen=True)
class PaddingOracle(Last):
    """Last, `2 0 _ -> 0`, whose padding tells the answer, and whose oracle reads it there."""

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        drawn = super().sample(length, count, generator, split)
        assert drawn.source_mask is not None
        return replace(drawn, source=torch.where(drawn.source_mask, drawn.source, drawn.target))

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        return source[:, -1:].clone()


@dataclass(frozen=True)
class Foreseen(Delayed):
    """Say each one a step ahead: `2 0 1 3 -> 0 1 3 _`, which a causal model cannot."""

    def sample(self, length: int, count: int, generator: torch.Generator, split: Split) -> Batch:
        source = First.sample(self, length, count, generator, split).source
        return Batch(source, self.oracle(length, source, None))

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        return source.roll(-1, 1)


@dataclass(frozen=True)
class Unnormalised(Noisy):
    """Noisy, `2 0 1 3 -> 2`, with probabilities that sum to more."""

    def oracle(self, length: int, source: Tensor, source_mask: Tensor | None) -> Tensor:
        return super().oracle(length, source, source_mask) + 0.1


@pytest.mark.parametrize(
    ("task", "names"),
    [
        (ReplayingTest(), {"splits"}),
        (Pictures(shared=1), {"splits"}),
        (PaddingUndeclared(), {"padding"}),
        (PaddingMissing(), {"padding"}),
        (Unclosed(), {"padding"}),
        (Worth(stated_chance=0.2), {"chance"}),
        (Worth(stated_chance=0.3), {"chance"}),
        (Worth(stated_optimum=0.9), {"optimum"}),
        (Worth(stated_chance=0.25, stated_optimum=0.2), {"signature", "optimum"}),
        (Remembering(), {"oracle", "lag"}),
        (Resampling(), {"oracle", "optimum", "lag"}),
        (Neighbourly(), {"oracle"}),
        (PaddingOracle(), {"oracle"}),
        (Foreseen(), {"causality"}),
        (Unnormalised(), {"oracle", "optimum"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_answers(task: Task, names: set[str]) -> None:
    assert failing(task) == names


# --- lengths and signatures -------------------------------------------------------------------


@dataclass(frozen=True)
class Refusing(First):
    """First, `2 0 1 3 -> 2`, that refuses short lengths with a given error."""

    error: Any = None
    text: str = ""

    def signature(self, length: int) -> Signature:
        if length < 2 and self.error is not None:
            raise self.error(self.text)
        return Signature(Tokens(4), Tokens(4), Alignment.POOLED, length)


@pytest.mark.parametrize(
    ("error", "text", "detail"),
    [
        (None, "", "It does not refuse the length -1."),
        (
            ValueError,
            "no.",
            "It refuses the length -1 with ValueError: no., not with an UserError.",
        ),
        (
            UserError,
            "too short",
            "It refuses the length -1 with 'too short', which is no sentence.",
        ),
    ],
)
def test_impossible_lengths(error: Any, text: str, detail: str) -> None:
    found = [f for f in run_checks(Named("toy", Refusing(error=error, text=text))) if not f.holds]
    assert [(f.name, f.detail) for f in found] == [("lengths", detail)]


@dataclass(frozen=True)
class Signed(First):
    """First, `2 0 1 3 -> 2`, with a signature that contradicts itself."""

    contradiction: Any = None

    def signature(self, length: int) -> Signature:
        return replace(super().signature(length), **dict(self.contradiction))


@pytest.mark.parametrize(
    ("contradiction", "names"),
    [
        ({"causal": True}, {"signature"}),
        ({"target": Tokens(4, end=4)}, {"signature", "padding"}),
        ({"target": Tokens(3)}, {"lengths", "batch"}),
    ],
)
def test_contradictions(contradiction: dict[str, Any], names: set[str]) -> None:
    assert failing(Signed(contradiction=tuple(contradiction.items()))) == names


@dataclass(frozen=True)
class Wordless(First):
    """It names the first of many."""


def test_a_docstring_shows_data() -> None:
    assert failing(Wordless()) == {"documented"}


def test_every_check_is_a_finding_with_a_sentence() -> None:
    found = run_checks(Named("toy", First()))
    assert len({f.name for f in found}) == len(found) == 2 + len(OF_A_TASK) + len(AT_A_LENGTH)
    assert all(f.sentence.endswith(".") for f in found)
    unasked = {f.name: f.detail for f in found if not f.applies}
    assert unasked == {"causality": "it is not declared causal"}
    told = {f.name: f.detail for f in found}
    assert "0 of 512 test sources are repeats" in told["splits"]
