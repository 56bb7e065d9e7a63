"""Recurrent layers: their weights and their initialisation.

Each gate has one bias, as in the equations, where `torch.nn` adds two, which together take double
steps under Adam. Weights are drawn from U(±1/√H) as in `torch.nn`; biases begin at 0, and that of
a forget gate at 1 (Gers et al. 2000).

PyTorch's own layers run where they are faster: cuDNN's on a GPU, and oneDNN's LSTM on a CPU without
compiled kernels. Neither has a rule for `torch.func.vmap`, under which `lagbench.kernels` runs.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from lagbench.contract import Mixer, State
from lagbench.hints import CoreHints
from lagbench.kernels.gru import gru_scan
from lagbench.kernels.gru_variants import gru_minimal_scan, gru_original_scan
from lagbench.kernels.library import available, supported
from lagbench.kernels.lstm import lstm_scan, prefers_onednn
from lagbench.kernels.recurrence import project_inputs, project_source
from lagbench.kernels.rnn import rnn_scan

States = tuple[Tensor, ...]


class RecurrentLayer(Mixer, CoreHints):
    """One layer in one direction: `(B, T, D) -> (B, T, H)`, the states after each step.

    Its state is a tuple of what the cell carries, each `(B, H)`: `h`, and `c` too in an LSTM.
    """

    gates: ClassVar[int]
    carried: ClassVar[int] = 1
    compiled: ClassVar[bool] = False  # whether there is such a loop
    plain_limit: ClassVar[int | None] = None  # `max_vmap_tokens` without it

    @classmethod
    def max_vmap_tokens(cls, single_layer: bool = False) -> int | None:
        """The largest `B * T` at which replicas train faster under vmap on a CPU; None: any.

        Compiled, more steps of all replicas do not fit the caches.
        single_layer: whether it is the only layer of a core, which then reads raw inputs.
        """
        if cls.compiled and available():
            return 8192 if single_layer else 2048
        return cls.plain_limit

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.units = units
        self.weight_ih = nn.Parameter(torch.empty(self.gates * units, inputs))
        self.weight_hh = nn.Parameter(torch.empty(self.gates * units, units))
        self.bias = nn.Parameter(torch.zeros(self.gates * units))
        for weight in (self.weight_ih, self.weight_hh):
            nn.init.uniform_(weight, -(units**-0.5), units**-0.5)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`(B, T, D) -> (B, T, H)`; causal, so that padding cannot matter."""
        return self.extend(x)[0]

    def extend(self, x: Tensor, state: State = None) -> tuple[Tensor, States]:
        """Outputs `(B, T, H)` and the state after them; a state of None is zeros."""
        return self.recur(x, self.beginning(x) if state is None else state)

    def beginning(self, x: Tensor) -> States:
        """The state before the first step, as many zeros as there are examples in `x`."""
        zeros = self.bias.new_zeros(len(x), self.units)
        return (zeros,) * self.carried

    def recur(self, x: Tensor, state: States) -> tuple[Tensor, States]:
        """Outputs and state after `x` `(B, T, D)`, from the state before it."""
        return self.run(self.project(x), state)

    @abstractmethod
    def run(
        self, inputs: Tensor, state: States, source: Tensor | None = None
    ) -> tuple[Tensor, States]:
        """Outputs and state from projected inputs `W x + b` `(B, T, G * H)`.

        source: as for `kernels.recurrence.project_source`, with the inputs as its table.
        """

    def forward_with_embedding(
        self, embed: nn.Module, source: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Join the embedding with the input projection, where a kernel of ours runs and it is less.

        Not in the plain form, in which operations are counted: a budget of FLOPs is of the layer
        as its equations state it.
        """
        joined = self.under_vmap or supported(self.weight_hh, self.units)
        table = self.table(embed, source) if joined else None
        if table is None:
            return super().forward_with_embedding(embed, source, mask)
        return self.run(table, self.beginning(source), source)[0]

    def table(self, embed: nn.Module, source: Tensor) -> Tensor | None:
        """A table with which `project_source` gives `W embed(x) + b`, without embedding the steps.

        Symbols: the projected rows of the embedding, if they are fewer than the steps. Values: the
        product of both weights, if values are narrower than the embedding and need no gradient.
        Otherwise None: embedding the steps is less to compute.
        """
        match embed:
            case nn.Embedding() if 2 * len(embed.weight) <= source.numel():
                return embed.weight @ self.weight_ih.mT + self.bias
            case nn.Linear() if source.shape[2] < len(embed.weight) and not source.requires_grad:
                weight = self.weight_ih @ embed.weight
                bias = self.weight_ih @ embed.bias + self.bias
                return torch.cat([weight.mT, bias[None]])
        return None

    def project(self, x: Tensor) -> Tensor:
        """`W x + b` `(B, T, G * H)`, time-major in memory."""
        return project_inputs(x, self.weight_ih, self.bias)

    def library_runs(self) -> bool:
        """Whether PyTorch's own layer runs, rather than an operation of `lagbench.kernels`."""
        return self.bias.is_cuda and not self.under_vmap

    def library_weights(self, recurrent_bias: Tensor | None = None) -> list[Tensor]:
        """The weights as `torch.gru` takes them; the second bias is zeros unless it is given."""
        second = torch.zeros_like(self.bias) if recurrent_bias is None else recurrent_bias
        parts = [self.weight_ih, self.weight_hh, self.bias, second]
        return in_one_piece(parts) if self.bias.is_cuda else parts


def in_one_piece(parts: list[Tensor]) -> list[Tensor]:
    """Copies of tensors that follow one another in memory, as cuDNN wants its weights."""
    memory = torch.cat([part.flatten() for part in parts])
    pieces = torch.split(memory, [part.numel() for part in parts])
    return [piece.view(part.shape) for piece, part in zip(pieces, parts, strict=True)]


# has_biases, num_layers, dropout, train, bidirectional, batch_first
_ONE_LAYER = (True, 1, 0.0, True, False, True)


def _one_part(
    library: Callable[..., tuple[Tensor, Tensor]], x: Tensor, state: States, weights: list[Tensor]
) -> tuple[Tensor, States]:
    outputs, h = library(x, state[0].unsqueeze(0).contiguous(), weights, *_ONE_LAYER)
    return outputs, (h[0],)


class RNNLayer(RecurrentLayer):
    """`h' = φ(W x + U h + b)`."""

    gates = 1
    compiled = True

    def __init__(self, inputs: int, units: int, relu: bool = False) -> None:
        super().__init__(inputs, units)
        self.relu = relu

    def recur(self, x: Tensor, state: States) -> tuple[Tensor, States]:
        if self.library_runs():
            library = torch.rnn_relu if self.relu else torch.rnn_tanh
            return _one_part(library, x, state, self.library_weights())
        return super().recur(x, state)

    def run(
        self, inputs: Tensor, state: States, source: Tensor | None = None
    ) -> tuple[Tensor, States]:
        outputs = rnn_scan(inputs, self.weight_hh, state[0], self.relu, source)
        return outputs, (outputs[:, -1],)


class GRULayer(RecurrentLayer):
    """The gated recurrent unit of `kernels.gru`, its reset gate after the recurrent product."""

    gates = 3
    compiled = True

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__(inputs, units)
        self.bias_hn = nn.Parameter(torch.zeros(units))

    def recur(self, x: Tensor, state: States) -> tuple[Tensor, States]:
        if self.library_runs():
            second = nn.functional.pad(self.bias_hn, (2 * self.units, 0))
            return _one_part(torch.gru, x, state, self.library_weights(second))
        return super().recur(x, state)

    def run(
        self, inputs: Tensor, state: States, source: Tensor | None = None
    ) -> tuple[Tensor, States]:
        outputs = gru_scan(inputs, self.weight_hh, self.bias_hn, state[0], source)
        return outputs, (outputs[:, -1],)


class OriginalGRULayer(RecurrentLayer):
    """The gated recurrent unit of `kernels.gru_variants`, its reset gate before the product."""

    gates = 3

    def run(
        self, inputs: Tensor, state: States, source: Tensor | None = None
    ) -> tuple[Tensor, States]:
        outputs = gru_original_scan(project_source(inputs, source), self.weight_hh, *state)
        return outputs, (outputs[:, -1],)


class MinimalGRULayer(RecurrentLayer):
    """The gated recurrent unit of `kernels.gru_variants`, without a reset gate."""

    gates = 2

    def run(
        self, inputs: Tensor, state: States, source: Tensor | None = None
    ) -> tuple[Tensor, States]:
        outputs = gru_minimal_scan(project_source(inputs, source), self.weight_hh, *state)
        return outputs, (outputs[:, -1],)


class LSTMLayer(RecurrentLayer):
    """The long short-term memory of `kernels.lstm`; peepholes begin at 0."""

    gates = 4
    carried = 2
    compiled = True
    plain_limit = 512  # a library runs it alone, and none a stack of it

    def __init__(self, inputs: int, units: int, peephole: bool = False) -> None:
        super().__init__(inputs, units)
        nn.init.ones_(self.bias[units : 2 * units])
        self.peepholes = nn.Parameter(torch.zeros(3, units)) if peephole else None

    def recur(self, x: Tensor, state: States) -> tuple[Tensor, States]:
        h, c = state
        if self.library_runs():
            first = (h.unsqueeze(0).contiguous(), c.unsqueeze(0).contiguous())
            outputs, h, c = torch.lstm(x, first, self.library_weights(), *_ONE_LAYER)
            return outputs, (h[0], c[0])
        return super().recur(x, state)

    def run(
        self, inputs: Tensor, state: States, source: Tensor | None = None
    ) -> tuple[Tensor, States]:
        h, c = state
        outputs, c = lstm_scan(inputs, self.weight_hh, h, c, self.peepholes, source)
        return outputs, (outputs[:, -1], c)

    def library_runs(self) -> bool:
        onednn = not self.under_vmap and prefers_onednn(self.weight_hh)
        return self.peepholes is None and (super().library_runs() or onednn)
