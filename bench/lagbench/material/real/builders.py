"""Examples built from loaded rows: classified texts and signals, text pairs, windows, melodies."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from lagbench.contract import (
    Alignment,
    Batch,
    DisplayNames,
    Reals,
    Signature,
    Split,
    Tokens,
    UserError,
)
from lagbench.material.lengths import LengthRange, pad
from lagbench.material.real.examples import (
    Examples,
    drop_unused_masks,
    entropy,
    majority_accuracy,
)
from lagbench.material.real.loading import LoadedDataset, complete_splits, portions

TokenKind = Literal["characters", "bytes", "words"]
UNKNOWN = "�"
PITCHES = 128
_WORD = re.compile(r"\w+|[^\w\s]|\n")
_WHOLE_TEXTS = 20  # with fewer texts than this, splits are parts of texts
_REST, _OTHER_NOTE = -1, -2


# --- texts as tokens --------------------------------------------------------------------------


def tokenize(text: str, kind: TokenKind) -> list[str]:
    """Split a text into tokens.

    Words are runs of letters and digits; every other sign and every line end is a word. A byte is
    represented by the character of its number.
    """
    match kind:
        case "characters":
            return list(text)
        case "bytes":
            return list(text.encode().decode("latin-1"))
        case "words":
            return _WORD.findall(text)


def require_vocabulary(task: str, size: int) -> None:
    """Raise `UserError` if a vocabulary would have no token."""
    if size < 1:
        raise UserError(f"{task} needs a vocabulary of at least 1, not {size}.")


class Vocabulary:
    """The most frequent tokens of training texts, numbered from 1, and 0 for all others.

    All 256 bytes are known, by their own numbers.
    """

    def __init__(self, kind: TokenKind, texts: Iterable[Sequence[str]], size: int) -> None:
        """texts: the tokens of the training split; size: the most tokens that are numbered."""
        if kind == "bytes":
            self.names = [chr(byte) for byte in range(256)]
        else:
            counts = Counter(token for text in texts for token in text)
            frequent = sorted(counts, key=lambda token: (-counts[token], token))[:size]
            self.names = [UNKNOWN, *frequent]
        self._numbers = {name: number for number, name in enumerate(self.names)}

    def numbers(self, text: Sequence[str]) -> list[int]:
        """Return the numbers of tokens."""
        return [self._numbers.get(token, 0) for token in text]

    def unknown(self, texts: Iterable[Sequence[str]]) -> float:
        """Return the share of tokens that are unknown."""
        known = [token in self._numbers for text in texts for token in text]
        return 1 - sum(known) / max(1, len(known))


# --- pooled: one class per sequence -----------------------------------------------------------


def classified_texts(
    dataset: LoadedDataset, length: int, kind: TokenKind, size: int, accepted: LengthRange
) -> Examples:
    """Build texts with a class each, as tokens of a vocabulary of `size`."""
    rows = {
        split: [(tokenize(text, kind), [label]) for text, label in part]
        for split, part in complete_splits(dataset).items()
    }
    vocabulary = Vocabulary(kind, (text for text, _ in rows[Split.TRAIN]), size)
    kept, counts = accepted.select(dataset.source, rows)
    sources = {
        split: pad([vocabulary.numbers(text) for text, _ in part], length)
        for split, part in kept.items()
    }
    unknown = {f"unknown {kind} of test": vocabulary.unknown(text for text, _ in kept[Split.TEST])}
    labels = {split: [label for _, (label,) in part] for split, part in kept.items()}
    space = Tokens(len(vocabulary.names))
    return _classified(dataset, space, sources, labels, vocabulary.names, {**counts, **unknown})


def classified_signals(dataset: LoadedDataset, length: int, accepted: LengthRange) -> Examples:
    """Build signals with a class each, scaled by the mean and deviation of the training split."""
    rows = {
        split: [(signal, [label]) for signal, label in part]
        for split, part in complete_splits(dataset).items()
    }
    kept, counts = accepted.select(dataset.source, rows)
    known = torch.tensor([value for signal, _ in rows[Split.TRAIN] for value in signal])
    sources = {}
    for split, part in kept.items():
        trace, mask = pad([signal for signal, _ in part], length)
        scaled = (trace - known.mean()) / known.std(correction=0).clamp(min=1e-6)
        sources[split] = (scaled * mask)[..., None], mask
    labels = {split: [label for _, (label,) in part] for split, part in kept.items()}
    return _classified(dataset, Reals(1), sources, labels, [], counts)


def _classified(
    dataset: LoadedDataset,
    space: Tokens | Reals,
    sources: Mapping[Split, tuple[Tensor, Tensor]],
    labels: Mapping[Split, list[Any]],
    names: list[str],
    counts: Mapping[str, Any],
) -> Examples:
    """Combine sources `(N, T, …)`, their masks and labels to examples of a pooled task."""
    trained = sorted(set(labels[Split.TRAIN]))
    if len(trained) == 1:
        raise UserError(f"{dataset.source} has one class only in training: {trained[0]!r}.")
    classes = sorted({label for part in dataset.rows.values() for *_, label in part})
    numbers = {label: number for number, label in enumerate(classes)}
    splits, padded = drop_unused_masks({
        split: Batch(source, torch.tensor([[numbers[label]] for label in labels[split]]), mask)
        for split, (source, mask) in sources.items()
    })  # fmt: skip
    steps = next(iter(sources.values()))[0].shape[1]
    signature = Signature(space, Tokens(len(classes)), Alignment.POOLED, steps, padded=padded)
    untrained = {
        f"{split} examples of classes not in training": sum(x not in trained for x in labels[split])
        for split in (Split.VALIDATION, Split.TEST)
    }
    display_names = DisplayNames(names, [str(label) for label in classes])
    chance = majority_accuracy(splits[Split.TRAIN])
    return Examples(signature, splits, chance, display_names, {**counts, **untrained})


# --- free: text to text, chord to melody ------------------------------------------------------


def text_pairs(
    dataset: LoadedDataset, length: int, kind: TokenKind, size: int, accepted: LengthRange
) -> Examples:
    """Build pairs of texts, targets closed by an end; a vocabulary of `size` for either side."""
    rows = {
        split: [tuple(tokenize(text, kind) for text in pair) for pair in part]
        for split, part in complete_splits(dataset).items()
    }
    kept, counts = accepted.select(dataset.source, rows)
    read, written = (
        Vocabulary(kind, (pair[side] for pair in rows[Split.TRAIN]), size) for side in (0, 1)
    )
    end = len(written.names)
    batches = {}
    for split, part in kept.items():
        source, source_mask = pad([read.numbers(text) for text, _ in part], length)
        ended = [[*written.numbers(text), end] for _, text in part]
        target, target_mask = pad(ended, length + 1)
        batches[split] = Batch(source, target, source_mask, target_mask)
    splits, padded = drop_unused_masks(batches)
    spaces = Tokens(len(read.names)), Tokens(end + 1, end=end)
    signature = Signature(*spaces, Alignment.FREE, length, length + 1, padded=padded)
    unknown = {
        f"unknown {kind} of test {side}s": vocabulary.unknown(pair[i] for pair in kept[Split.TEST])
        for i, side, vocabulary in ((0, "source", read), (1, "target", written))
    }
    display_names = DisplayNames(read.names, [*written.names, "<end>"])
    chance = majority_accuracy(splits[Split.TRAIN])
    return Examples(signature, splits, chance, display_names, {**counts, **unknown})


def melodies(dataset: LoadedDataset, length: int, accepted: LengthRange) -> Examples:
    """Build pieces of `length + 1` steps: the first chord, and the highest notes that follow it.

    Targets are the notes of training, with rests among them, and one for all other notes.
    """
    rows = {split: [(piece,) for (piece,) in part]
            for split, part in complete_splits(dataset).items()}  # fmt: skip
    kept, counts = accepted.select(dataset.source, rows)
    trained = {_highest(chord) for (piece,) in rows[Split.TRAIN] for chord in piece}
    notes = [_OTHER_NOTE, *sorted(trained)]
    numbers = {note: number for number, note in enumerate(notes)}
    batches = {}
    for split, part in kept.items():
        source = torch.zeros(len(part), 1, PITCHES)
        for row, (piece,) in enumerate(part):
            source[row, 0, list(piece[0])] = 1
        played = [[numbers.get(_highest(chord), 0) for chord in piece[1:]] for (piece,) in part]
        target, mask = pad(played, length)
        batches[split] = Batch(source, target, None, mask)
    splits, padded = drop_unused_masks(batches)
    spaces = Reals(PITCHES), Tokens(len(notes))
    signature = Signature(*spaces, Alignment.FREE, 1, length, padded=padded)
    train = splits[Split.TRAIN]
    chance = entropy(train.target if train.target_mask is None else train.target[train.target_mask])
    special = {_REST: "rest", _OTHER_NOTE: "other"}
    note_names = [special.get(note, str(note)) for note in notes]
    display_names = DisplayNames([str(pitch) for pitch in range(PITCHES)], note_names)
    return Examples(signature, splits, chance, display_names, counts)


def _highest(chord: tuple[int, ...]) -> int:
    return max(chord, default=_REST)


# --- aligned: the next token ------------------------------------------------------------------


def text_windows(dataset: LoadedDataset, length: int, kind: TokenKind, size: int) -> Examples:
    """Build windows into texts, which are joined by line ends, with the next tokens as targets.

    Training windows begin anywhere; those of validation and test lie end to end.
    """
    texts = _split_texts(dataset, kind)
    vocabulary = Vocabulary(kind, [texts[Split.TRAIN]], size)
    splits = {}
    for split, text in texts.items():
        numbers = torch.tensor(vocabulary.numbers(text))
        if len(numbers) <= length:
            raise UserError(
                f"The {split} split of {dataset.source} has {len(numbers)} {kind}, too few for "
                f"a length of {length}."
            )
        rows = numbers.unfold(0, length + 1, 1 if split is Split.TRAIN else length)
        splits[split] = Batch(rows[:, :-1], rows[:, 1:])
    space = Tokens(len(vocabulary.names))
    signature = Signature(space, space, Alignment.ALIGNED, length, length, causal=True)
    counts = {f"{split} {kind}": len(text) for split, text in texts.items()}
    unknown = {f"unknown {kind} of test": vocabulary.unknown([texts[Split.TEST]])}
    chance = entropy(torch.tensor(vocabulary.numbers(texts[Split.TRAIN])))
    display_names = DisplayNames(vocabulary.names, vocabulary.names)
    return Examples(signature, splits, chance, display_names, {**counts, **unknown})


def _split_texts(dataset: LoadedDataset, kind: TokenKind) -> dict[Split, list[str]]:
    """Return the tokens of each split: of different texts if there are many, else of parts."""
    missing = [split for split in Split if split not in dataset.rows]
    whole_texts = not missing or len(dataset.rows[Split.TRAIN]) >= _WHOLE_TEXTS
    rows = complete_splits(dataset) if whole_texts else dataset.rows
    tokens = {
        split: tokenize("\n".join(text for (text,) in part), kind) for split, part in rows.items()
    }
    return (
        tokens if whole_texts else tokens | portions(tokens[Split.TRAIN], [Split.TRAIN, *missing])
    )
