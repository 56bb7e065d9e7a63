"""Two made-up languages, and the translation from the one into the other."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from lagbench.material import lengths

NOUNS = ("cat", "dog", "bird", "horse", "moon", "tree", "house", "street")
ADJECTIVES = ("big", "small", "old", "young", "red", "grey", "good", "strange")
VERBS = ("saw", "heard", "found", "loved", "feared", "left", "met", "missed")
LINKS = ("and", "but", "so", "while")
WORDS = (*ADJECTIVES, *NOUNS, *(f"{noun}s" for noun in NOUNS), *VERBS, *LINKS, ".")

_MASCULINE, _FEMININE = ("kat", "hun", "vog", "kaval"), ("lun", "arb", "dom", "vi")  # as NOUNS
TRANSLATIONS = (
    *(f"{stem}{ending}" for ending in ("o", "a", "os", "as")
      for stem in ("grand", "pet", "vet", "jun", "rub", "gris", "bon", "mir")),
    *(f"{stem}o" for stem in _MASCULINE), *(f"{stem}a" for stem in _FEMININE),
    *(f"{stem}os" for stem in _MASCULINE), *(f"{stem}as" for stem in _FEMININE),
    *(f"{stem}{ending}" for ending in ("is", "int")
      for stem in ("vid", "aud", "trov", "am", "tim", "lass", "konv", "des")),
    "et", "sed", "ergo", "dum", ".", "end",
)  # fmt: skip

NOUN, PLURAL, VERB, LINK, STOP = (
    WORDS.index(first) for first in ("cat", "cats", "saw", "and", ".")
)
TO_NOUN, TO_VERB, TO_LINK, END = (
    TRANSLATIONS.index(first) for first in ("kato", "vidis", "et", "end")
)


FORM = torch.zeros(len(WORDS), dtype=torch.int64)
"""What agrees with a noun: 1 if it is feminine, and 2 more if it is in the plural."""
FORM[NOUN:VERB] = torch.arange(16) // 4

INFLECTED = torch.stack([  # `(WORDS, 4)`: every word in the form that what governs it asks for
    torch.cat([
        torch.arange(8) + 8 * form,
        torch.arange(TO_NOUN, TO_NOUN + 16),
        torch.arange(TO_VERB, TO_VERB + 8) + 8 * (form >= 2),
        torch.arange(TO_LINK, TO_LINK + 5),
    ])
    for form in range(4)
], dim=1)  # fmt: skip


def translated(source: Tensor, real: Tensor) -> Tensor:
    """Sentences `(B, T)` in the other language, `(B, T + 1)`, with an end and zeros after it.

    Word by word: each finds its place in its clause, and the noun that governs it.
    """
    B, T = source.shape
    step = torch.arange(T)
    adjective, verb, closes = source < NOUN, (source >= VERB) & (source < LINK), source >= LINK
    noun = ~(adjective | verb | closes)
    phrase = pad((~adjective * (step + 1)).cummax(dim=1).values, (1, -1))  # where it begins
    objects = ((verb | closes) * (2 * step + verb)).cummax(dim=1).values & 1  # after a verb: 1
    place = (
        adjective * (step + 1 - objects)
        + noun * (phrase - objects)
        + verb * (_next(closes) - 1)
        + closes * step
    )
    governor = source.gather(1, torch.where(verb, step - 1, _next(noun)))
    words = INFLECTED.take(4 * source + FORM[governor])
    target = torch.zeros(B, T + 2, dtype=torch.int64)
    target.scatter_(1, torch.where(real, place, T + 1), words)
    target *= lengths.mask(real.sum(1), T + 2)
    return target.scatter_(1, real.sum(1, keepdim=True), END)[:, :-1]


def _next(there: Tensor) -> Tensor:
    """`(B, T)`: the first step from each on where something is; the last step where nothing is."""
    back = there.flip(1) * torch.arange(there.shape[1])
    return there.shape[1] - 1 - back.cummax(dim=1).values.flip(1)
