"""Next token: the grammar followed word by word, its entropies against enumeration."""

from collections import Counter, defaultdict
from itertools import product
from math import log2

import pytest
import torch
from scipy.stats import chisquare

from lagbench.contract import Split, UserError
from lagbench.tasks.next_token import NextToken


def drawn(task, length, count=200):
    return task.sample(length, count, torch.Generator().manual_seed(0), Split.TRAIN)


def texts(batch):
    """All words, the first source word included."""
    return torch.cat([batch.source[:, :1], batch.target], 1).tolist()


def parsed(text, nouns):
    """What each word is, and where its clause began; raises where it cannot stand there."""
    subject = None
    for step, word in enumerate(text):
        if subject is None:
            assert word < nouns
            subject = step
            yield "subject", step
        elif nouns <= word < 2 * nouns:
            assert word - nouns == text[subject]
            yield "verb", subject
            subject = None
        else:
            yield "attractor" if word < nouns else "plain", subject


@pytest.mark.parametrize("clauses", [1.0, 4.0, 30.0])
def test_texts_are_of_the_grammar_and_lags_point_at_subjects(clauses):
    task = NextToken(nouns=3, modifiers=2, clauses=clauses)
    batch = drawn(task, 30)
    assert torch.equal(batch.source[:, 1:], batch.target[:, :-1])
    for text, lag in zip(texts(batch), batch.lag.tolist(), strict=True):
        for step, (kind, subject) in enumerate(parsed(text, 3)):
            if step:
                assert lag[step - 1] == (step - 1 - subject if kind == "verb" else -1)


def test_the_verb_comes_at_the_stated_rate():
    task = NextToken(clauses=6.0)
    after, kinds = Counter(), Counter()
    for text in texts(drawn(task, 24, 1000)):
        before = "verb"
        for kind, _ in parsed(text, 8):
            if before != "verb":
                after[kind == "verb"] += 1
                kinds[kind] += kind != "verb"
            before = kind
    assert (
        chisquare([after[True], after[False]], [after.total() / 4, after.total() * 3 / 4]).pvalue
        > 1e-3
    )
    assert kinds["attractor"] / kinds.total() == pytest.approx(0.25, abs=0.01)


def enumerated(task, length):
    """Every text of the grammar with its probability."""
    verb = min(0.5, task.clauses / length)
    for text in product(range(2 * task.nouns + task.modifiers), repeat=length + 1):
        weight, before = 1.0, "verb"
        try:
            for kind, _ in parsed(text, task.nouns):
                inside = before != "verb"
                weight *= {
                    "subject": 1 / task.nouns,
                    "verb": verb,
                    "attractor": (1 - verb) * task.attractors / task.nouns,
                    "plain": (1 - verb) * (1 - task.attractors) / task.modifiers,
                }[kind]
                assert inside == (kind != "subject")
                before = kind
        except AssertionError:
            continue
        yield text, weight


def entropy(weights):
    return -sum(weight * log2(weight) for weight in weights if weight)


def test_chance_and_optimum_are_the_entropies_of_all_texts():
    task, length = NextToken(nouns=2, modifiers=1, attractors=0.3, clauses=1.0), 5
    prefixes = [defaultdict(float) for _ in range(length + 1)]
    words = [defaultdict(float) for _ in range(length + 1)]
    for text, weight in enumerated(task, length):
        for step in range(length + 1):
            prefixes[step][text[: step + 1]] += weight
            words[step][text[step]] += weight
    assert sum(prefixes[-1].values()) == pytest.approx(1)
    joint = [entropy(step.values()) for step in prefixes]
    assert task.optimum(length) == pytest.approx((joint[-1] - joint[0]) / length, rel=1e-12)
    single = sum(entropy(step.values()) for step in words[1:]) / length
    assert task.chance(length) == pytest.approx(single, rel=1e-12)


def test_the_oracle_gives_the_probabilities_of_the_grammar():
    task, length = NextToken(nouns=2, modifiers=1, attractors=0.3, clauses=1.0), 4
    joint = defaultdict(float)
    for text, weight in enumerated(task, length):
        for step in range(length + 1):
            joint[text[: step + 1]] += weight
    sources = sorted({text[:-1] for text in joint if len(text) == length + 1})
    known = task.oracle(length, torch.tensor(sources), None).exp()
    for source, given in zip(sources, known, strict=True):
        for step in range(length):
            prefix = source[: step + 1]
            for word in range(5):
                expected = joint[(*prefix, word)] / joint[prefix]
                assert given[step, word].item() == pytest.approx(expected, abs=1e-6)


def test_impossible_settings_are_refused():
    for fields in ({"nouns": 1}, {"modifiers": 0}, {"attractors": 1.5}, {"clauses": 0.0}):
        with pytest.raises(UserError):
            NextToken(**fields)
    with pytest.raises(UserError, match="at least 1, not 0"):
        drawn(NextToken(), 0)
