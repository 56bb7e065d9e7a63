"""Scoring trained replicas on a fixed split."""

from collections.abc import Callable
from copy import deepcopy
from typing import cast

import torch
from torch import Tensor, nn

from lagbench.contract import Batch, Metric, Mixer, Tokens, Transducer, UserError
from lagbench.data.streams import generator, seeded, to_device
from lagbench.model.assembly import Model, WritingModel
from lagbench.model.decoding import closed, decode
from lagbench.spec.decoding import Decoding
from lagbench.train.module import evaluation_batches
from lagbench.train.objective import Evaluation, ReplicaScore
from lagbench.train.replicas import Replicas

GREEDY = Decoding()


def evaluate(
    replicas: Replicas, split: Batch, metric: Metric, decoding: Decoding = GREEDY
) -> tuple[Evaluation, Tensor]:
    """Score replicas on a split.

    Accuracy, exact match and squared error are those of the answers that models give by themselves:
    writing models are decoded, reading their own answers back. Cross-entropy is teacher forced: it
    is a property of the distribution given the true past.

    Returns the scores and the answers, on the CPU: symbols `(R, N, U)` or values `(R, N, U, W)`.
    Raises `UserError` where values would have to be written other than greedily.
    """
    space, device = replicas.space, replicas.flat.device
    score = ReplicaScore(len(replicas), space, metric).to(device)
    answer = _answering(replicas, decoding)
    answers = []
    with seeded(device, "evaluation"):
        for batch in evaluation_batches(split, len(replicas)):
            moved = to_device(batch, device)
            predicted = replicas.predict(moved, teacher_forced=isinstance(space, Tokens))
            answered = answer(moved, predicted)
            score.update(predicted, moved.target, moved.target_mask, answered)
            answers.append(answered.cpu())
    return score.evaluation(), torch.cat(answers, dim=1)


def _answering(replicas: Replicas, decoding: Decoding) -> Callable[[Batch, Tensor], Tensor]:
    """How a batch, whose predictions are known already, is answered: symbols `(R, B, U)` or values.

    A seed of their own gives all replicas, of whatever architecture, the same draws.
    """
    space = replicas.space
    writes = isinstance(replicas.models[0], WritingModel)
    if not isinstance(space, Tokens):
        if writes and decoding.method != "greedy":
            raise UserError(f"Values are written greedily, not by {decoding.method}.")
        return lambda _, predicted: predicted
    if not writes:
        return lambda _, predicted: predicted.argmax(-1)
    if decoding.method == "greedy":
        return lambda batch, _: closed(
            replicas.predict(batch, teacher_forced=False).argmax(-1), space
        )
    models = [(cast(WritingModel, model), generator("decoding")) for model in unstack(replicas)]

    def decoded(batch: Batch, _: Tensor) -> Tensor:
        given = batch.source, batch.source_mask, decoding
        return torch.stack([decode(model, *given, draws).symbols for model, draws in models])

    return decoded


def in_evaluation(model: Model) -> Model:
    """Put a model into evaluation mode, such that gradients can still be taken.

    cuDNN has no backward pass of recurrent layers in evaluation mode; without dropout, they do the
    same in both modes.
    """
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.RNNBase):
            module.train(module.dropout == 0)
    return model


def unstack(replicas: Replicas) -> list[Model]:
    """Each replica as a model that runs by itself; parameters are shared with the replicas."""
    models = deepcopy(replicas.models)
    for row, model in enumerate(models):
        replicas.bind_parameters(row, model)
        for module in model.modules():
            if isinstance(module, Mixer | Transducer):
                module.stacked = False
    return models
