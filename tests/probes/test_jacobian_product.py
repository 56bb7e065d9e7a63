"""Products of Jacobians against closed forms, and against each step's Jacobian by brute force."""

import pytest
import torch
from torch.autograd.functional import jacobian

from lagbench.model.assembly import tensors
from lagbench.probes import jacobian_product as probe
from lagbench.probes.context import NotMeasurable, in_double
from lagbench.probes.jacobian_product import jacobian_product, largest_singular_values


def by_lag(context):
    (found,) = jacobian_product(context)
    return {int(value.x): value.value for value in found.values}


@pytest.mark.parametrize("factor", [0.1, 0.9, 10.0])
def test_one_dimension(linear, factor):
    found = by_lag(linear(((factor,),)))
    assert len(found) > 15
    assert found == pytest.approx({k: factor**k for k in found}, rel=1e-5)


def test_the_numbers_of_the_lectures(linear):
    assert by_lag(linear(((0.9,),), 101))[100] == pytest.approx(2.656e-5, rel=1e-4)
    assert by_lag(linear(((0.9,),), 301))[300] == pytest.approx(1.874e-14, rel=1e-3)
    assert by_lag(linear(((10.0,),), 101))[100] == pytest.approx(1e100)
    assert by_lag(linear(((0.1,),), 101))[100] == pytest.approx(1e-100)


def test_several_dimensions(linear):
    factor = ((0.5, 2.0, 0.0), (0.0, 0.6, -1.0), (0.3, 0.0, 0.7))
    matrix = torch.tensor(factor, dtype=torch.float64)
    found = by_lag(linear(factor, 20))
    for k, size in found.items():
        expected = torch.linalg.matrix_norm(torch.linalg.matrix_power(matrix, k), ord=2)
        assert size == pytest.approx(expected.item(), rel=1e-9)


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm", "deep_lstm", "lru"])
def test_every_step_by_brute_force(untrained, name):
    context = untrained(name, "recall", 10)
    model, batch = context.models[0], in_double(context.examples(1))
    x = model.embed(batch.source).detach()
    lags, sizes = largest_singular_values(model.core, x)
    assert lags == [*range(1, 10)]
    state = model.core.extend(x[:, :1])[1]
    steps = []
    for step in range(1, 10):
        now = flat(state).detach()
        like = state

        def onward(given, step=step, like=like):
            return flat(model.core.extend(x[:, step : step + 1], shaped(given, like))[1])

        steps.append(jacobian(onward, now))
        state = model.core.extend(x[:, step : step + 1], state)[1]
    product = torch.eye(len(now), dtype=x.dtype)
    for size, one in zip(sizes, reversed(steps), strict=True):
        product = product @ one
        assert size.item() == pytest.approx(torch.linalg.svdvals(product)[0].item(), rel=1e-8)


def flat(state):
    parts = (torch.view_as_real(p) if p.is_complex() else p for p in tensors(state))
    return torch.cat([part.flatten() for part in parts])


def shaped(given, like):
    if not isinstance(like, torch.Tensor):
        parts = []
        for part in like:
            size = len(flat(part))
            parts.append(shaped(given[:size], part))
            given = given[size:]
        return tuple(parts)
    if like.is_complex():
        return torch.view_as_complex(given.view(*like.shape, 2))
    return given.view(like.shape)


def test_a_wide_state_is_followed_less_far(untrained, monkeypatch):
    context = untrained("gru", "recall", 20)
    whole, _ = jacobian_product(context)
    monkeypatch.setattr(probe, "GRAPH", 8 * 4**2)
    part, _ = jacobian_product(context)
    assert [value.x for value in part.values] == [*range(1, 9)]
    assert [v.value for v in part.values] == pytest.approx([v.value for v in whole.values[:8]])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("bilstm", "it reads ahead"),
        ("transformer_causal", "grows with every step"),
        ("seq2seq", "encoder–decoder"),
    ],
)
def test_what_is_no_recurrence_is_refused(untrained, name, reason):
    found = jacobian_product(untrained(name, "recall", 6, width=8))
    assert isinstance(found, NotMeasurable)
    assert reason in found.reason
