"""What attention, search, and reading one's own answer are worth to those that write."""

from lagbench.claims.claim import Claim, Part
from lagbench.claims.evidence import Quantity, exact_match, probed, score
from lagbench.claims.reach import difference

SHORT, MIDDLE, LONG = 4, 16, 32
ATTENTIVE = {"additive": "seq2seq_additive", "dot-product": "seq2seq_dot"}


def weight(architecture: str) -> Quantity:
    """The mean attention paid to the symbol that is to be copied."""
    cell = architecture, "copy", MIDDLE
    name = "attention to the deciding step"
    return probed(name, "attention", cell, "attention_alignment", lambda layers: layers[0.0])


def likelier(length: int, beams: int) -> Quantity:
    """How often a search finds a likelier answer than greedy decoding."""
    cell = "seq2seq", "copy", length
    name = f"answers likelier by {beams} beams, less those less likely"
    return probed(name, "attention", cell, "beam_search", lambda shares: shares[float(beams)])


LONGER_SOURCES = Claim(
    9,
    "An encoder–decoder without attention degrades rapidly as the source grows; attention mends "
    "it.",
    f"Copying {SHORT} to {LONG} symbols, at equal parameters and equal steps.",
    (
        Part(
            f"without attention the score falls by at least 0.3 from {SHORT} to {LONG} symbols",
            (
                score("attention", "seq2seq", "copy", SHORT),
                score("attention", "seq2seq", "copy", LONG),
            ),
            difference,
            0.3,
            score("attention", "seq2seq", "copy", SHORT),
        ),
        *(
            Part(
                f"{kind} attention scores at least 0.2 more at {LONG}",
                (
                    score("attention", name, "copy", LONG),
                    score("attention", "seq2seq", "copy", LONG),
                ),
                difference,
                0.2,
                score("attention", name, "copy", LONG),
            )
            for kind, name in ATTENTIVE.items()
        ),
    ),
)

ALIGNMENT = Claim(
    10,
    "Attention weights align with what matters.",
    f"Copying {MIDDLE} symbols: the weight that each answer pays to the very symbol it copies. "
    f"Attention that looks everywhere alike would pay 1/{MIDDLE}.",
    tuple(
        Part(
            f"{kind} attention pays that symbol at least 0.25 more than even attention would",
            (weight(name),),
            lambda weight: weight - 1 / MIDDLE,
            0.25,
            score("attention", name, "copy", MIDDLE),
        )
        for kind, name in ATTENTIVE.items()
    ),
    "States of a recurrent encoder know their neighbours: a model may as well look at the step "
    "beside, and be right.",
)

SEARCH = Claim(
    11,
    "Greedy decoding does not give the best sequence; beam search finds likelier ones.",
    "An encoder–decoder that copies imperfectly decodes the same test sources greedily and with "
    "four beams: in how many the search's answer is the likelier by the model's own probability, "
    "less those in which it is the less likely.",
    tuple(
        Part(
            f"of answers of {length} symbols at least 0.05 are likelier",
            (likelier(length, 4),),
            lambda share: share,
            0.05,
        )
        for length in (MIDDLE, LONG)
    ),
    "Likelier is not the same as right.",
)

CONSISTENCY = Claim(
    12,
    "Conditioning on one's own previous output makes outputs consistent.",
    "The same model, trained and tested with and without its previous symbol to read: how many of "
    "its answers are right as a whole, sentences that agree within themselves (translation, 8 "
    "words) and melodies that go on from their last note (4 notes).",
    tuple(
        Part(
            f"on {task} at least 0.05 more answers are right as a whole",
            (
                exact_match("fed", "seq2seq_dot", task, length),
                exact_match("unfed", "seq2seq_dot", task, length),
            ),
            difference,
            0.05,
            score("fed", "seq2seq_dot", task, length),
        )
        for task, length in (("translation", 8), ("melody", 4))
    ),
    "In both tasks the source decides the whole answer, so that a state which keeps count can do "
    "without its output; where several answers are right, it could not.",
)
