"""The share of answers that a search finds likelier ones for."""

import pytest
import torch

from lagbench.data.streams import generator
from lagbench.model.decoding import decode
from lagbench.probes.beam_search import WIDTHS, beam_search
from lagbench.probes.context import NotMeasurable, in_double
from lagbench.spec.decoding import Decoding


def log_probability(model, batch, symbols):
    """Of symbols `(B, U)`, teacher forced; there is no `end`."""
    predicted = model(batch.source, batch.source_mask, symbols).log_softmax(-1)
    return predicted.gather(-1, symbols[..., None]).sum((1, 2))


@pytest.mark.parametrize("architecture", ["seq2seq", "gru"])
def test_shares_are_those_of_teacher_forced_likelihoods(untrained, architecture):
    context = untrained(architecture, "copy", 6, width=12, examples=40)
    for parameters in context.replicas.models[0].parameters():
        assert parameters.requires_grad
    results = beam_search(context)
    batch = in_double(context.examples(40))
    for model, finding in zip(context.models, results, strict=True):
        written = {
            beams: decode(
                model,
                batch.source,
                None,
                Decoding(method="beam", beams=beams),
                generator("test"),
            ).symbols
            for beams in (1, *WIDTHS)
        }  # one beam is greedy
        with torch.no_grad():
            reached = {b: log_probability(model, batch, s) for b, s in written.items()}
        for value in finding.values:
            gain = reached[int(value.x)] - reached[1]
            expected = ((gain > 1e-6).double() - (gain < -1e-6).double()).mean().item()
            assert value.value == pytest.approx(expected)
            assert value.count == 40
    assert any(value.value > 0 for finding in results for value in finding.values)


@pytest.mark.parametrize(
    ("architecture", "task", "reason"),
    [
        ("gru", "recall", "does not write"),
        ("seq2seq", "recall", "one symbol"),
        ("seq2seq", "adding", "values"),
    ],
)
def test_where_there_is_nothing_to_search(untrained, architecture, task, reason):
    found = beam_search(untrained(architecture, task, 6))
    assert isinstance(found, NotMeasurable)
    assert reason in found.reason
