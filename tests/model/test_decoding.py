"""Decoding against brute force over all answers, and against the model's own teacher forcing."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from scipy.stats import chisquare

from lagbench.contract import Reals, Tokens, UserError
from lagbench.model.assembly import gather_beams
from lagbench.model.decoding import Beam, closed, decode, drawn
from lagbench.spec.decoding import Decoding

WRITERS = ("min_gru", "transformer_causal", "seq2seq_dot", "transformer_seq2seq")
SPACES = (Tokens(3), Tokens(3, end=1))
METHODS = (
    Decoding(),
    Decoding(method="sample", temperature=1.5, top_k=2),
    Decoding(method="sample", top_p=0.9),
    Decoding(method="beam", beams=3, length_penalty=0.6),
)
SOURCE = torch.randint(5, (4, 6), generator=torch.Generator().manual_seed(0))
LENGTHS = torch.tensor([4, 6, 1, 3])
MASK = torch.arange(6) < LENGTHS[:, None]

each_writer = pytest.mark.parametrize("name", WRITERS)
each_space = pytest.mark.parametrize("space", SPACES, ids=["endless", "ending"])
each_method = pytest.mark.parametrize("decoding", METHODS, ids=str)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def forced_log_probability(model, source, mask, symbols):
    """What the model gives to answers `(B, U)`, up to their first `end`, teacher forced."""
    with torch.no_grad():
        following = model(source, mask, symbols).log_softmax(-1)
    end = model.signature.target.end
    total = []
    for one, answer in zip(following, symbols.tolist(), strict=True):
        length = answer.index(end) + 1 if end in answer else len(answer)
        total.append(sum(one[u, answer[u]] for u in range(length)))
    return torch.stack(total)


def every_answer(space, steps):
    """All closed answers, each once: `(N, steps)`, and how long they are."""
    answers = torch.tensor(list(itertools.product(range(space.size), repeat=steps)))
    answers = closed(answers, space).unique(dim=0)
    lengths = torch.full((len(answers),), steps)
    if space.end is not None:
        lengths = ((answers != space.end).sum(1) + 1).clamp(max=steps)
    return answers, lengths


def of_every_answer(model, source, mask, answers):
    """Log-probabilities `(B, N)`."""
    columns = [
        forced_log_probability(model, source, mask, answer.expand(len(source), -1))
        for answer in answers
    ]
    return torch.stack(columns, dim=1)


@each_writer
@each_space
def test_all_answers_together_are_certain(build, name, space):
    """So brute force, below, knows of every answer exactly once."""
    model = build(name, target=space, target_steps=3)
    answers, _ = every_answer(space, 3)
    total = of_every_answer(model, SOURCE, MASK, answers).exp().sum(1)
    torch.testing.assert_close(total, torch.ones_like(total))


@each_writer
@each_space
@pytest.mark.parametrize("penalty", [0.0, 0.6, 3.0])
@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "padded"])
def test_a_beam_as_wide_as_the_space_is_brute_force(build, name, space, penalty, mask):
    model = build(name, target=space, target_steps=3)
    answers, lengths = every_answer(space, 3)
    log_probability = of_every_answer(model, SOURCE, mask, answers)
    best = (log_probability / ((5 + lengths) / 6) ** penalty).argmax(1)
    decoding = Decoding(method="beam", beams=len(answers), length_penalty=penalty)
    found = decode(model, SOURCE, mask, decoding, seeded())
    assert found.symbols.tolist() == answers[best].tolist()
    torch.testing.assert_close(
        found.log_probability, log_probability.gather(1, best[:, None])[:, 0]
    )


def test_the_length_penalty_changes_answers(build):
    """Or the penalties above would be the same test thrice."""
    model = build("seq2seq_dot", target=Tokens(3, end=1))
    source = torch.randint(5, (64, 6), generator=seeded())

    def mean_length(penalty):
        decoding = Decoding(method="beam", beams=8, length_penalty=penalty)
        symbols = decode(model, source, None, decoding, seeded()).symbols
        return (symbols != 1).sum(1).double().mean()

    assert mean_length(0.0) < mean_length(0.6) < mean_length(3.0)


@each_writer
@each_space
@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "padded"])
def test_a_beam_of_one_is_greedy(build, name, space, mask):
    model = build(name, target=space)
    greedy = decode(model, SOURCE, mask, Decoding(), seeded())
    beam = decode(model, SOURCE, mask, Decoding(method="beam", beams=1), seeded())
    assert torch.equal(beam.symbols, greedy.symbols)
    torch.testing.assert_close(beam.log_probability, greedy.log_probability)


@each_writer
@each_space
def test_a_beam_finds_likelier_answers_than_greedy(build, name, space):
    model = build(name, target=replace(space, size=6), target_steps=6)
    source = torch.randint(5, (64, 6), generator=seeded())
    means = [
        decode(model, source, None, decoding, seeded()).log_probability.mean()
        for decoding in (
            Decoding(),
            Decoding(method="beam", beams=3),
            Decoding(method="beam", beams=30),
        )
    ]
    assert means[0] < means[1] <= means[2]


@each_writer
@each_space
@each_method
def test_the_log_probability_is_that_of_teacher_forcing(build, name, space, decoding):
    model = build(name, target=space)
    found = decode(model, SOURCE, MASK, decoding, seeded())
    assert torch.equal(closed(found.symbols, space), found.symbols)
    expected = forced_log_probability(model, SOURCE, MASK, found.symbols)
    torch.testing.assert_close(found.log_probability, expected)


@each_writer
@each_space
@each_method
def test_a_padded_source_is_answered_as_it_is_alone(build, name, space, decoding):
    model = build(name, target=space)
    for row, length in enumerate(LENGTHS.tolist()):
        order = torch.arange(len(SOURCE)).roll(-row)  # each first in turn, to have the same draws
        together = decode(model, SOURCE[order], MASK[order], decoding, seeded())
        alone = decode(model, SOURCE[row : row + 1, :length], None, decoding, seeded())
        assert together.symbols[0].tolist() == alone.symbols[0].tolist()
        torch.testing.assert_close(together.log_probability[0], alone.log_probability[0])


def test_greedy_is_the_likeliest_symbol_given_those_before(build):
    model = build("min_gru")
    found = decode(model, SOURCE, MASK, Decoding(), seeded()).symbols
    with torch.no_grad():
        assert torch.equal(model(SOURCE, MASK, found).argmax(-1), found)


@each_writer
def test_sampled_answers_are_as_frequent_as_they_are_likely(build, name):
    model = build(name, target=Tokens(3, end=1), target_steps=3)
    count = 5000
    source, mask = SOURCE[:1].expand(count, -1), MASK[:1].expand(count, -1)
    found = decode(model, source, mask, Decoding(method="sample"), seeded()).symbols
    answers, _ = every_answer(Tokens(3, end=1), 3)
    expected = of_every_answer(model, SOURCE[:1], MASK[:1], answers).exp()[0] * count
    counts = (found[:, None] == answers).all(2).sum(0)
    assert counts.sum() == count
    often = expected >= 5
    assert chisquare(counts[often], expected[often], sum_check=False).pvalue > 1e-3


def frequencies(logits, decoding, count=10_000):
    """How often symbols are drawn at evenly spread noise: exact to `1 / count`."""
    noise = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    symbols = drawn(logits.expand(count, -1), noise, decoding)
    return torch.bincount(symbols, minlength=len(logits)).double() / count


LOGITS = torch.tensor([0.0, 2.0, -1.0, 1.0, 0.5], dtype=torch.float64)
BY_RANK = (1, 3, 4, 0, 2)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_temperature_divides_logits(temperature):
    found = frequencies(LOGITS, Decoding(method="sample", temperature=temperature))
    expected = (LOGITS / temperature).softmax(0)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-4)


def renormalised(logits, kept):
    expected = torch.zeros_like(logits)
    expected[list(kept)] = logits[list(kept)].softmax(0)
    return expected


@pytest.mark.parametrize("top_k", [1, 2, 4, 5, 99])
def test_top_k_leaves_the_likeliest(top_k):
    found = frequencies(LOGITS, Decoding(method="sample", top_k=top_k))
    expected = renormalised(LOGITS, BY_RANK[:top_k])
    assert torch.equal(found > 0, expected > 0)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("top_p", [1e-9, 0.3, 0.57, 0.6, 0.9, 1.0])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_top_p_leaves_the_fewest_that_hold_it(top_p, temperature):
    logits = LOGITS / temperature
    held, kept = 0.0, []
    for symbol in BY_RANK:
        if held < top_p:
            kept.append(symbol)
            held += logits.softmax(0)[symbol].item()
    decoding = Decoding(method="sample", top_p=top_p, temperature=temperature)
    found = frequencies(LOGITS, decoding)
    expected = renormalised(logits, kept)
    assert torch.equal(found > 0, expected > 0)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-4)


def test_both_limits_hold():
    found = frequencies(LOGITS, Decoding(method="sample", top_k=3, top_p=0.6))
    assert found.nonzero()[:, 0].tolist() == [1, 3]
    found = frequencies(LOGITS, Decoding(method="sample", top_k=1, top_p=0.9))
    assert found.nonzero()[:, 0].tolist() == [1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_ends_of_the_noise_stay_in_the_set(dtype):
    logits = torch.randn(1000, 50, generator=seeded(), dtype=dtype)
    decoding = Decoding(method="sample", top_k=7)
    likeliest = logits.topk(7).indices
    last = torch.full((1000,), math.nextafter(1, 0), dtype=torch.float64)
    assert torch.equal(drawn(logits, last, decoding), likeliest[:, -1])
    assert torch.equal(drawn(logits, torch.zeros_like(last), decoding), likeliest[:, 0])


def test_noise_on_a_border_draws_what_begins_there():
    symbols = drawn(torch.zeros(3, 2), torch.tensor([0.0, 0.4999, 0.5]).double(), Decoding())
    assert symbols[0] == symbols[1] != symbols[2]


def test_a_cold_sample_is_greedy(build):
    model = build("min_gru")
    cold = decode(model, SOURCE, MASK, Decoding(method="sample", temperature=1e-300), seeded())
    greedy = decode(model, SOURCE, MASK, Decoding(), seeded())
    assert torch.equal(cold.symbols, greedy.symbols)


def test_a_seed_decides_a_sample(build):
    model = build("min_gru", target_steps=8)
    sample = Decoding(method="sample", temperature=3)
    first, again, other = (
        decode(model, SOURCE, None, sample, seeded(seed)).symbols for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_how_a_split_is_cut_changes_no_draw(build):
    model = build("min_gru", target_steps=7)
    sample = Decoding(method="sample", temperature=3)
    source = torch.randint(5, (23, 6), generator=seeded())
    whole = decode(model, source, None, sample, seeded()).symbols
    draws = seeded()
    parts = [decode(model, part, None, sample, draws).symbols for part in source.split([5, 17, 1])]
    assert torch.equal(torch.cat(parts), whole)


def searched(decoding, steps, space):
    """What a beam finds in one example, given the distribution after every prefix."""
    beam = Beam(1, 3, decoding, space, torch.device("cpu"))
    written = [()] * decoding.beams
    for step in range(3):
        logits = torch.tensor([[steps(prefix)] for prefix in written]).log()
        symbols, rows = beam.choose(logits, torch.full((decoding.beams, 1), step))
        pairs = zip(symbols[:, 0].tolist(), rows.tolist(), strict=True)
        written = [(*written[row], symbol) for symbol, row in pairs]
    found = beam.best(torch.arange(3)[None])
    return found.symbols[0].tolist(), found.log_probability[0].exp().item()


def test_a_finished_beam_keeps_its_place():
    """`0 0` and `0 1` are both likelier than the finished `2`, but nothing that follows them is."""

    def steps(prefix):
        if not prefix:
            return [0.7, 0.1, 0.2]
        return [0.5, 0.5, 1e-9] if len(prefix) == 1 else [0.34, 0.33, 0.33]

    symbols, probability = searched(Decoding(method="beam", beams=2), steps, Tokens(3, end=2))
    assert symbols == [2, 2, 2]
    assert probability == pytest.approx(0.2)


@pytest.mark.parametrize("beams", [3, 4, 5, 6])
@pytest.mark.parametrize("end", [0, 1])
def test_a_place_that_no_answer_holds_yet_is_free(beams, end):
    """One step gives `end` and `x`; beside `end`, both `x end` and `x x` then find a place."""

    def steps(prefix):
        ending = (0.1, 0.4, 0.5)[len(prefix)]
        return [ending, 1 - ending] if end == 0 else [1 - ending, ending]

    decoding = Decoding(method="beam", beams=beams)
    symbols, probability = searched(decoding, steps, Tokens(2, end=end))
    assert symbols == [1 - end, end, end]
    assert probability == pytest.approx(0.9 * 0.4)


@pytest.mark.parametrize(("penalty", "expected"), [(0.0, [2, 2, 2]), (2.0, [0, 0, 0])])
def test_the_length_penalty_is_that_of_wu_et_al(penalty, expected):
    """`2` has 0.4 and `0 0 0` has 0.35 · 0.9²: log 0.4 < log 0.2835 / (8/6)²."""

    def steps(prefix):
        return [0.9, 0.05, 0.05] if prefix else [0.35, 0.25, 0.4]

    decoding = Decoding(method="beam", beams=2, length_penalty=penalty)
    symbols, probability = searched(decoding, steps, Tokens(3, end=2))
    assert symbols == expected
    assert probability == pytest.approx(0.4 if penalty == 0 else 0.35 * 0.9**2)


def test_end_counts_in_the_length():
    """`0 2`: log 0.35 / (7/6)^3.34 > log 0.54, and not so where only its one symbol counts."""

    def steps(prefix):
        return [0.0, 1e-9, 1.0] if prefix else [0.35, 0.11, 0.54]

    best = [
        searched(Decoding(method="beam", beams=3, length_penalty=p), steps, Tokens(3, end=2))[0]
        for p in (3.3, 3.6)
    ]
    assert best == [[2, 2, 2], [0, 2, 2]]


def test_closed():
    symbols = torch.tensor([[3, 1, 0, 1], [1, 2, 2, 2], [0, 2, 3, 0]])
    assert closed(symbols, Tokens(4)) is symbols
    assert closed(symbols, Tokens(4, end=1)).tolist() == [[3, 1, 1, 1], [1, 1, 1, 1], [0, 2, 3, 0]]
    batched = closed(symbols.expand(2, 3, 4), Tokens(4, end=1))
    assert torch.equal(batched[1], closed(symbols, Tokens(4, end=1)))


def test_rearranged_reaches_every_tensor_of_a_state():
    a, b = torch.randn(3, 2), torch.randn(3, 1, 4)
    rows = torch.tensor([2, 0, 0, 1])
    moved = gather_beams((a, ((b,), ())), rows)
    assert torch.equal(moved[0], a[rows])
    assert torch.equal(moved[1][0][0], b[rows])
    assert moved[1][1] == ()
    assert gather_beams((a, b), rows, fixed=[b])[1] is b


@each_method
def test_a_model_that_is_not_finite_still_answers(build, decoding):
    """A replica that went astray must not take its neighbours' scores with it."""
    model = build("min_gru", target=Tokens(4, end=1))
    with torch.no_grad():
        model.head.bias[0] = torch.nan
    found = decode(model, SOURCE, MASK, decoding, seeded())
    assert found.symbols.shape == (4, 4)
    assert found.log_probability.isnan().all()


def test_values_are_not_decoded(build):
    model = build("min_gru", source=Reals(2), target=Reals(2))
    with pytest.raises(UserError, match="values are fed back"):
        decode(model, torch.randn(1, 6, 2).double(), None, Decoding(), seeded())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"beams": 2}, "beams belongs to the method beam, not to greedy"),
        ({"method": "beam", "temperature": 2}, "temperature belongs to the method sample"),
        ({"method": "sample", "length_penalty": 1}, "length_penalty belongs to the method beam"),
        ({"method": "sample", "temperature": 0}, "greater than 0"),
        ({"method": "sample", "temperature": math.inf}, "finite"),
        ({"method": "sample", "top_p": 1.5}, "less than or equal to 1"),
        ({"method": "sample", "top_k": 0}, "greater than or equal to 1"),
        ({"method": "beam", "beams": 0}, "greater than or equal to 1"),
        ({"method": "beam", "length_penalty": -1}, "greater than or equal to 0"),
        ({"method": "search"}, "'greedy', 'sample' or 'beam'"),
        ({"width": 3}, "not permitted"),
    ],
    ids=str,
)
def test_what_a_decoding_refuses(fields, reason):
    with pytest.raises(ValidationError, match=reason):
        Decoding(**fields)


@each_method
def test_a_decoding_survives_being_written_down(decoding):
    assert Decoding.model_validate(decoding.model_dump(mode="json")) == decoding
