import torch

from lagbench.architectures.linear_attention import LinearAttentionMixer
from tests.architectures.written_out import assert_equals_loop


def feature(x):
    return torch.where(x > 0, x + 1, torch.exp(x))


def heads(mixer, x):
    """Queries, keys and values `(B, T, d)` of each head."""
    for weights in zip(*(W.chunk(mixer.heads) for W in mixer.project.weight.chunk(3)), strict=True):
        yield tuple(x @ W.mT for W in weights)


def test_equals_the_sums_over_earlier_steps():
    mixer = LinearAttentionMixer(6, 2).double()

    def loop(x):
        joined = []
        for q, k, v in heads(mixer, x):
            q, k = feature(q), feature(k)
            S, z, outputs = 0, 0, []
            for t in range(x.shape[1]):
                S = S + torch.einsum("bi,bj->bij", k[:, t], v[:, t])
                z = z + k[:, t]
                numerator = torch.einsum("bi,bij->bj", q[:, t], S)
                outputs.append(numerator / ((q[:, t] * z).sum(-1, keepdim=True) + 1e-6))
            joined.append(torch.stack(outputs, 1))
        return mixer.merge(torch.cat(joined, -1))

    assert_equals_loop(mixer, loop, width=6)


def test_is_finite_where_all_features_vanish():
    mixer = LinearAttentionMixer(2, 1)
    with torch.no_grad():
        mixer.project.weight[:4] = -100.0
    mixer(torch.ones(1, 3, 2)).sum().backward()
    assert mixer.project.weight.grad.isfinite().all()
