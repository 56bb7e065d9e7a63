"""Models around cores: against each example run by itself, without padding and by hand."""

import pytest
import torch

from lagbench.contract import Alignment, Pool, Reals, Tokens
from lagbench.model.assembly import pooled

PREFIX = ("min_gru", "transformer_causal")
TRANSDUCER = ("seq2seq", "transformer_seq2seq")
LENGTHS = torch.tensor([4, 6, 1, 3])
MASK = torch.arange(6) < LENGTHS[:, None]
SPACES = (Tokens(4), Tokens(4, end=2), Reals(2))

each_writer = pytest.mark.parametrize("name", PREFIX + TRANSDUCER)
each_space = pytest.mark.parametrize("space", SPACES, ids=str)


def drawn(space, count, steps):
    if isinstance(space, Tokens):
        return torch.randint(space.size, (count, steps))
    return torch.randn(count, steps, space.width, dtype=torch.float64)


def dependence(model, source, mask, target):
    """Gradients of a weighted sum of predictions, so that equal functions are told from others."""
    predicted = model(source, mask, target)
    weight = torch.linspace(-1, 1, predicted[0].numel(), dtype=torch.float64)
    return predicted, torch.autograd.grad(
        (predicted * weight.view(predicted[0].shape)).sum(), list(model.parameters())
    )


@pytest.mark.parametrize("pool", Pool)
def test_pooling_reads_real_steps_alone(pool):
    mixed = torch.randn(4, 6, 3, dtype=torch.float64, requires_grad=True)
    found = pooled(mixed, MASK, pool)
    for row, length in enumerate(LENGTHS.tolist()):
        steps = mixed[row, :length]
        expected = {
            Pool.LAST: steps[-1],
            Pool.ENDS: torch.cat([steps[0], steps[-1]]),
            Pool.MEAN: sum(steps) / length,
        }[pool]
        torch.testing.assert_close(found[row, 0], expected)
    (gradient,) = torch.autograd.grad(found.sum(), mixed)
    assert not gradient[~MASK].any()
    torch.testing.assert_close(
        pooled(mixed, None, pool), pooled(mixed, torch.ones_like(MASK), pool)
    )


@pytest.mark.parametrize("name", ["min_gru", "transformer", "bag_of_words", "seq2seq"])
def test_a_pooled_answer_is_that_of_the_source_alone(build, name):
    model = build(name, alignment=Alignment.POOLED, target_steps=1)
    source, target = drawn(Tokens(5), 4, 6), drawn(Tokens(4), 4, 1)
    predicted = model(source, MASK, target)
    assert predicted.shape == (4, 1, 4)
    torch.testing.assert_close(model(source, MASK, None), predicted)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = model(source[row : row + 1, :length], None, None)
        torch.testing.assert_close(predicted[row : row + 1], alone)


def test_an_aligned_answer_is_the_head_on_every_output(build):
    model = build("min_gru", alignment=Alignment.ALIGNED, target_steps=6)
    source = drawn(Tokens(5), 4, 6)
    expected = model.head(model.core(model.embed(source)))
    torch.testing.assert_close(model(source, MASK, None), expected)


def test_a_core_that_reads_raw_gets_the_source_as_it_is(build):
    model = build("ngram", alignment=Alignment.POOLED, target_steps=1)
    source = drawn(Tokens(5), 4, 6)
    expected = model.head(pooled(model.core(source, MASK), MASK, model.pool))
    torch.testing.assert_close(model(source, MASK, None), expected)


@each_writer
@each_space
def test_teacher_forced_padded_is_as_alone(build, name, space):
    model = build(name, target=space)
    source, target = drawn(Tokens(5), 4, 6), drawn(space, 4, 4)
    together, gradients = dependence(model, source, MASK, target)
    total = [torch.zeros_like(gradient) for gradient in gradients]
    for row, length in enumerate(LENGTHS.tolist()):
        one = slice(row, row + 1)
        alone, own = dependence(model, source[one, :length], None, target[one])
        torch.testing.assert_close(together[one], alone)
        total = [sum(pair) for pair in zip(total, own, strict=True)]
    torch.testing.assert_close(gradients, tuple(total))


@each_writer
@each_space
def test_written_padded_is_as_alone(build, name, space):
    model = build(name, target=space)
    source = drawn(Tokens(5), 4, 6)
    together = model(source, MASK, None)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = model(source[row : row + 1, :length], None, None)
        torch.testing.assert_close(together[row : row + 1], alone)


@each_writer
@each_space
def test_what_stands_on_padding_does_not_matter(build, name, space):
    model = build(name, target=space)
    source, target = drawn(Tokens(5), 4, 6), drawn(space, 4, 4)
    other = torch.where(MASK, source, (source + 1) % 5)
    for given in (target, None):
        torch.testing.assert_close(model(other, MASK, given), model(source, MASK, given))


@each_writer
@each_space
@pytest.mark.parametrize("mask", [None, MASK, MASK[:1].expand(4, -1)], ids=["none", "some", "same"])
def test_written_is_teacher_forced_on_its_own_answer(build, name, space, mask):
    model = build(name, target=space)
    source = drawn(Tokens(5), 4, 6)
    predicted = model(source, mask, None)
    answer = predicted.argmax(-1) if isinstance(space, Tokens) else predicted
    torch.testing.assert_close(model(source, mask, answer), predicted)


@pytest.mark.parametrize("name", PREFIX)
def test_a_prefix_model_is_its_core_over_source_start_and_targets(build, name):
    model = build(name)
    source, target = drawn(Tokens(5), 3, 6), drawn(Tokens(4), 3, 4)
    start = model.embed_target.first.expand(3, 1, -1)
    parts = [model.embed(source), start, model.embed_target.embed(target)]
    outputs = model.core(torch.cat(parts, dim=1))
    torch.testing.assert_close(model(source, None, target), model.head(outputs[:, 6:-1]))


@pytest.mark.parametrize("name", TRANSDUCER)
def test_a_transducer_model_is_its_core_on_source_and_start_and_targets(build, name):
    model = build(name)
    source, target = drawn(Tokens(5), 4, 6), drawn(Tokens(4), 4, 4)
    start = model.embed_target.first.expand(4, 1, -1)
    prefix = torch.cat([start, model.embed_target.embed(target)], dim=1)[:, :-1]
    outputs = model.core(model.embed(source), MASK, prefix)
    torch.testing.assert_close(model(source, MASK, target), model.head(outputs))


@each_writer
@each_space
@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "padded"])
def test_without_feeding_no_prediction_depends_on_a_target(build, name, space, mask):
    source, targets = drawn(Tokens(5), 4, 6), [drawn(space, 4, 4) for _ in range(2)]
    fed, unfed = build(name, target=space), build(name, target=space, feed="none")
    unfed.load_state_dict(fed.state_dict())
    assert not torch.allclose(*(fed(source, mask, target) for target in targets))
    written = unfed(source, mask, None)
    for target in targets:
        torch.testing.assert_close(unfed(source, mask, target), written)
    torch.testing.assert_close(written[:, 0], fed(source, mask, targets[0])[:, 0])


@each_writer
def test_feeding_or_not_begins_with_the_same_weights(build, name):
    fed, unfed = (dict(build(name, feed=feed).named_parameters()) for feed in ("own", "none"))
    assert fed.keys() == unfed.keys()
    for parameter in fed.keys() - {"head.weight", "head.bias"}:  # which the fixture changes
        assert torch.equal(fed[parameter], unfed[parameter])


@each_writer
def test_without_feeding_only_the_embedding_of_targets_is_idle(build, name):
    model = build(name, feed="none")
    predicted = model(drawn(Tokens(5), 4, 6), MASK, drawn(Tokens(4), 4, 4))
    named = dict(model.named_parameters())
    gradients = torch.autograd.grad(
        predicted.square().sum(), list(named.values()), allow_unused=True
    )
    idle = {n for n, gradient in zip(named, gradients, strict=True) if gradient is None}
    assert idle == {"embed_target.embed.weight"}


@pytest.mark.parametrize("name", TRANSDUCER)
def test_a_target_of_one_step_is_embedded_by_nothing(build, name):
    model = build(name, alignment=Alignment.POOLED, target_steps=1)
    of_targets = {n for n, _ in model.named_parameters() if n.startswith("embed_target")}
    assert of_targets == {"embed_target.first"}
    source = drawn(Tokens(5), 4, 6)
    with torch.no_grad():  # as answers are written
        assert torch.equal(model(source, MASK, None), model(source, MASK, drawn(Tokens(4), 4, 1)))
