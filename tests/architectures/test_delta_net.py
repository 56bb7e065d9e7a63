import torch
from torch.nn.functional import one_hot

from lagbench.architectures.delta_net import DeltaNetMixer, dpfp
from tests.architectures.written_out import assert_equals_loop


def heads(mixer, x):
    """Queries, keys and values `(B, T, d)` of each head, and its rates `(B, T)`."""
    rates = (x @ mixer.rate.weight.mT + mixer.rate.bias).sigmoid().unbind(-1)
    weights = (W.chunk(mixer.heads) for W in mixer.project.weight.chunk(3))
    for beta, *ones in zip(rates, *weights, strict=True):
        yield beta, *(x @ W.mT for W in ones)


def features(x):
    """DPFP-1, one number at a time."""
    r = torch.cat([x, -x], -1).clamp(min=0).unbind(-1)
    products = torch.stack([r[i] * r[i - 1] for i in range(len(r))], -1)
    return products / (products.sum(-1, keepdim=True) + 1e-6)


def test_equals_the_delta_rule_in_outer_products():
    mixer = DeltaNetMixer(6, 2).double()

    def loop(x):
        joined = []
        for beta, q, k, v in heads(mixer, x):
            q, k = features(q), features(k)
            W, outputs = torch.zeros(len(x), 3, 6, dtype=x.dtype), []
            for t in range(x.shape[1]):
                stored = torch.einsum("bij,bj->bi", W, k[:, t])
                correction = beta[:, t, None] * (v[:, t] - stored)
                W = W + torch.einsum("bi,bj->bij", correction, k[:, t])
                outputs.append(torch.einsum("bij,bj->bi", W, q[:, t]))
            joined.append(torch.stack(outputs, 1))
        return mixer.merge(torch.cat(joined, -1))

    assert_equals_loop(mixer, loop, width=6)


def test_features_sum_to_one_unless_all_vanish():
    x = torch.cat([1 + torch.rand(50, 5), torch.tensor([[1.0, -1, 1, -1, 0]])])
    sums = torch.tensor([1.0] * 50 + [0])
    torch.testing.assert_close(dpfp(x).sum(-1), sums, rtol=1e-5, atol=1e-5)


def test_a_key_written_twice_holds_its_last_value():
    mixer = DeltaNetMixer(4, 1)
    with torch.no_grad():
        mixer.rate.bias.fill_(30.0)  # β = 1
        mixer.rate.weight.zero_()
        mixer.merge.weight.copy_(torch.eye(4))
        mixer.merge.bias.zero_()
        key = torch.tensor([[1.0, 1.0, 0, 0]]).T.repeat(1, 4)  # of every input the same feature
        mixer.project.weight.copy_(torch.cat([key, key, torch.eye(4)]))
    y = mixer(one_hot(torch.tensor([[0, 2, 1]]), 4).float())
    torch.testing.assert_close(y[0], torch.eye(4)[[0, 2, 1]], rtol=1e-5, atol=1e-5)
