"""What there is to train, or the reason why there is nothing."""

import pytest

from lagbench import registry
from lagbench.run.cell import make_job
from lagbench.spec.budget import Budget
from lagbench.spec.cell import Cell
from lagbench.spec.decoding import Decoding
from lagbench.spec.pairing import Unsupported
from lagbench.spec.recipe import Recipe
from lagbench.train.cell import Job


def cell(architecture, task, decoding=None, **budget):
    recipe = Recipe(decoding=decoding or Decoding())
    named = registry.architecture(architecture), registry.task(task)
    return Cell(*named, 8, (0,), (1e-3,), recipe, Budget(**budget or {"width": 8}))


BEAM = Decoding(method="beam")


@pytest.mark.parametrize(
    ("architecture", "task", "decoding"),
    [("seq2seq", "adding", Decoding()), ("gru", "adding", BEAM), ("seq2seq", "copy", BEAM)],
)
def test_what_can_be_trained_is_a_job(architecture, task, decoding):
    assert isinstance(make_job(cell(architecture, task, decoding)), Job)


def test_values_that_would_have_to_be_searched_for_are_a_reason():
    reason = "it writes values, which are fed back as they are, and not by beam"
    assert make_job(cell("seq2seq", "adding", BEAM)) == Unsupported(reason)


@pytest.mark.parametrize(
    ("architecture", "budget", "reason"),
    [
        ("transformer_seq2seq", {"parameters": 1000}, "no width comes within 10% of 1000 param"),
        ("transformer_causal", {"state": 50}, "no width comes within 10% of 50 numbers of state"),
        ("bigru", {"state": 50}, "it carries no state from step to step"),
        ("gru", {"flops": 3}, "no width comes within 10% of 3 operations an example"),
    ],
)
def test_a_budget_that_cannot_be_met_is_a_reason_and_no_other_size(architecture, budget, reason):
    found = make_job(cell(architecture, "recall", **budget))
    assert isinstance(found, Unsupported)
    assert reason in found.reason
