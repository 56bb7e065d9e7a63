"""What the recurrent encoder–decoders share: cells, reading a padded source, and attention."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lagbench.contract import EncoderDecoder
from lagbench.hints import ArchitectureHints
from lagbench.kernels.lstm import lstm_scan
from lagbench.layers.padding import last
from lagbench.layers.recurrent import (
    GRULayer,
    LSTMLayer,
    RecurrentLayer,
    RNNLayer,
    States,
)

CellName = Literal["rnn", "gru", "lstm"]
CELLS: dict[CellName, type[RecurrentLayer]] = {"rnn": RNNLayer, "gru": GRULayer, "lstm": LSTMLayer}

Memory = tuple[Tensor, ...]  # what there is to attend to, (B, T, N), and the mask if there is one


@dataclass(frozen=True)
class RecurrentEncoderDecoder(EncoderDecoder, ArchitectureHints):
    """An encoder–decoder whose cells are all of one kind."""

    cell: CellName = "gru"

    @property
    def max_vmap_tokens(self) -> int | None:
        """As that of the cell as a layer by itself."""
        return CELLS[self.cell].max_vmap_tokens()


def read(encoder: RecurrentLayer, source: Tensor, mask: Tensor | None) -> tuple[Tensor, States]:
    """All `h` `(B, T, H)` of a source `(B, T, D)`, and the state after its last real step."""
    if mask is None:
        return encoder.extend(source)
    if isinstance(encoder, LSTMLayer):
        h, c = _read_and_hold(encoder, source, mask)
        return h, (last(h, mask), c)
    h, _ = encoder.extend(source)
    return h, (last(h, mask),)


def _read_and_hold(encoder: LSTMLayer, source: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """All `h`, and the last real `c`: on padding, the input gate is shut and the forget gate open.

    Kernels give the last `c` alone, so it has to be carried to the end.
    """
    hold = torch.tensor([-torch.inf, torch.inf, 0.0, 0.0], dtype=source.dtype, device=source.device)
    gates = torch.where(
        mask[..., None], encoder.project(source), hold.repeat_interleave(encoder.units)
    )
    zeros = source.new_zeros(source.shape[0], encoder.units)
    return lstm_scan(gates, encoder.weight_hh, zeros, zeros, encoder.peepholes)


def shares(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Scores `(B, U, T)` -> weights over the real steps, which sum to one."""
    if mask is not None:
        scores = scores.masked_fill(~mask[:, None], -torch.inf)
    return scores.softmax(dim=-1)


def stepwise(linear: nn.Linear, x: Tensor) -> Tensor:
    """`(B, T, N) -> (B, T, M)` as one product of all steps.

    Under `torch.func.vmap`, a product with more dimensions copies the weight for each of them.
    """
    return torch.unflatten(linear(x.flatten(0, 1)), 0, x.shape[:2])
