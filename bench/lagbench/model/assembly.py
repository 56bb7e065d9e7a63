"""Models: the input embedding, core and output head of a plan as one trainable module.

Every model is called the same way: `model(source, source_mask, target)` gives predictions
`(B, U, V)` (logits) or `(B, U, W)` (values). With a target it is teacher forced; with None, it
reads its own answers back, greedily; for other ways, see `lagbench.model.decoding`. Pooled and
aligned plans answer without reading any target.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lagbench.contract import Frames, Mixer, Pool, Signature, State, Tokens, Transducer
from lagbench.data.streams import to_float32
from lagbench.hints import CoreHints
from lagbench.model.embeddings import embedder, head
from lagbench.spec.pairing import Plan, PlanKind
from lagbench.spec.recipe import Feed

Choose = Callable[[Tensor, Tensor], tuple[Tensor, Tensor | None]]
"""Called at every step with the predictions `(N, 1, V)` of all rows, for the target steps `(N, 1)`:
negative where a row is still reading, too large where it is done, and what is chosen there has no
effect. Returns what is written, `(N, 1)`, and which row of the same example each continues, `(N,)`;
None: itself."""


def assemble(plan: Plan, width: int, feed: Feed = "own") -> "Model":
    """Build the model of a plan at a width, initialised from torch's global generator.

    feed: what a writing model reads of its target so far, in training and after: `own` or `none`.
    It is the same model, of the same size, and begins with the same weights.
    """
    model = _MODELS[plan.kind](plan, width)
    if isinstance(model, AutoregressiveModel):
        model.embed_target.feed = feed
    return model


class Model(nn.Module):
    """An input embedding, a core and an output head; subclasses implement the plans."""

    def __init__(self, plan: Plan, width: int) -> None:
        super().__init__()
        self.signature: Signature = plan.signature
        raw = plan.architecture.input_spaces is not None
        self.embed = nn.Identity() if raw else embedder(plan.signature.source, width)
        if isinstance(plan.signature.source, Frames):
            self.embed.register_forward_pre_hook(lambda _, given: tuple(map(to_float32, given)))
        self.core = plan.architecture.build(width, plan.signature)
        self.core.register_forward_hook(check_output_shape(width))
        self.head = head(plan.signature.target, _outputs(plan, width))

    def forward(self, source: Tensor, source_mask: Tensor | None, target: Tensor | None) -> Tensor:
        """Predict the targets: `(B, U, V)` logits or `(B, U, W)` values."""
        raise NotImplementedError

    def mixed(self, source: Tensor, source_mask: Tensor | None) -> Tensor:
        """A mixer's outputs `(B, T, D)`."""
        if isinstance(self.core, CoreHints):
            return self.core.forward_with_embedding(self.embed, source, source_mask)
        outputs: Tensor = self.core(self.embed(source), source_mask)
        return outputs


def check_output_shape(width: int) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
    """Return a hook that checks the shape of a core's outputs: a wrong one could still be trained.

    A mixer gives a vector for each step of its source, a transducer for each of its prefix.
    """

    def check(core: nn.Module, given: tuple[Any, ...], outputs: Any) -> None:
        steps = given[2] if isinstance(core, Transducer) else given[0]
        expected = (*steps.shape[:2], width)
        actual = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        if actual != expected:
            raise ValueError(f"its core returned {actual}, not {expected}")

    return check


def _outputs(plan: Plan, width: int) -> int:
    both_ends = plan.kind is PlanKind.POOL and plan.architecture.pool is Pool.ENDS
    return 2 * width if both_ends else width


class PooledModel(Model):
    """Many-to-one: the pooled output of the mixer answers."""

    def __init__(self, plan: Plan, width: int) -> None:
        super().__init__(plan, width)
        self.pool = plan.architecture.pool

    def forward(self, source: Tensor, source_mask: Tensor | None, target: Tensor | None) -> Tensor:
        """`(B, 1, V)` or `(B, 1, W)`."""
        mixed = self.mixed(source, source_mask)
        predicted: Tensor = self.head(pooled(mixed, source_mask, self.pool))
        return predicted


class AlignedModel(Model):
    """Many-to-many in step: every output of the mixer answers for its step."""

    def forward(
        self,
        source: Tensor,
        source_mask: Tensor | None,
        target: Tensor | None,
        steps: Tensor | None = None,
    ) -> Tensor:
        """`(B, T, V)` or `(B, T, W)`; only at `steps` `(B, K)`, `(B, K, V)` or `(B, K, W)`."""
        mixed = self.mixed(source, source_mask)
        predicted: Tensor = self.head(mixed if steps is None else gather_steps(mixed, steps))
        return predicted


class DecodeStart(NamedTuple):
    """State and inputs from which decoding starts, for each of `B` examples."""

    state: State  # after the source steps that all examples have read together
    given: Tensor  # (B, 1 + W, D): what is read next: the rest of the source, then the start vector
    ends: Tensor  # (B, 1): where in `given` the start vector stands; what is after it is not read


class AutoregressiveModel(Model, ABC):
    """A model that writes its answer one step at a time, reading what it wrote."""

    core: Mixer | Transducer

    def __init__(self, plan: Plan, width: int) -> None:
        super().__init__(plan, width)
        self.embed_target = Prefix(plan.signature, width)

    @abstractmethod
    def teacher_forced(
        self, embedded: Tensor, source_mask: Tensor | None, prefix: Tensor
    ) -> Tensor:
        """The core's outputs `(B, U, D)` where the prefix `(B, U, D)` is given, all at once."""

    @abstractmethod
    def decode_start(self, embedded: Tensor, source_mask: Tensor | None) -> DecodeStart:
        """Read as much of the source as can be read at once."""

    def forward(self, source: Tensor, source_mask: Tensor | None, target: Tensor | None) -> Tensor:
        """`(B, U, V)` or `(B, U, W)`."""
        if target is None:
            predictions, _ = self.follow(source, source_mask, self.greedy)
            return predictions
        outputs = self.teacher_forced(self.embed(source), source_mask, self.embed_target(target))
        predicted: Tensor = self.head(outputs)
        return predicted

    def greedy(self, predicted: Tensor, target_step: Tensor) -> Tensor:
        """Greedy choice: the likeliest symbol `(B, 1)`, or the predicted value."""
        return predicted.argmax(-1) if isinstance(self.signature.target, Tokens) else predicted

    def follow(
        self, source: Tensor, source_mask: Tensor | None, pick: Callable[[Tensor, Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Write one answer to each example.

        pick: from predictions `(B, 1, V)`, for target steps `(B, 1)`, the symbols `(B, 1)`.
        Returns predictions `(B, U, V)` and symbols `(B, U)`; or values, `(B, U, W)`, as both.
        """
        predictions: list[Tensor] = []
        written: list[Tensor] = []

        def choose(predicted: Tensor, target_step: Tensor) -> tuple[Tensor, None]:
            predictions.append(predicted)
            written.append(pick(predicted, target_step))
            return written[-1], None

        steps = self.write(source, source_mask, choose)
        all_predictions, all_written = torch.cat(predictions, dim=1), torch.cat(written, dim=1)
        return gather_steps(all_predictions, steps), gather_steps(all_written, steps)

    def write(
        self, source: Tensor, source_mask: Tensor | None, choose: Choose, copies: int = 1
    ) -> Tensor:
        """Decode step by step: the loop of greedy decoding, sampling and beam search.

        Examples whose sources differ in length go in step, each reading what is left of its source
        and writing right after it, so that no state ever contains padding.

        choose: as `Choose` says. copies: rows for each example, side by side.
        Returns at which calls of `choose` each example wrote its `U` target steps: `(B, U)`.
        """
        state, given, ends = self.decode_start(self.embed(source), source_mask)
        target_steps = torch.arange(self.signature.target_steps, device=source.device)
        steps = ends + target_steps
        if copies > 1:
            copied = torch.arange(len(source), device=source.device).repeat_interleave(copies)
            state, given, ends = gather_beams((state, given, ends), copied)
        begun = tensors(state)
        x, waiting = given[:, :1], given.shape[1] - 1
        for step in range(waiting + len(target_steps)):
            outputs, state = self.core.extend(x, state)
            chosen, rows = choose(self.head(outputs), step - ends)
            if rows is not None:
                state = gather_beams(state, rows, begun)
            x = self.embed_target.next(chosen)
            if step < waiting:
                x = torch.where((step < ends)[..., None], given[:, step + 1 : step + 2], x)
        return steps


class PrefixModel(AutoregressiveModel):
    """A causal mixer over `source, start symbol, targets so far`, without gaps between them."""

    core: Mixer

    def teacher_forced(
        self, embedded: Tensor, source_mask: Tensor | None, prefix: Tensor
    ) -> Tensor:
        joined = torch.cat([embedded, prefix], dim=1)
        if source_mask is None:
            outputs: Tensor = self.core(joined)
            return outputs[:, embedded.shape[1] :]
        ends = source_mask.sum(1, keepdim=True)
        order = left_pack_order(source_mask, prefix.shape[1])
        steps = ends + torch.arange(prefix.shape[1], device=embedded.device)
        return gather_steps(self.core(gather_steps(joined, order)), steps)

    def decode_start(self, embedded: Tensor, source_mask: Tensor | None) -> DecodeStart:
        start = self.embed_target.start(embedded.shape[0])
        if source_mask is None:
            ends = torch.zeros(len(embedded), 1, dtype=torch.int64, device=embedded.device)
            return DecodeStart(self.core.extend(embedded)[1], start, ends)
        ends = source_mask.sum(1, keepdim=True)
        shared, longest = int(ends.min()), int(ends.max())
        ends = ends - shared
        given = torch.cat([embedded[:, shared:longest], start], dim=1)
        places = torch.arange(given.shape[1], device=embedded.device)
        given = torch.where((places == ends)[..., None], start, given)
        return DecodeStart(self.core.extend(embedded[:, :shared])[1], given, ends)


class TransducerModel(AutoregressiveModel):
    """An encoder–decoder; it answers pooled tasks as a target of one step."""

    core: Transducer

    def teacher_forced(
        self, embedded: Tensor, source_mask: Tensor | None, prefix: Tensor
    ) -> Tensor:
        outputs: Tensor = self.core(embedded, source_mask, prefix)
        return outputs

    def decode_start(self, embedded: Tensor, source_mask: Tensor | None) -> DecodeStart:
        ends = torch.zeros(len(embedded), 1, dtype=torch.int64, device=embedded.device)
        start = self.embed_target.start(embedded.shape[0])
        return DecodeStart(self.core.start(embedded, source_mask), start, ends)


class Prefix(nn.Module):
    """What a writing model has read of its target so far: a start vector, then embedded targets.

    With `feed = "none"` it reads the start vector at every step, and never what came before it.
    So it does where the target has one step, and then there is nothing to embed targets with.
    """

    feed: Feed = "own"

    def __init__(self, signature: Signature, width: int) -> None:
        super().__init__()
        several = signature.target_steps > 1
        self.embed = embedder(signature.target, width) if several else None
        self.first = nn.Parameter(torch.randn(width))

    def start(self, batch: int, steps: int = 1) -> Tensor:
        """The start vector for each example: `(B, steps, D)`."""
        return self.first.expand(batch, steps, -1)

    def forward(self, target: Tensor) -> Tensor:
        """Teacher forcing: start, then all targets but the last; `(B, U)` -> `(B, U, D)`."""
        if self.embed is None or self.feed == "none":
            return self.start(*target.shape[:2])
        return torch.cat([self.start(target.shape[0]), self.embed(target[:, :-1])], dim=1)

    def next(self, written: Tensor) -> Tensor:
        """What is read after a symbol `(B, 1)` or a value `(B, 1, W)` is written: `(B, 1, D)`."""
        if self.embed is None or self.feed == "none":
            return self.start(written.shape[0])
        embedded: Tensor = self.embed(written)
        return embedded


def pooled(mixed: Tensor, mask: Tensor | None, pool: Pool) -> Tensor:
    """Pool outputs `(B, T, D)` over real steps to `(B, 1, D)`, or `(B, 1, 2 D)` for both ends."""
    if pool is Pool.MEAN:
        if mask is None:
            return mixed.mean(1, keepdim=True)
        weight = mask[..., None].to(mixed.dtype)
        return (mixed * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True)
    last = _last(mixed) if mask is None else gather_steps(mixed, mask.sum(1, keepdim=True) - 1)
    return last if pool is Pool.LAST else torch.cat([mixed[:, :1], last], dim=-1)


def _last(mixed: Tensor) -> Tensor:
    """The last step `(B, 1, D)`, such that zeros for the others lie in memory as these do."""
    if mixed.stride(1) < mixed.stride(0):
        return mixed[:, -1:]
    return mixed.transpose(0, 1)[-1:].transpose(0, 1)


def gather_beams(state: State, rows: Tensor, fixed: Sequence[Tensor] = ()) -> State:
    """The state of some rows `(N,)` of its batch; a row may occur several times, or never.

    fixed: tensors that are left as they are, such as what a core has kept of the source and hands
        on untouched: it is the same for all rows of an example.
    """
    if isinstance(state, Tensor):
        return state if any(state is tensor for tensor in fixed) else state.index_select(0, rows)
    return tuple(gather_beams(part, rows, fixed) for part in state)


def tensors(state: State) -> list[Tensor]:
    """The tensors of a state, in order."""
    if isinstance(state, Tensor):
        return [state]
    return [tensor for part in state for tensor in tensors(part)]


def gather_steps(sequence: Tensor, steps: Tensor) -> Tensor:
    """`sequence` `(…, T, D)` or `(…, T)` at `steps` `(…, S)`, as `(…, S, D)` or `(…, S)`."""
    index = steps[..., None] if sequence.dim() > steps.dim() else steps
    return torch.take_along_dim(sequence, index, dim=steps.dim() - 1)


def left_pack_order(source_mask: Tensor, target_steps: int) -> Tensor:
    """The order `(B, T + U)` in which real source steps, then targets, then padding stand."""
    batch = source_mask.shape[0]
    real = torch.ones(batch, target_steps, dtype=torch.bool, device=source_mask.device)
    return torch.cat([source_mask, real], dim=1).logical_not().byte().argsort(dim=1, stable=True)


_MODELS: dict[PlanKind, type[Model]] = {
    PlanKind.POOL: PooledModel,
    PlanKind.STEP: AlignedModel,
    PlanKind.PREFIX: PrefixModel,
    PlanKind.TRANSDUCE: TransducerModel,
}
