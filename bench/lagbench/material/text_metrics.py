"""BLEU and the character error rate of generated answers, by torchmetrics.

They take milliseconds per text, so only the first `MOST` examples are scored.
"""

from collections.abc import Sequence

from torch import Tensor

from lagbench.contract import Batch

MOST = 256


def bleu(names: Sequence[str], answers: Tensor, batch: Batch) -> float:
    """Return the corpus BLEU of answers `(B, U)`, with n-grams of up to 4 words, from 0 to 1.

    names: of the symbols, the end last. If they are letters, spaces among them separate words.

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
    """Return insertions, deletions and substitutions per symbol of the targets."""
    from torchmetrics.functional.text import char_error_rate

    written, wanted = (
        ["".join(map(chr, text)) for text in texts] for texts in _texts(end, answers, batch)
    )
    return float(char_error_rate(written, wanted))


def _texts(end: int, answers: Tensor, batch: Batch) -> tuple[list[list[int]], list[list[int]]]:
    """Return the symbols before the end of answers and of targets."""
    written, wanted = answers[:MOST].tolist(), batch.target[:MOST].tolist()
    return [_before(end, text) for text in written], [_before(end, text) for text in wanted]


def _before(end: int, text: list[int]) -> list[int]:
    return text[: text.index(end)] if end in text else text
