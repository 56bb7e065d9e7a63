"""How far written answers are from the texts asked for, by the measures of translation and speech.

Both are torchmetrics'. They take milliseconds for a single text, so no more than `MOST` are read.
"""

from collections.abc import Sequence

from torch import Tensor

from lagbench.contract import Batch

MOST = 256


def bleu(names: Sequence[str], answers: Tensor, batch: Batch) -> float:
    """BLEU with n-grams of up to 4 words of all answers `(B, U)` together, from 0 to 1.

    names: of the symbols, the end last. Where they are letters, the spaces among them part words.

    Papineni et al. (2002), BLEU: a Method for Automatic Evaluation of Machine Translation.
    """
    from torchmetrics.functional.text import bleu_score  # close to a second: where it is needed

    between = "" if all(len(name) == 1 for name in names[:-1]) else " "
    written, wanted = (
        [between.join(names[symbol] for symbol in text) for text in texts]
        for texts in _texts(len(names) - 1, answers, batch)
    )
    return float(bleu_score(written, [[text] for text in wanted]))


def character_error_rate(end: int, answers: Tensor, batch: Batch) -> float:
    """Insertions, deletions and substitutions to the texts asked for, to each of their symbols."""
    from torchmetrics.functional.text import char_error_rate

    written, wanted = (
        ["".join(map(chr, text)) for text in texts] for texts in _texts(end, answers, batch)
    )
    return float(char_error_rate(written, wanted))


def _texts(end: int, answers: Tensor, batch: Batch) -> tuple[list[list[int]], list[list[int]]]:
    """The symbols before the end of what was written, and of what was asked for."""
    written, wanted = answers[:MOST].tolist(), batch.target[:MOST].tolist()
    return [_before(end, text) for text in written], [_before(end, text) for text in wanted]


def _before(end: int, text: list[int]) -> list[int]:
    return text[: text.index(end)] if end in text else text
