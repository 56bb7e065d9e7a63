"""The encoder–decoder Transformer against torch's own, with copied weights."""

import pytest
import torch
from torch import Tensor, nn

from lagbench import registry
from lagbench.architectures.transformer_seq2seq import TransformerSeq2Seq, TransformerTransducer
from lagbench.check import OF_A_CORE, Check
from lagbench.contract import Alignment, Signature, Tokens, UserError
from lagbench.layers.transformer import CrossAttention, SelfAttention

B, T, U, D, HEADS = 3, 7, 5, 12, 3
SIGNATURE = Signature(Tokens(5), Tokens(5), Alignment.FREE, 12, 12, padded=True)
MASK = torch.arange(T) < torch.tensor([T, 4, 1])[:, None]


def build(positions: str) -> TransformerTransducer:
    core = TransformerSeq2Seq(heads=HEADS, positions=positions).build(D, SIGNATURE)
    assert isinstance(core, TransformerTransducer)
    return core.double()


def projections(ours: SelfAttention | CrossAttention) -> list[Tensor]:
    """The weights that torch keeps as one, in its order."""
    if isinstance(ours, SelfAttention):
        return [ours.in_proj.weight]
    return [ours.query_proj.weight, ours.memory_proj.weight]


def attention(ours: SelfAttention | CrossAttention) -> nn.MultiheadAttention:
    """torch's attention with our weights; the biases that ours has not are zero."""
    theirs = nn.MultiheadAttention(D, HEADS, batch_first=True, dtype=torch.float64)
    theirs.in_proj_weight = nn.Parameter(torch.cat(projections(ours)).detach())
    nn.init.zeros_(theirs.in_proj_bias)
    theirs.out_proj = ours.out_proj
    return theirs


def torch_decoder(core: TransformerTransducer) -> nn.TransformerDecoder:
    layer = nn.TransformerDecoderLayer(
        D, HEADS, 4 * D, 0.0, "gelu", batch_first=True, norm_first=True, dtype=torch.float64
    )
    decoder = nn.TransformerDecoder(layer, len(core.blocks), core.norm)
    for theirs, ours in zip(decoder.layers, core.blocks, strict=True):
        theirs.self_attn, theirs.multihead_attn = attention(ours.attention), attention(ours.cross)
        theirs.norm1, theirs.norm2 = ours.attention.norm, ours.cross.norm
        feedforward = ours.feedforward
        theirs.norm3 = feedforward.norm
        theirs.linear1, theirs.linear2 = feedforward.fc1, feedforward.fc2
    return decoder


def gradients(outputs: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    return list(torch.autograd.grad(outputs.square().sum(), leaves, retain_graph=True))


@pytest.mark.parametrize("mask", [None, MASK], ids=["full", "padded"])
def test_without_positions_it_is_torchs_decoder_over_the_encoder(mask: Tensor | None) -> None:
    core = build("none")
    x = torch.randn(B, T, D, dtype=torch.float64, requires_grad=True)
    y = torch.randn(B, U, D, dtype=torch.float64, requires_grad=True)
    reference = torch_decoder(core)
    found = core(x, mask, y)
    expected = reference(
        y,
        core.encoder(x, mask),
        tgt_mask=torch.ones(U, U, dtype=torch.bool).triu(1),
        memory_key_padding_mask=None if mask is None else ~mask,
    )
    torch.testing.assert_close(found, expected)
    shared = [x, y, *(set(core.parameters()) & set(reference.parameters()))]
    shared += core.encoder.parameters()
    torch.testing.assert_close(gradients(found, shared), gradients(expected, shared))
    for mine, copy in zip(core.blocks, reference.layers, strict=True):
        for ours, theirs in (
            (mine.attention, copy.self_attn),
            (mine.cross, copy.multihead_attn),
        ):
            torch.testing.assert_close(
                torch.cat(gradients(found, projections(ours))),
                *gradients(expected, [theirs.in_proj_weight]),
            )


@pytest.mark.parametrize("check", OF_A_CORE, ids=lambda check: check.__name__)
@pytest.mark.parametrize("positions", ["learned", "rotary", "alibi", "none"])
def test_every_encoding_keeps_the_contract(positions: str, check: Check) -> None:
    text = f"transformer_seq2seq:positions={positions},table=12,heads=3"
    check(registry.architecture(text).value, SIGNATURE)


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary", "alibi"])
def test_attention_weights_sum_to_one_and_leave_out_padding(positions: str) -> None:
    core = build(positions)
    x = torch.randn(B, T, D, dtype=torch.float64)
    y = torch.randn(B, U, D, dtype=torch.float64)
    weights = core.attention(x, MASK, y)
    assert weights.shape == (B, 2, HEADS, U, T)
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    assert torch.equal(weights > 0, MASK[:, None, None, None].expand_as(weights))


@pytest.mark.parametrize("fields", ["layers=0", "heads=0", "table=0", "positions=polar"])
def test_impossible_configurations_are_refused(fields: str) -> None:
    with pytest.raises(UserError):
        registry.architecture(f"transformer_seq2seq:{fields}")
