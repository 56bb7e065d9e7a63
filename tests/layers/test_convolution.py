import torch

from lagbench.layers.convolution import CausalConvolution


def test_equals_the_sum_written_out():
    torch.manual_seed(0)
    layer = CausalConvolution(3, 4, kernel=3, dilation=2).double()
    x = torch.randn(2, 9, 3, dtype=torch.float64)
    W, b = layer.convolution.weight, layer.convolution.bias
    for t in range(9):
        taps = [W[:, :, i] @ x[:, t - 2 * (2 - i)].mT for i in range(3) if t >= 2 * (2 - i)]
        torch.testing.assert_close(layer(x)[:, t], sum(taps).mT + b)


def test_chunk_by_chunk_equals_at_once():
    torch.manual_seed(0)
    layer = CausalConvolution(3, 4, kernel=3, dilation=2).double()
    x = torch.randn(2, 9, 3, dtype=torch.float64)
    past, chunks = None, []
    for chunk in x.split([1, 5, 1, 2], dim=1):  # shorter than what the layer reaches back, too
        y, past = layer.extend(chunk, past)
        chunks.append(y)
    torch.testing.assert_close(torch.cat(chunks, dim=1), layer(x))


def test_is_the_sum_over_the_last_steps_of_each_channel_by_itself():
    torch.manual_seed(0)
    layer = CausalConvolution(3, 3, kernel=4, groups=3).double()
    x = torch.randn(2, 7, 3, dtype=torch.float64)
    taps = layer.convolution.weight[:, 0].flip(1).unbind(1)  # torch counts from the earliest
    expected = torch.stack(
        [
            layer.convolution.bias + sum(w * x[:, t - i] for i, w in enumerate(taps) if t >= i)
            for t in range(7)
        ],
        dim=1,
    )
    torch.testing.assert_close(layer(x), expected)


def test_a_kernel_of_one_step_needs_no_past():
    layer = CausalConvolution(3, 3, kernel=1, groups=3)
    x = torch.randn(2, 7, 3)
    y, past = layer.extend(x[:, :4])
    assert past.shape == (2, 0, 3)
    torch.testing.assert_close(torch.cat([y, layer.extend(x[:, 4:], past)[0]], 1), layer(x))
