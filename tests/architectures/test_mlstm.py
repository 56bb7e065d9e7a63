import pytest
import torch

from lagbench.architectures.mlstm import MLSTMMixer
from tests.architectures.written_out import assert_equals_loop


def heads(mixer, x):
    """`q`, `k`, `v` `(B, T, d)` and the logarithms of the gates `(B, T)` of each head."""
    gates = (x @ mixer.gates.weight.mT + mixer.gates.bias).chunk(2, -1)
    log_i, log_f = gates[0], -torch.log(1 + torch.exp(-gates[1]))
    weights = (W.chunk(mixer.heads) for W in mixer.project.weight.chunk(3))
    for i, f, *ones in zip(log_i.unbind(-1), log_f.unbind(-1), *weights, strict=True):
        q, k, v = (x @ W.mT for W in ones)
        yield q, k / k.shape[-1] ** 0.5, v, i, f


def cell(q, k, v, i, f):
    """The paper's stabilised recurrence, `(B, T, d)`."""
    B, T, d = q.shape
    C, n, m = q.new_zeros(B, d, d), q.new_zeros(B, d), q.new_zeros(B)
    outputs = []
    for t in range(T):
        after = torch.maximum(f[:, t] + m, i[:, t])
        enter, keep = torch.exp(i[:, t] - after), torch.exp(f[:, t] + m - after)
        C = keep[:, None, None] * C
        C = C + enter[:, None, None] * torch.einsum("bi,bj->bij", v[:, t], k[:, t])
        n = keep[:, None] * n + enter[:, None] * k[:, t]
        m = after
        floor = torch.maximum((n * q[:, t]).sum(-1).abs(), torch.exp(-m))
        outputs.append(torch.einsum("bij,bj->bi", C, q[:, t]) / floor[:, None])
    return torch.stack(outputs, 1)


@pytest.mark.parametrize("scale", [1.0, 5.0], ids=["quiet gates", "loud gates"])
def test_equals_its_recurrence_with_stabiliser(scale):
    mixer = MLSTMMixer(6, 2).double()
    with torch.no_grad():
        mixer.gates.weight *= scale
        mixer.gates.bias.copy_(torch.tensor([-2.0, 1.0, 1.0, 4.0]) * scale)

    def loop(x):
        hidden = [mixer.norm(cell(*parts)) for parts in heads(mixer, x)]
        gate = (x @ mixer.output_gate.weight.mT + mixer.output_gate.bias).sigmoid()
        return mixer.merge(gate * torch.cat(hidden, -1))

    assert_equals_loop(mixer, loop, width=6)


def test_gates_beyond_the_range_of_exponentials_stay_finite():
    torch.manual_seed(0)
    mixer = MLSTMMixer(4, 1)
    with torch.no_grad():
        mixer.gates.weight *= 200
        mixer.gates.bias.copy_(torch.tensor([100.0, -100.0]))
    y = mixer(torch.randn(2, 200, 4))
    y.sum().backward()
    assert y.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in mixer.parameters())


def test_the_stabiliser_changes_nothing():
    torch.manual_seed(0)
    q, k, v, i, f = next(heads(MLSTMMixer(4, 1).double(), torch.randn(2, 20, 4).double()))
    C, n, expected = torch.zeros(2, 4, 4).double(), torch.zeros(2, 4).double(), []
    for t in range(20):
        C = f[:, t].exp()[:, None, None] * C
        C = C + i[:, t].exp()[:, None, None] * torch.einsum("bi,bj->bij", v[:, t], k[:, t])
        n = f[:, t].exp()[:, None] * n + i[:, t].exp()[:, None] * k[:, t]
        floor = (n * q[:, t]).sum(-1).abs().clamp(min=1)
        expected.append(torch.einsum("bij,bj->bi", C, q[:, t]) / floor[:, None])
    torch.testing.assert_close(cell(q, k, v, i, f), torch.stack(expected, 1))
