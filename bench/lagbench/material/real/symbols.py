"""Texts as symbols: characters, bytes or words, numbered by a vocabulary."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from lagbench.contract import UserError

Kind = Literal["characters", "bytes", "words"]
UNKNOWN = "�"
_WORD = re.compile(r"\w+|[^\w\s]|\n")


def symbols(text: str, kind: Kind) -> list[str]:
    """A text's symbols.

    Words are runs of letters and digits; any other sign, and the end of a line, is a word of its
    own. A byte is written as the character of its number.
    """
    match kind:
        case "characters":
            return list(text)
        case "bytes":
            return list(text.encode().decode("latin-1"))
        case "words":
            return _WORD.findall(text)


def require_vocabulary(task: str, most: int) -> None:
    """Raise `UserError` where a vocabulary is to have no symbol."""
    if most < 1:
        raise UserError(f"{task} needs a vocabulary of at least 1, not {most}.")


class Vocabulary:
    """The most frequent symbols of training texts, numbered from 1, and 0 for all others.

    All 256 bytes are known, by their own numbers.
    """

    def __init__(self, kind: Kind, texts: Iterable[Sequence[str]], most: int) -> None:
        """texts: the symbols of the training split; most: how many are numbered, at most."""
        if kind == "bytes":
            self.names = [chr(byte) for byte in range(256)]
        else:
            counts = Counter(symbol for text in texts for symbol in text)
            frequent = sorted(counts, key=lambda symbol: (-counts[symbol], symbol))[:most]
            self.names = [UNKNOWN, *frequent]
        self._numbers = {name: number for number, name in enumerate(self.names)}

    def numbers(self, text: Sequence[str]) -> list[int]:
        """The numbers of symbols."""
        return [self._numbers.get(symbol, 0) for symbol in text]

    def unknown(self, texts: Iterable[Sequence[str]]) -> float:
        """The share of symbols that are not known."""
        known = [symbol in self._numbers for text in texts for symbol in text]
        return 1 - sum(known) / max(1, len(known))
