"""Scores of replicas against each model decoded and scored by itself, in plain arithmetic."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from lagbench.contract import Batch, Metric, Split, Tokens, UserError
from lagbench.data.streams import generator
from lagbench.model.assembly import AutoregressiveModel, Model, assemble
from lagbench.model.decoding import closed, decode
from lagbench.record import Execution
from lagbench.spec.decoding import Decoding
from lagbench.train.cell import Job, train
from lagbench.train.evaluation import evaluate
from lagbench.train.objective import loss
from lagbench.train.replicas import Replicas, replicate

CPU = torch.device("cpu")
DECODINGS = (
    Decoding(),
    Decoding(method="sample", temperature=2.0),
    Decoding(method="beam", beams=3, length_penalty=0.6),
)
WRITERS = ("min_gru", "transformer_causal", "seq2seq")


def models(job: Job) -> list[Model]:
    """A model for each pair, in double precision, unlike one another."""
    built = []
    for index in range(len(job.pairs)):
        torch.manual_seed(index)
        built.append(assemble(job.plan, job.width, job.recipe.feed).double())
        with torch.no_grad():
            built[-1].get_parameter("head.weight").mul_(3)
    return built


def scored_targets(split: Batch) -> Tensor:
    shape = split.target.shape[:2]
    return torch.ones(shape, dtype=torch.bool) if split.target_mask is None else split.target_mask


@pytest.mark.parametrize("execution", Execution)
@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("task", ["copy", "copy:shortest=0.3"])
@pytest.mark.parametrize("decoding", DECODINGS, ids=lambda small: small.method)
def test_written_answers_are_scored(
    job: Callable[..., Job], execution: Execution, name: str, task: str, decoding: Decoding
) -> None:
    small = job(name, task, length=5)
    split = small.split(Split.TEST, None)
    reached, answers = evaluate(
        replicate(models(small), execution, CPU), split, Metric.ACCURACY, decoding
    )
    space = small.plan.signature.target
    assert answers.shape == (4, 16, small.plan.signature.target_steps)
    given = split.source, split.source_mask
    for row, model in enumerate(models(small)):
        assert isinstance(model, AutoregressiveModel)
        symbols = decode(model, *given, decoding, generator("decoding")).symbols
        assert torch.equal(answers[row], symbols)
        assert reached.accuracy is not None
        assert reached.exact_match is not None
        accuracy = Metric.ACCURACY(symbols, split.target, split.target_mask)
        assert reached.accuracy[row].item() == pytest.approx(accuracy, rel=1e-9)
        assert reached.metric[row] == reached.accuracy[row]
        exact = ((symbols == split.target) | ~scored_targets(split)).all(1).double().mean()
        assert reached.exact_match[row].item() == pytest.approx(exact.item())
        with torch.no_grad():
            forced = loss(model(*given, split.target), split.target, split.target_mask, space)
        assert reached.loss[row].item() == pytest.approx(forced.item())


def test_replicas_that_are_decoded_in_turn_know_that_they_are_not_stacked(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = job("gru", "copy", length=5)
    seen = []

    def spy(model: Any, *given: Any) -> Any:
        seen.append(model.core.under_vmap)
        return decode(model, *given)

    monkeypatch.setattr("lagbench.train.evaluation.decode", spy)
    replicas = replicate(models(small), Execution.VMAP, CPU)
    evaluate(replicas, small.split(Split.TEST, None), Metric.ACCURACY, DECODINGS[1])
    assert seen == [False] * 4
    assert replicas.models[0].core.under_vmap


@pytest.mark.parametrize("execution", Execution)
@pytest.mark.parametrize("task", ["recall", "running_parity"])
def test_other_answers_are_the_likeliest_symbols(
    job: Callable[..., Job], execution: Execution, task: str
) -> None:
    """However writing models are told to choose."""
    small = job("min_gru", task)
    split = small.split(Split.TEST, None)
    reached, answers = evaluate(
        replicate(models(small), execution, CPU), split, Metric.ACCURACY, DECODINGS[2]
    )
    for row, model in enumerate(models(small)):
        with torch.no_grad():
            predicted = model(split.source, split.source_mask, None)
        assert torch.equal(answers[row], predicted.argmax(-1))
        accuracy = Metric.ACCURACY(predicted.argmax(-1), split.target, split.target_mask)
        assert reached.metric[row].item() == pytest.approx(accuracy)


@pytest.mark.parametrize("execution", Execution)
@pytest.mark.parametrize("name", ["min_gru", "seq2seq"])
def test_values_are_scored_as_they_are_written(
    job: Callable[..., Job], execution: Execution, name: str
) -> None:
    small = job(name, "adding")
    split = small.split(Split.TEST, None)
    reached, answers = evaluate(replicate(models(small), execution, CPU), double(split), Metric.MSE)
    for row, model in enumerate(models(small)):
        with torch.no_grad():
            predicted = model(split.source.double(), None, None)
        torch.testing.assert_close(answers[row], predicted)
        expected = Metric.MSE(predicted, split.target.double(), split.target_mask)
        assert reached.metric[row].item() == pytest.approx(expected)
        assert reached.accuracy is None


def double(split: Batch) -> Batch:
    return replace(split, source=split.source.double(), target=split.target.double())


def test_values_are_not_searched_for(job: Callable[..., Job]) -> None:
    small = job("seq2seq", "adding")
    with pytest.raises(UserError, match="Values are written greedily, not by beam"):
        evaluate(
            replicate(models(small), Execution.LOOP, CPU),
            small.split(Split.TEST, None), Metric.MSE, DECODINGS[2],
        )  # fmt: skip


def test_bits_stay_teacher_forced(job: Callable[..., Job]) -> None:
    small = job("min_gru", "copy:shortest=0.3", length=5)
    split = small.split(Split.TEST, None)
    reached, _ = evaluate(replicate(models(small), Execution.LOOP, CPU), split, Metric.BITS)
    torch.testing.assert_close(reached.metric, reached.loss / torch.tensor(2.0).double().log())


def test_an_answer_ends_at_its_first_end(job: Callable[..., Job]) -> None:
    small = job("min_gru", "copy:shortest=0.3", length=5)
    split = small.split(Split.TEST, None)
    space = small.plan.signature.target
    assert isinstance(space, Tokens)
    _, symbols = evaluate(replicate(models(small), Execution.VMAP, CPU), split, Metric.ACCURACY)
    assert torch.eq(symbols, space.end or 0).any()
    assert space.end is not None
    assert torch.equal(closed(symbols, space), symbols)


@pytest.mark.parametrize("feed", ["own", "none"])
def test_training_feeds_as_the_recipe_says(job: Callable[..., Job], feed: str) -> None:
    """Targets that are not fed back are not read in training either."""
    once, often = (
        train(
            job("min_gru", "copy", length=5, feed=feed, steps=n), execution=Execution.LOOP
        ).winners
        for n in (1, 20)
    )

    def weight(winners: Replicas, name: str) -> Tensor:
        return winners.models[0].get_parameter(name)

    read = "embed_target.embed.weight"
    assert torch.equal(weight(once, read), weight(often, read)) == (feed == "none")
    assert not torch.equal(weight(once, "head.weight"), weight(often, "head.weight"))
