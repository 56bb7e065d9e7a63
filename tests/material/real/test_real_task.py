"""The five tasks over small files: what they draw is what stands in the files."""

import os
import random
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from math import log2

import pytest
import torch

from lagbench import registry
from lagbench.check import AT_A_LENGTH, Check, causality, judge, predictions, streams, task
from lagbench.contract import Metric, Split, UserError
from lagbench.data.splits import fixed_split
from lagbench.material.real import task as real_task
from lagbench.material.real.builders import UNKNOWN
from lagbench.material.real.loading import read_dataset
from lagbench.spec.budget import Budget
from lagbench.spec.cell import Cell
from lagbench.spec.recipe import Recipe

DICE = random.Random(0)
WORDS = ["good", "bad", "dull", "film", "plot", "very", "not", "it", "was"]
REVIEWS = [" ".join(DICE.choices(WORDS, k=DICE.randint(3, 12))) for _ in range(400)]
LABELS = [text.count("o") % 2 for text in REVIEWS]
SIGNALS = [[DICE.gauss(3, 2) for _ in range(DICE.randint(6, 12))] for _ in range(200)]
RHYTHMS = ["fast" if sum(signal) > 27 else "slow" for signal in SIGNALS]
CHORALES = [
    [sorted(DICE.sample(range(48, 72), DICE.randint(0, 4))) for _ in range(DICE.randint(5, 14))]
    for _ in range(60)
]


def rows(task, length, split=Split.TEST):
    """All examples of a split as plain lists of names, without padding."""
    reading = task.display_names(length)
    batch = task.sample(length, task.num_examples(length, split), torch.Generator(), split)
    actual = []
    for row in range(len(batch.source)):
        source, target = batch.source[row], batch.target[row]
        if batch.source_mask is not None:
            source = source[batch.source_mask[row]]
        if batch.target_mask is not None:
            target = target[batch.target_mask[row]]
        if not source.is_floating_point():
            source = [reading.source[symbol] for symbol in source]
        actual.append((source, [reading.target[symbol] for symbol in target]))
    return actual


@pytest.fixture
def sources(write, tmp_path):
    """A configured task of each kind."""
    reviews = write("reviews.csv", text=REVIEWS, label=LABELS)
    pairs = write("pairs.jsonl", en=REVIEWS, de=[text[::-1].title() for text in REVIEWS])
    signals = write("signals.parquet", signal=SIGNALS, label=RHYTHMS)
    chorales = write("chorales.jsonl", notes=CHORALES)
    text = tmp_path / "text.txt"
    text.write_text(".\n".join(REVIEWS), encoding="utf-8")
    return {
        "next_token": (f"next_token:source={text}", 12),
        "sentiment": (f"sentiment:source={reviews},longer=drop", 8),
        "translation": (f"translation:source={pairs},shortest=0.25", 8),
        "melody": (f"melody:source={chorales}", 8),
        "heartbeat": (f"heartbeat:source={signals}", 9),
    }


FIVE = ["next_token", "sentiment", "translation", "melody", "heartbeat"]


@pytest.mark.parametrize(
    "check",
    [task.signature, task.batch, task.padding, streams.determinism, predictions.oracle,
     causality.lag],
    ids=lambda check: check.__name__,
)  # fmt: skip
@pytest.mark.parametrize("name", FIVE)
def test_the_contract_holds(sources, name: str, check: Check):
    configured, length = sources[name]
    assert check in AT_A_LENGTH
    finding = judge(check, [("", (registry.task(configured).value, length))])
    assert finding.holds, finding.detail


@pytest.mark.parametrize("name", ["sentiment", "translation", "heartbeat"])
def test_splits_share_nothing_and_the_optimum_is_that_of_looking_up(sources, name):
    configured, length = sources[name]
    value = registry.task(configured).value
    streams.splits(value, length)
    predictions.optimum(value, length)
    assert value.data_summary(length)["test sources that are in training too"] == 0


def test_windows_cover_the_text_and_chance_is_its_entropy(sources):
    value = registry.task(sources["next_token"][0]).value
    text = ".\n".join(REVIEWS)
    cuts = [0, len(text) * 14 // 20, len(text) * 17 // 20, len(text)]
    parts = [text[start:end] for start, end in pairwise(cuts)]
    for split, part in zip(Split, parts, strict=True):
        step = 1 if split is Split.TRAIN else 12
        starts = range(0, len(part) - 12, step)
        expected = Counter((part[at : at + 12], part[at + 1 : at + 13]) for at in starts)
        drawn = Counter(("".join(one), "".join(two)) for one, two in rows(value, 12, split))
        assert drawn == expected
    counts = Counter(parts[0])
    entropy = -sum(n / len(parts[0]) * log2(n / len(parts[0])) for n in counts.values())
    assert value.chance(12) == pytest.approx(entropy, abs=1e-9)
    assert value.optimum(12) == 0.0
    assert value.signature(12).source.size == len(counts) + 1
    assert value.data_summary(12)["test characters"] == len(parts[2])


def test_texts_are_parted_whole_where_there_are_many(write):
    place = write("many.csv", text=[f"<{text}>" for text in REVIEWS])
    value = registry.task(f"next_token:source={place}").value
    actual = [value.data_summary(1)[f"{split} characters"] for split in Split]
    # An end of line stands between texts, and no text is cut.
    assert sum(actual) == sum(len(text) + 3 for text in REVIEWS) - 3
    for split in Split:
        symbols = ["<", *(target[0] for _, target in rows(value, 1, split))]
        assert symbols.count("<") == symbols.count(">") == symbols.count("\n") + 1


def test_given_splits_of_texts_are_used(tmp_path):
    for name, text in (("train", "abcabcab"), ("valid", "cbacba"), ("test", "abz abz")):
        (tmp_path / f"{name}.txt").write_text(text)
    value = registry.task(f"next_token:source={tmp_path},tokens=characters").value
    reading = value.display_names(2)
    assert list(reading.source) == [UNKNOWN, "a", "b", "c"]  # of training alone
    assert value.data_summary(2)["unknown characters of test"] == pytest.approx(3 / 7)
    drawn = {("".join(source), "".join(target)) for source, target in rows(value, 2)}
    expected = {("abz abz"[at : at + 2], "abz abz"[at + 1 : at + 3]) for at in (0, 2, 4)}
    assert drawn == {tuple(re.sub("[z ]", UNKNOWN, part) for part in pair) for pair in expected}


@pytest.mark.parametrize(
    ("tokens", "size"),
    [("bytes", 256), ("words", 1 + len(WORDS)), ("characters", 1 + len(set("".join(REVIEWS))))],
)
def test_tokens_are_characters_bytes_or_words(write, tokens, size):
    place = write("a.csv", text=REVIEWS, label=LABELS)
    value = registry.task(f"sentiment:source={place},tokens={tokens}").value
    assert value.signature(5).source.size == size
    longest = max(rows(value, 5), key=lambda row: len(row[0]))[0]
    joined = (" " if tokens == "words" else "").join(longest)
    assert any(text.startswith(joined) for text in REVIEWS)


def test_reviews_keep_their_classes_and_their_band(sources):
    value = registry.task(sources["sentiment"][0]).value
    known = {text: str(label) for text, label in zip(REVIEWS, LABELS, strict=True)}
    actual = [row for split in Split for row in rows(value, 8, split)]
    assert {len(source) for source, _ in actual} == {3, 4, 5, 6, 7, 8}
    assert all(known[" ".join(source)] == label for source, (label,) in actual)
    facts = value.data_summary(8)
    assert facts["left out as longer"] == sum(len(text.split()) > 8 for text in REVIEWS)
    assert len(actual) == len(REVIEWS) - facts["left out as longer"]
    train = Counter(label for _, (label,) in rows(value, 8, Split.TRAIN))
    assert value.chance(8) == max(train.values()) / sum(train.values())


def test_longer_reviews_are_cut_where_that_is_asked_for(write):
    place = write("a.csv", text=REVIEWS, label=LABELS)
    value = registry.task(f"sentiment:source={place},shortest=0.5").value
    actual = [row for split in Split for row in rows(value, 8, split)]
    sizes = [len(text.split()) for text in REVIEWS]
    assert len(actual) == sum(size >= 4 for size in sizes)
    assert value.data_summary(8)["cut"] == sum(size > 8 for size in sizes)
    assert max(len(source) for source, _ in actual) == 8


def test_pairs_are_translations_that_an_end_follows(sources):
    value = registry.task(sources["translation"][0]).value
    actual = [row for split in Split for row in rows(value, 8, split)]
    for source, target in actual:
        assert target.pop() == "<end>"
        assert " ".join(target).lower() == " ".join(source)[::-1]
    assert len(actual) == sum(len(text.split()) <= 8 for text in REVIEWS)
    train = rows(value, 8, Split.TRAIN)
    at_each = [Counter(t[u] for _, t in train if u < len(t)) for u in range(9)]
    right = sum(max(column.values()) for column in at_each)
    assert value.chance(8) == pytest.approx(right / sum(len(target) for _, target in train))


def test_cut_pairs_are_closed_too(sources):
    value = registry.task(f"{sources['translation'][0]},longer=cut").value
    task.padding(value, 8)
    assert {len(target) for _, target in rows(value, 8)} == set(range(4, 10))


def test_melodies_are_the_highest_voice_after_the_first_chord(sources):
    value = registry.task(sources["melody"][0]).value
    assert value.metric is Metric.BITS
    expected = [
        (chorale[0], [str(max(chord)) if chord else "rest" for chord in chorale[1:9]])
        for chorale in CHORALES
    ]
    for split in Split:
        for source, target in rows(value, 8, split):
            known = [
                notes for chord, notes in expected if chord == source[0].nonzero()[:, 0].tolist()
            ]
            assert any(
                all(a in (b, "other") for a, b in zip(target, notes, strict=True))
                for notes in known
                if len(notes) == len(target)
            )
    notes = Counter(note for _, target in rows(value, 8, Split.TRAIN) for note in target)
    total = sum(notes.values())
    entropy = -sum(n / total * log2(n / total) for n in notes.values())
    assert value.chance(8) == pytest.approx(entropy, abs=1e-9)
    assert value.chance(4) > 0  # at a length where nothing is padded


def test_single_notes_are_melodies_too(write):
    tunes = [[60 + (start + step) % 7 for step in range(9)] for start in range(40)]
    place = write("tunes.parquet", notes=[[*tune, 60 + n % 5] for n, tune in enumerate(tunes)])
    value = registry.task(f"melody:source={place}").value
    source, target = rows(value, 8)[0]
    first = source[0].nonzero().item()
    assert [int(note) for note in target] == [60 + (first - 60 + u + 1) % 7 for u in range(8)]


def test_signals_are_read_at_the_mean_and_spread_of_training(sources):
    value = registry.task(sources["heartbeat"][0]).value
    train = rows(value, 12, Split.TRAIN)
    values = torch.cat([source for source, _ in train])
    assert values.mean().item() == pytest.approx(0, abs=1e-5)
    assert values.std(correction=0).item() == pytest.approx(1, abs=1e-5)
    numbers = torch.tensor([number for signal in SIGNALS for number in signal])
    assert numbers.std() > 1.5
    actual = [row for split in Split for row in rows(value, 9, split)]
    plain = {tuple(signal[:9]): label for signal, label in zip(SIGNALS, RHYTHMS, strict=True)}
    ordered = sorted(plain, key=lambda signal: signal[0])
    drawn = sorted(actual, key=lambda row: row[0][0].item())
    assert [label for _, (label,) in drawn] == [plain[signal] for signal in ordered]
    lengths = Counter(len(source) for source, _ in actual)
    assert lengths == Counter(min(9, len(signal)) for signal in SIGNALS)


def test_changed_files_are_other_data(write, tmp_path):
    place = write("a.csv", text=REVIEWS, label=LABELS)
    named = registry.task(f"sentiment:source={place}")
    cell = Cell(
        registry.architecture("gru"), named, 8, (0,), (1e-3,), Recipe(), Budget(parameters=1000)
    )
    key, split = cell.key, fixed_split(named, 8, Split.TEST, 20, tmp_path / "cache")
    assert replace(cell).key == key
    write("a.csv", text=REVIEWS, label=[1 - label for label in LABELS])
    os.utime(place, (1, 1))
    read_dataset.cache_clear()
    real_task._examples.cache_clear()
    assert replace(cell).key != key
    again = fixed_split(named, 8, Split.TEST, 20, tmp_path / "cache")
    assert torch.equal(again.source, split.source)
    assert torch.equal(again.target, 1 - split.target)


def test_generated_data_have_no_fingerprint():
    assert {task.fingerprint() for task in registry.tasks().values()} == {""}


def refused(text, length):
    with pytest.raises(UserError) as caught:
        registry.task(text).value.signature(length)
    return str(caught.value)


def test_what_cannot_be_learnt_from_is_refused_before_training(write, tmp_path):
    one = write("one.csv", text=REVIEWS, label=[1] * len(REVIEWS))
    assert refused(f"sentiment:source={one}", 8) == f"{one} has one class only in training: 1."
    same = tmp_path / "same.txt"
    same.write_text("a" * 200)
    assert "all answers in training are the same" in refused(f"next_token:source={same}", 4)
    assert "has 30 characters, too few for a length of 30" in refused(
        f"next_token:source={same}", 30
    )
    place = write("a.csv", text=REVIEWS, label=LABELS)
    accepted = refused(f"sentiment:source={place},shortest=0.9", 100)
    assert accepted == f"{place} has no train example of at least 90 steps."
    assert "need a length of at least 1, not 0" in refused(f"sentiment:source={place}", 0)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sentiment:tokens=bytes", "The field 'tokens' means nothing without a source"),
        ("melody:subset=x", "The field 'subset' means nothing without a source"),
        ("heartbeat:source=x,noise=0.01", "The field 'noise' means nothing with a source"),
        ("next_token:source=x,nouns=3", "The field 'nouns' means nothing with a source"),
        ("next_token:source=x,vocabulary=0", "needs a vocabulary of at least 1, not 0"),
        ("translation:source=a,b.csv", "'b.csv' is not of the form field=value; a value cannot"),
    ],
)
def test_fields_that_mean_nothing_are_refused(text, sentence):
    with pytest.raises(UserError, match=sentence):
        registry.task(text)
