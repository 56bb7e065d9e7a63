"""The encoder–decoders against their papers' equations over torch's cells, one example a time."""

import pytest
import torch
from torch import Tensor

from lagbench import registry
from lagbench.architectures.seq2seq import Seq2SeqTransducer
from lagbench.architectures.seq2seq_additive import AdditiveTransducer
from lagbench.architectures.seq2seq_dot import DotTransducer
from lagbench.check import OF_A_CORE, Check
from lagbench.contract import Alignment, Signature, Tokens, Transducer
from lagbench.layers.encoder_decoder import CELLS

T, U, D = 6, 4, 5
LENGTHS = [6, 3, 1]
MASK = torch.arange(T) < torch.tensor(LENGTHS)[:, None]
SIGNATURE = Signature(Tokens(5), Tokens(5), Alignment.FREE, 12, 12, padded=True)


def build(name: str, cell: str) -> Transducer:
    core = registry.architecture(f"{name}:cell={cell}").value.build(D, SIGNATURE).double()
    for parameter in core.parameters():
        parameter.data.add_(torch.randn_like(parameter), alpha=0.3)
    return core


def sutskever(run, core: Seq2SeqTransducer, x: Tensor, y: Tensor) -> Tensor:
    """`s_0 = h_T`, and no other way for the source to reach the target."""
    _, crossing = run(core.encoder, x, None)
    return run(core.decoder, y, crossing)[0]


def luong(run, core: DotTransducer, x: Tensor, y: Tensor) -> Tensor:
    """`α_ut = softmax_t(s_u · h_t)`, `output_u = tanh(W [c_u; s_u])`."""
    h, states = run(core.encoder, x, None)
    outputs = []
    for u in range(y.shape[1]):
        s, states = run(core.decoder, y[:, u : u + 1], states)
        scores = torch.stack([(s[0, 0] * h[0, t]).sum() for t in range(h.shape[1])])
        weights = scores.exp() / scores.exp().sum()
        context = sum(weight * h[0, t] for t, weight in enumerate(weights))
        outputs.append(torch.tanh(core.combine.weight @ torch.cat([context, s[0, 0]])))
    return torch.stack(outputs)[None]


def bahdanau(run, core: AdditiveTransducer, x: Tensor, y: Tensor) -> Tensor:
    """`e_ut = v · tanh(W s_{u−1} + U h_t)`, `s_u = g([y_{u−1}; c_u], s_{u−1})`."""
    ahead, _ = run(core.ahead, x, None)
    back, (first, *_) = run(core.back, x.flip(1), None)
    h = torch.cat([ahead, back.flip(1)], dim=-1)[0]
    states = torch.tanh(core.bridge(first)).chunk(core.decoder.carried, dim=-1)
    outputs = []
    for y_u in y[0]:
        asked = core.query.weight @ states[0][0]
        scores = torch.stack([core.energy(torch.tanh(asked + core.key(h_t))) for h_t in h])
        weights = scores.exp() / scores.exp().sum()
        context = (weights * h).sum(0)
        entering = torch.cat([y_u, context])[None, None]
        s, states = run(core.decoder, entering, states)
        candidates = core.output(torch.cat([s[0, 0], y_u, context]))
        outputs.append(torch.maximum(candidates[0::2], candidates[1::2]))
    return torch.stack(outputs)[None]


REFERENCES = {"seq2seq": sutskever, "seq2seq_dot": luong, "seq2seq_additive": bahdanau}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", REFERENCES)
def test_padded_batches_follow_the_equations_example_by_example(name, cell, torch_run) -> None:
    core = build(name, cell)
    x = torch.randn(3, T, D, dtype=torch.float64, requires_grad=True)
    y = torch.randn(3, U, D, dtype=torch.float64, requires_grad=True)
    found = core(x, MASK, y)
    expected = torch.cat(
        [
            REFERENCES[name](torch_run, core, x[row : row + 1, :steps], y[row : row + 1])
            for row, steps in enumerate(LENGTHS)
        ]
    )
    torch.testing.assert_close(found, expected)
    leaves = [x, y, *core.parameters()]
    torch.testing.assert_close(
        torch.autograd.grad(found.square().sum(), leaves),
        torch.autograd.grad(expected.square().sum(), leaves),
    )


@pytest.mark.parametrize("check", OF_A_CORE, ids=lambda check: check.__name__)
@pytest.mark.parametrize("cell", ["rnn", "lstm"])
@pytest.mark.parametrize("name", REFERENCES)
def test_every_cell_keeps_the_contract(name: str, cell: str, check: Check) -> None:
    check(registry.architecture(f"{name}:cell={cell}").value, SIGNATURE)


@pytest.mark.parametrize("name", ["seq2seq_dot", "seq2seq_additive"])
def test_attention_weights_sum_to_one_and_leave_out_padding(name: str) -> None:
    core = build(name, "gru")
    x, y = torch.randn(3, T, D).double(), torch.randn(3, U, D).double()
    weights = core.attention(x, MASK, y)
    assert weights.shape == (3, U, T)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, U).double())
    assert torch.equal(weights > 0, MASK[:, None].expand(3, U, T))
    torch.testing.assert_close(core.attention(x[:1], None, y[:1]), weights[:1])


def test_attention_weights_are_those_that_outputs_come_from() -> None:
    core = build("seq2seq_dot", "gru")
    x, y = torch.randn(3, T, D).double(), torch.randn(3, U, D).double()
    states, (h, _) = core.start(x, MASK)
    s, _ = core.decoder.extend(y, states)
    context = core.attention(x, MASK, y) @ h
    expected = torch.tanh(core.combine(torch.cat([context, s], dim=-1)))
    torch.testing.assert_close(core(x, MASK, y), expected)
