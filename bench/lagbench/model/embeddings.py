"""Input embeddings for three spaces, and output heads for two."""

from torch import Tensor, nn

from lagbench.contract import Frames, Reals, Space, Tokens
from lagbench.kernels.embedding import embedding


class FrameEmbedding(nn.Module):
    """One linear map of all pixels: `(B, T, C, H, W)` -> `(B, T, D)`."""

    def __init__(self, space: Frames, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(space.channels * space.height * space.width, width)

    def forward(self, frames: Tensor) -> Tensor:
        """Embed every frame on its own."""
        embedded: Tensor = self.linear(frames.flatten(2))
        return embedded


class TokenEmbedding(nn.Embedding):
    """A table's row for each symbol: `(B, T)` -> `(B, T, D)`."""

    def forward(self, symbols: Tensor) -> Tensor:
        """Look every symbol up."""
        return embedding(symbols, self.weight)


def embedder(space: Space, width: int, extra: int = 0) -> nn.Module:
    """A module from a raw sequence in `space` to vectors `(B, T, width)`.

    extra: further symbols after a token space's own, such as a start symbol.
    """
    match space:
        case Tokens():
            return TokenEmbedding(space.size + extra, width)
        case Reals():
            return nn.Linear(space.width, width)
        case Frames():
            return FrameEmbedding(space, width)


def head(space: Space, width: int) -> nn.Module:
    """A linear map from `(…, width)` to the space: logits `(…, V)` or values `(…, W)`."""
    match space:
        case Tokens():
            return nn.Linear(width, space.size)
        case Reals():
            return nn.Linear(width, space.width)
        case Frames():
            raise NotImplementedError("matching refuses tasks whose target is frames")
