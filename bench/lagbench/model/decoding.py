"""Decoding: how the symbols of a written answer are chosen, and how likely the answer is.

Greedily, by drawing, or by beam search. The loop over steps is the model's own and the same for all
three: `lagbench.model.assembly.AutoregressiveModel.write`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lagbench.contract import Tokens, UserError
from lagbench.model.assembly import AutoregressiveModel
from lagbench.spec.decoding import Decoding


@dataclass(frozen=True)
class Answers:
    """What a model has written.

    symbols: `(B, U)`; after an `end` there is nothing but `end`.
    log_probability: `(B,)`, of the symbols up to the first `end` under the model, in nats.
    """

    symbols: Tensor
    log_probability: Tensor


@torch.no_grad()
def decode(
    model: AutoregressiveModel,
    source: Tensor,
    source_mask: Tensor | None,
    decoding: Decoding,
    generator: torch.Generator,
) -> Answers:
    """Write an answer to each of `B` sources; `UserError` where the model writes values.

    generator: on the CPU; `sample` alone draws from it, a number for each target step of each
        example in turn, so that how a split is cut into batches does not matter.
    """
    space = model.signature.target
    if not isinstance(space, Tokens):
        raise UserError("Only symbols are decoded: values are fed back as they are predicted.")
    if decoding.method == "beam":
        beam = Beam(len(source), model.signature.target_steps, decoding, space, source.device)
        return beam.best(model.write(source, source_mask, beam.choose, decoding.beams))
    if decoding.method == "greedy":
        predictions = model(source, source_mask, None)
        return _followed(predictions, predictions.argmax(-1), space)
    size = (len(source), model.signature.target_steps)
    noise = torch.rand(size, generator=generator, dtype=torch.float64).to(source.device)

    def pick(predicted: Tensor, target_step: Tensor) -> Tensor:
        return drawn(predicted, noise.gather(1, target_step.clamp(0, size[1] - 1)), decoding)

    return _followed(*model.follow(source, source_mask, pick), space)


def closed(symbols: Tensor, space: Tokens) -> Tensor:
    """Symbols `(…, U)` with everything after the first `end` made `end`."""
    return symbols if space.end is None else symbols.masked_fill(_after(symbols, space), space.end)


def drawn(predicted: Tensor, noise: Tensor, decoding: Decoding) -> Tensor:
    """Symbols `(…)` drawn from logits `(…, V)`.

    noise: `(…)`, uniform in [0, 1): where the distribution function of the symbols that are left,
        in the order of their probability, is inverted.
    """
    largest = predicted.amax(-1, keepdim=True)
    probability = ((predicted - largest).double() / decoding.temperature).softmax(-1)
    ranked, symbols = probability.sort(-1, descending=True)
    reached = ranked.cumsum(-1)
    left = (reached - ranked >= decoding.top_p).logical_not().sum(-1, keepdim=True)
    if decoding.top_k is not None:
        left = left.clamp(max=decoding.top_k)
    threshold = noise[..., None] * reached.gather(-1, left - 1)  # in double precision, less than it
    rank = (reached <= threshold).sum(-1, keepdim=True)
    return symbols.gather(-1, rank)[..., 0]


class Beam:
    """A search that holds the `K` likeliest answers so far to each of `B` examples.

    A beam that has written `end` is finished and keeps its place; the others share those that are
    left (Sutskever et al. 2014). In the end all are compared, the unfinished ones, whose steps are
    used up, too. In a batch, the `K` rows of an example stand side by side.
    """

    def __init__(
        self, batch: int, steps: int, decoding: Decoding, space: Tokens, device: torch.device
    ) -> None:
        beams = decoding.beams
        self.steps, self.penalty = steps, decoding.length_penalty
        self.is_end = torch.zeros(space.size, dtype=torch.bool, device=device)
        if space.end is not None:
            self.is_end[space.end] = True
        self.places = torch.arange(beams, device=device)
        self.symbols = torch.zeros(batch, beams, 0, dtype=torch.int64, device=device)
        self.finished = torch.zeros(batch, beams, dtype=torch.bool, device=device)
        self.log_probability = torch.full_like(self.finished, -torch.inf, dtype=torch.float64)
        self.log_probability[:, 0] = 0.0  # all begin alike, so only one of them may be continued

    def choose(self, predicted: Tensor, target_step: Tensor) -> tuple[Tensor, Tensor]:
        """As `lagbench.model.assembly.Choose` says."""
        reached, ranking = self._continued(predicted.view(*self.finished.shape, -1))
        chosen = ranking.flatten(1).topk(len(self.places)).indices
        parents, symbols = chosen // len(self.is_end), chosen % len(self.is_end)
        reached = reached.flatten(1).gather(1, chosen)
        finished = self.is_end[symbols] & reached.isfinite()
        step = target_step.view(self.finished.shape)
        writing = (step >= 0) & (step < self.steps)
        parents = torch.where(writing, parents, self.places)
        self.log_probability = torch.where(writing, reached, self.log_probability)
        self.finished = torch.where(writing, finished, self.finished)
        past = torch.take_along_dim(self.symbols, parents[..., None], dim=1)
        self.symbols = torch.cat([past, symbols[..., None]], dim=2)
        first = torch.arange(len(parents), device=parents.device)[:, None] * len(self.places)
        return symbols.view(-1, 1), (first + parents).flatten()

    def _continued(self, predicted: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities `(B, K, V)` of all continuations, and what they are ranked by."""
        only_end = torch.where(self.is_end, 0.0, -torch.inf).to(predicted)
        finished = self.finished[..., None]
        following = torch.where(finished, only_end, predicted.log_softmax(-1))
        reached = self.log_probability[..., None] + following
        return reached, reached.masked_fill(finished & self.is_end, torch.inf)

    def best(self, steps: Tensor) -> Answers:
        """The best answers; steps: `(B, U)`, at which calls of `choose` each example wrote."""
        symbols = torch.take_along_dim(self.symbols, steps[:, None], dim=2)
        length = (~self.is_end[symbols]).sum(-1) + self.finished
        score = self.log_probability / ((5 + length) / 6) ** self.penalty
        best = score.argmax(1, keepdim=True)
        return Answers(
            torch.take_along_dim(symbols, best[..., None], dim=1)[:, 0],
            self.log_probability.gather(1, best)[:, 0],
        )


def _followed(predictions: Tensor, symbols: Tensor, space: Tokens) -> Answers:
    """What was written to predictions `(B, U, V)`, closed."""
    following = predictions.log_softmax(-1).gather(-1, symbols[..., None])[..., 0].double()
    scored = following.masked_fill(_after(symbols, space), 0.0)
    return Answers(closed(symbols, space), scored.sum(1))


def _after(symbols: Tensor, space: Tokens) -> Tensor:
    """Which symbols `(…, U)` stand after the first `end`."""
    if space.end is None:
        return torch.zeros_like(symbols, dtype=torch.bool)
    ends = symbols == space.end
    return ends.cumsum(-1) - ends.long() > 0
