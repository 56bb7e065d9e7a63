"""Keys and tokens that no record, report or message may show."""

import os

HOLDERS = ("WANDB_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
SHORTEST = 8  # characters; whatever is shorter is no key, and would blank out words


def redacted(text: str) -> str:
    """The text with stars in place of the keys and tokens of this process's environment."""
    for holder in HOLDERS:
        secret = os.environ.get(holder, "")
        if len(secret) >= SHORTEST:
            text = text.replace(secret, "***")
    return text
