"""Keys and tokens that no record, report or message may show."""

import os

SECRET_ENV_VARS = ("WANDB_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
SHORTEST = 8  # characters; whatever is shorter is no key, and would blank out words


def redacted(text: str) -> str:
    """The text with stars in place of the keys and tokens of this process's environment."""
    for holder in SECRET_ENV_VARS:
        secret = os.environ.get(holder, "")
        if len(secret) >= SHORTEST:
            text = text.replace(secret, "***")
    return text
