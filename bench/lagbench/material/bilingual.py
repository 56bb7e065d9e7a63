"""Two artificial languages, and the translation from one into the other."""

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

INFLECTED = torch.stack([  # `(WORDS, 4)`: every word in the form that its governor requires
    torch.cat([
        torch.arange(8) + 8 * form,
        torch.arange(TO_NOUN, TO_NOUN + 16),
        torch.arange(TO_VERB, TO_VERB + 8) + 8 * (form >= 2),
        torch.arange(TO_LINK, TO_LINK + 5),
    ])
    for form in range(4)
], dim=1)  # fmt: skip


def translate(source: Tensor, real: Tensor) -> Tensor:
    """Translate sentences `(B, T)` to `(B, T + 1)`, with an end and zeros after it.

    Word by word, by the position of each in its clause and the noun that governs it.
    """
    B, T = source.shape
    step = torch.arange(T)
    adjective, verb, closes = source < NOUN, (source >= VERB) & (source < LINK), source >= LINK
    noun = ~(adjective | verb | closes)
    phrase = pad((~adjective * (step + 1)).cummax(dim=1).values, (1, -1))  # where it begins
    objects = ((verb | closes) * (2 * step + verb)).cummax(dim=1).values & 1  # after a verb: 1
    position = (
        adjective * (step + 1 - objects)
        + noun * (phrase - objects)
        + verb * (_next(closes) - 1)
        + closes * step
    )
    governor = source.gather(1, torch.where(verb, step - 1, _next(noun)))
    words = INFLECTED.take(4 * source + FORM[governor])
    target = torch.zeros(B, T + 2, dtype=torch.int64)
    target.scatter_(1, torch.where(real, position, T + 1), words)
    target *= lengths.mask(real.sum(1), T + 2)
    return target.scatter_(1, real.sum(1, keepdim=True), END)[:, :-1]


def _next(marked: Tensor) -> Tensor:
    """Return the next step `(B, T)`, from each step on, that is true; the last step if none is."""
    back = marked.flip(1) * torch.arange(marked.shape[1])
    return marked.shape[1] - 1 - back.cummax(dim=1).values.flip(1)
