"""What an image is worth as an image."""

from lagbench.claims.claim import Claim, Part
from lagbench.claims.evidence import score
from lagbench.claims.reach import difference

SPACE = Claim(
    15,
    "A ConvLSTM keeps space where a flattened CNN + LSTM loses it.",
    "Which of eight ways a handwritten digit moves, in films of 8 frames, at equal parameters and "
    "equal steps.",
    (
        Part(
            "the ConvLSTM scores at least 0.2 more",
            (
                score("space", "conv_lstm", "moving_digit", 8),
                score("space", "cnn_lstm", "moving_digit", 8),
            ),
            difference,
            0.2,
            score("space", "conv_lstm", "moving_digit", 8),
        ),
    ),
    "A step of the ConvLSTM costs several times as much time.",
)
