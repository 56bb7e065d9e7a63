"""Every claim on hand-made records: supported, refuted, and undecided."""

import pytest

from lagbench.claims import CLAIMS
from lagbench.claims.claim import Verdict, ruling
from lagbench.claims.evidence import Evidence
from lagbench.record import ProbeValue
from lagbench.spec.suite import built_in

BY_NUMBER = {claim.number: claim for claim in CLAIMS}


def lag_accuracy(near, far):
    """Accuracy up to lag 8, and beyond; a target a lag."""

    def probes(record):
        return [
            ProbeValue(
                probe="lag_accuracy",
                x=lag,
                value=near(record.architecture) if lag < 8 else far(record.architecture),
            )
            for lag in range(1, record.length)
        ]

    return probes


def among(name, **values):
    """The value of the first word that a name begins with, else 0."""
    return next((value for word, value in values.items() if name.startswith(word)), 0.0)


def by_name(**values):
    return lambda record: among(record.architecture, **values)


def one(probe, x, value):
    return lambda record: [ProbeValue(probe=probe, x=x, value=value(record))]


def gradients(record):
    growth = {"linear_rnn:scale=1.2": 1.2, "linear_rnn:scale=0.8": 0.8}
    factor = growth.get(record.architecture, 1.0)
    return [ProbeValue(probe="gradient_reach_initial", x=x, value=factor**x) for x in (0, 63)]


def recurrent_scores(record):
    """The simple RNN holds at 16 alone, the gated ones everywhere."""
    return 1.0 if record.architecture != "rnn" or record.length == 16 else 0.0


def clipped_scores(record):
    if record.task == "recall":
        return 1.0 if record.recipe["clip"] == 1 or "1.2" not in record.architecture else 0.2
    return 0.0 if "0.8" in record.architecture else 1.0


def copies(record):
    return 1.0 if record.architecture != "seq2seq" or record.length == 4 else 0.1


def fed(record):
    return 0.9 if record.recipe["feed"] == "own" else 0.5


def sizes(record):
    return {"ngram:n=1": 100, "ngram:n=3,table=100000": 40000}.get(record.architecture, 1000)


def waits(step_time):
    """A step of a recurrence takes as long whatever stands beside it; a GRU's, three quarters."""
    if step_time.architecture == "transformer":
        return 5.0
    return (3.0 if step_time.architecture == "gru" else 4.0) / step_time.batch


SUPPORTING = {
    1: {"probes": lag_accuracy(lambda _: 1.0, lambda name: among(name, gru=1.0, lstm=1.0))},
    2: {"score": clipped_scores, "probes": gradients},
    3: {"score": recurrent_scores},
    4: {"score": by_name(gru=0.9, lstm=0.9), "seconds": waits},
    5: {"score": lambda r: {"gru": 0.6, "gru:layers=6": 0.3}.get(r.architecture, 0.8)},
    6: {"score": by_name(bilstm=0.9)},
    7: {"score": by_name(ngram=0.9), "parameters": sizes},
    8: {
        "score": by_name(conv1d=0.9, dense=0.2),
        "probes": lag_accuracy(lambda _: 1.0, lambda _: 0.125),
    },
    9: {"score": copies},
    10: {"score": lambda _: 0.9, "probes": one("attention_alignment", 0, lambda _: 0.8)},
    11: {"probes": one("beam_search", 4, lambda record: 0.3 + 0.01 * record.seed)},
    12: {"score": fed},
    13: {"seconds": waits},
    14: {"score": by_name(transformer=0.9)},
    15: {"score": by_name(conv_lstm=0.8)},
}
REFUTING = {
    1: {"probes": lag_accuracy(lambda _: 1.0, lambda _: 1.0)},
    2: {"score": lambda _: 0.9, "probes": gradients},
    3: {"score": lambda _: 0.9},
    4: {"score": by_name(gru=0.5, lstm=0.9), "seconds": waits},
    5: {"score": lambda _: 0.8},
    6: {"score": lambda _: 0.9},
    7: {"score": lambda _: 0.9, "parameters": sizes},
    8: {"score": lambda _: 0.9, "probes": lag_accuracy(lambda _: 1.0, lambda _: 1.0)},
    9: {"score": lambda _: 0.9},
    10: {"score": lambda _: 0.9, "probes": one("attention_alignment", 0, lambda _: 1 / 16)},
    11: {"probes": one("beam_search", 4, lambda record: 0.001 * record.seed)},
    12: {"score": lambda _: 0.9},
    13: {"seconds": lambda _: 1.0},
    14: {"score": lambda _: 0.9},
    15: {"score": lambda record: 0.9},
}


def test_the_claims_are_fifteen_in_order_and_have_their_suites():
    assert [claim.number for claim in CLAIMS] == list(range(1, 16))
    named = {f"claims/{name}" for claim in CLAIMS for name in claim.experiments}
    assert named == {name for name in built_in() if name.startswith("claims/")}


@pytest.mark.parametrize("number", BY_NUMBER)
def test_supported(evidence, number):
    found = ruling(BY_NUMBER[number], evidence(BY_NUMBER[number], **SUPPORTING[number]))
    assert [(judged.verdict, judged.reason) for judged in found.parts] == [
        (Verdict.SUPPORTED, "") for _ in found.parts
    ]


@pytest.mark.parametrize("number", BY_NUMBER)
def test_refuted(evidence, number):
    found = ruling(BY_NUMBER[number], evidence(BY_NUMBER[number], **REFUTING[number]))
    assert found.verdict is Verdict.REFUTED
    assert found.decisive.high < found.decisive.part.least


@pytest.mark.parametrize("number", BY_NUMBER)
def test_undecided_without_evidence(number):
    found = ruling(BY_NUMBER[number], Evidence({}, []))
    assert found.verdict is Verdict.UNDECIDED
    assert {judged.reason for judged in found.parts} == {"nothing was measured"}


@pytest.mark.parametrize("number", [5, 9, 12, 14, 15])
def test_undecided_where_nobody_learned(evidence, number):
    claim = BY_NUMBER[number]
    found = ruling(claim, evidence(claim))
    guarded = [judged for judged in found.parts if judged.part.learned is not None]
    assert guarded
    assert all(judged.verdict is Verdict.UNDECIDED for judged in guarded)


def test_trials_of_rates_that_lost_do_not_count(evidence):
    claim = BY_NUMBER[6]
    found = evidence(claim, **SUPPORTING[6])
    lost = [
        record.model_copy(update={"selected": False, "score": -9.0})
        for record in found.records["future"]
    ]
    both = Evidence({"future": [*found.records["future"], *lost]}, [])
    assert ruling(claim, both).decisive == ruling(claim, found).decisive
