"""Scoring trained replicas on a fixed split."""

from collections.abc import Callable
from copy import deepcopy
from typing import cast

import torch
from torch import Tensor, nn

from lagbench.contract import Batch, Metric, Tokens, UserError
from lagbench.data.streams import generator, seeded, to_device
from lagbench.hints import CoreHints
from lagbench.model.assembly import AutoregressiveModel, Model
from lagbench.model.decoding import closed, decode
from lagbench.spec.decoding import Decoding
from lagbench.train.module import evaluation_batches
from lagbench.train.objective import Evaluation, ReplicaScore
from lagbench.train.replicas import Replicas


def evaluate(
    replicas: Replicas, split: Batch, metric: Metric, decoding: Decoding | None = None
) -> tuple[Evaluation, Tensor]:
    """Score replicas on a split; the loss with teacher forcing, all else without.

    decoding: how autoregressive models choose tokens; greedily by default.
    Returns the scores and the answers, on the CPU: tokens `(R, N, U)` or values `(R, N, U, W)`.
    Raises `UserError` where values would have to be decoded other than greedily.
    """
    space, device = replicas.space, replicas.flat.device
    score = ReplicaScore(len(replicas), space, metric).to(device)
    answer = _answer_function(replicas, decoding or Decoding())
    answers = []
    with seeded(device, "evaluation"):
        for examples in evaluation_batches(split, len(replicas)):
            batch = to_device(examples, device)
            predicted = replicas.predict(batch, teacher_forced=isinstance(space, Tokens))
            answered = answer(batch, predicted)
            score.update(predicted, batch.target, batch.target_mask, answered)
            answers.append(answered.cpu())
    return score.evaluation(), torch.cat(answers, dim=1)


def _answer_function(replicas: Replicas, decoding: Decoding) -> Callable[[Batch, Tensor], Tensor]:
    """A function from a batch and its predictions to the replicas' answers.

    All replicas, of whatever architecture, sample with the same random state.
    """
    space = replicas.space
    writes = isinstance(replicas.models[0], AutoregressiveModel)
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
    models = [
        (cast(AutoregressiveModel, model), generator("decoding")) for model in unstack(replicas)
    ]

    def decode_all(batch: Batch, _: Tensor) -> Tensor:
        given = batch.source, batch.source_mask, decoding
        return torch.stack([decode(model, *given, draws).symbols for model, draws in models])

    return decode_all


def unstack(replicas: Replicas) -> list[Model]:
    """Copies of the models, each to run by itself; their parameters are views of the replicas'."""
    models = deepcopy(replicas.models)
    for row, model in enumerate(models):
        replicas.bind_parameters(row, model)
        for module in model.modules():
            if isinstance(module, CoreHints):
                module.under_vmap = False
    return models


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
