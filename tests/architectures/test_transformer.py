"""The Transformer against torch's own, with copied weights, and every encoding of positions."""

import pytest
import torch
from torch import Tensor, nn

from lagbench import registry
from lagbench.architectures.transformer import Transformer
from lagbench.check import OF_A_CORE, Check
from lagbench.contract import Alignment, Signature, Tokens, UserError
from lagbench.layers.transformer import AttentionBlock, TransformerMixer

B, T, D = 3, 7, 12
SIGNATURE = Signature(Tokens(5), Tokens(5), Alignment.ALIGNED, 12, 12, padded=True)
MASK = torch.arange(T) < torch.tensor([T, 4, 1])[:, None]


def build(**fields: object) -> TransformerMixer:
    core = Transformer(**fields).build(D, SIGNATURE)
    assert isinstance(core, TransformerMixer)
    return core.double()


def torch_layer(block: AttentionBlock, heads: int) -> nn.TransformerEncoderLayer:
    """torch's layer with a block's weights; the biases that a block has not are zero."""
    layer = nn.TransformerEncoderLayer(
        D, heads, 4 * D, 0.0, "gelu", batch_first=True, norm_first=True, dtype=torch.float64
    )
    attention, feedforward = block.attention, block.feedforward
    layer.norm1, layer.norm2 = attention.norm, feedforward.norm
    layer.linear1, layer.linear2 = feedforward.fc1, feedforward.fc2
    layer.self_attn.in_proj_weight = attention.in_proj.weight
    layer.self_attn.out_proj.weight = attention.out_proj.weight
    layer.self_attn.out_proj.bias = attention.out_proj.bias
    nn.init.zeros_(layer.self_attn.in_proj_bias)
    return layer


@pytest.mark.parametrize("mask", [None, MASK], ids=["full", "padded"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("heads", [1, 3])
def test_without_positions_it_is_torchs_encoder(
    heads: int, causal: bool, mask: Tensor | None
) -> None:
    core = build(heads=heads, causal=causal, positions="none")
    layers = [torch_layer(block, heads) for block in core.blocks]
    x = torch.randn(B, T, D, dtype=torch.float64, requires_grad=True)
    expected = x
    future = torch.ones(T, T, dtype=torch.bool).triu(1) if causal else None
    for layer in layers:
        padding = None if mask is None else ~mask
        expected = layer(expected, src_mask=future, src_key_padding_mask=padding)
    expected = core.norm(expected)
    real = torch.ones(B, T, dtype=torch.bool) if mask is None else mask
    found = core(x, mask)
    torch.testing.assert_close(found[real], expected[real])
    leaves = [x, *core.parameters()]
    weight = torch.randn(int(real.sum()), D, dtype=torch.float64)
    torch.testing.assert_close(
        torch.autograd.grad((found[real] * weight).sum(), leaves),
        torch.autograd.grad((expected[real] * weight).sum(), leaves),
    )


@pytest.mark.parametrize("check", OF_A_CORE, ids=lambda check: check.__name__)
@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "alibi", "none"])
@pytest.mark.parametrize("name", ["transformer", "transformer_causal"])
def test_every_encoding_keeps_the_contract(name: str, positions: str, check: Check) -> None:
    architecture = registry.architecture(f"{name}:positions={positions},table=12,heads=3").value
    check(architecture, SIGNATURE)


@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary", "alibi", "none"])
def test_order_is_told_by_positions_and_by_nothing_else(positions: str) -> None:
    x = torch.randn(1, T, D, dtype=torch.float64)
    core = build(positions=positions)
    order = torch.tensor([3, 0, 4, 6, 1, 5, 2])
    moved = (core(x[:, order]) - core(x)[:, order]).abs().max()
    assert moved < 1e-12 if positions == "none" else moved > 1e-4


@pytest.mark.parametrize("positions", ["rotary", "alibi"])
@pytest.mark.parametrize("causal", [False, True])
def test_attention_weights_sum_to_one_and_leave_out_padding(positions: str, causal: bool) -> None:
    core = build(positions=positions, causal=causal)
    weights = core.attention(torch.randn(B, T, D, dtype=torch.float64), MASK)
    assert weights.shape == (B, 2, 2, T, T)
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    for example, steps in enumerate(MASK.sum(1).tolist()):
        assert (weights[example, :, :, :steps, steps:] == 0).all()
        assert (weights[example, :, :, :steps, :steps].triu(1).sum() == 0) == (causal or steps == 1)


def test_the_longest_sequence_is_the_table() -> None:
    assert Transformer(positions="learned", table=9).max_length == 9
    assert Transformer(table=9).max_length is None


@pytest.mark.parametrize("fields", ["layers=0", "heads=0", "table=0", "positions=polar"])
def test_impossible_configurations_are_refused(fields: str) -> None:
    with pytest.raises(UserError):
        registry.architecture(f"transformer:{fields}")
