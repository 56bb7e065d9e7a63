"""Suites: what they span, how commands change them, and what is said of broken ones."""

import pytest

from lagbench import registry
from lagbench.contract import Alignment, UserError
from lagbench.run.cell import make_job
from lagbench.spec.pairing import Unsupported
from lagbench.spec.suite import Selection, built_in, cells, load, selected

PUBLISHED = ("zoology", "mad", "chomsky", "tcn")


@pytest.mark.parametrize("name", built_in())
def test_a_built_in_suite_refuses_nothing_by_mistake(name):
    jobs = {cell.cell_id: make_job(cell) for cell in cells(load(name))}
    refused = {place: job.reason for place, job in jobs.items() if isinstance(job, Unsupported)}
    assert not [reason for reason in refused.values() if "no width comes within" in reason]
    trains = jobs.keys() - refused.keys()
    assert {architecture for architecture, _, _ in trains} == set(named(name))
    for block in {place[1:] for place in jobs}:
        compared = [place for place in trains if place[1:] == block]
        assert len(compared) >= min(2, len(named(name))), "nothing to compare"


def named(name):
    return [registry.architecture(text).name for text in load(name).architectures]


@pytest.mark.parametrize("name", ["quick", "long", "modern", *PUBLISHED])
def test_a_suite_of_one_kind_of_task_refuses_nothing(name):
    assert not [
        cell.cell_id for cell in cells(load(name)) if isinstance(make_job(cell), Unsupported)
    ]


def test_the_classroom_has_a_task_of_every_kind():
    signatures = [cell.task.value.signature(cell.length) for cell in cells(load("classroom"))]
    kinds = {(one.alignment, one.steps == 1) for one in signatures}
    assert {alignment for alignment, _ in kinds} == set(Alignment)
    assert (Alignment.POOLED, True) in kinds, "one to one"
    assert (Alignment.POOLED, False) in kinds, "many to one"


@pytest.mark.parametrize(
    ("name", "say"),
    [
        ("long", lambda s: "Lengths of {}, {} and {}".format(*s.tasks[0].lengths)),
        ("zoology", lambda s: f"width {s.budget.width} "),
        ("zoology", lambda s: f"lengths to {s.tasks[-1].lengths[-1]} "),
        ("zoology", lambda s: f"{s.recipe.steps * s.recipe.batch_size:,} examples of 6.4 million"),
        ("mad", lambda s: f"width {s.budget.width} "),
        ("mad", lambda s: f"{s.recipe.steps} steps of {s.recipe.batch_size} examples"),
        ("chomsky", lambda s: f"lengths 1 to {s.tasks[0].lengths[0]},"),
        ("chomsky", lambda s: f"{s.recipe.steps:,} steps of {s.recipe.batch_size} examples"),
        ("chomsky", lambda s: f"width {s.budget.width} "),
        ("tcn", lambda s: f"{s.recipe.steps:,} steps of {s.recipe.batch_size} examples"),
        ("tcn", lambda s: f"delays to {s.tasks[1].lengths[-1]} "),
        ("tcn", lambda s: f"{s.budget.parameters:,} parameters"),
    ],
)
def test_a_description_says_what_the_suite_does(name, say):
    suite = load(name)
    assert say(suite) in suite.description
    assert name not in PUBLISHED or "scaled" in suite.description


def test_a_suite_spans_architectures_tasks_and_lengths(tiny):
    suite = load(str(tiny))
    assert [cell.cell_id for cell in cells(suite)] == [
        ("gru", "recall", 4), ("bilstm", "recall", 4), ("bag_of_words", "recall", 4),
        ("gru", "recall", 8), ("bilstm", "recall", 8), ("bag_of_words", "recall", 8),
        ("gru", "copy", 3), ("bilstm", "copy", 3), ("bag_of_words", "copy", 3),
    ]  # fmt: skip
    assert cells(suite)[0].pairs == [(0, 1e-3), (0, 1e-2), (1, 1e-3), (1, 1e-2)]


def test_a_recipe_may_be_changed_for_a_task_but_not_for_an_architecture(tiny):
    tiny.write_text(tiny.read_text() + "[tasks.recipe]\nsteps = 99\n")
    steps = {cell.task.name: cell.recipe.steps for cell in cells(load(str(tiny)))}
    assert steps == {"recall": 8, "copy": 99}
    tiny.write_text(tiny.read_text().replace('"gru", ', '{name = "gru"}, '))
    with pytest.raises(UserError, match=r"architectures\.0"):
        load(str(tiny))


def test_settings_are_changed_by_path(tiny):
    suite = load(str(tiny), ["recipe.steps=500", "budget.parameters=99", "description=new words"])
    assert (suite.recipe.steps, suite.budget.parameters) == (500, 99)
    assert suite.description == "new words"


def test_a_selection_replaces_what_the_suite_says(tiny):
    suite = load(str(tiny))
    chosen = selected(suite, Selection(("rnn",), ("copy", "adding"), (), 4))
    assert chosen.architectures == ("rnn",)
    assert [(axis.name, axis.lengths) for axis in chosen.tasks] == [
        ("copy", (3,)),
        ("adding", None),
    ]
    assert chosen.seeds == (0, 1, 2, 3)
    longer = selected(suite, Selection(lengths=(5, 6)))
    assert {axis.lengths for axis in longer.tasks} == {(5, 6)}
    assert longer.architectures == suite.architectures


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seeds = 2", "seedz = 2", "no 'seedz'; did you mean 'seeds'"),
        ("seeds = 2", "seeds = 0", "seeds"),
        ("seeds = 2", "seeds = [1, 1]", "stands twice"),
        ("steps = 8", "stps = 8", "no 'recipe.stps'; did you mean 'steps'"),
        ("steps = 8", "steps = 'many'", "recipe.steps"),
        ("steps = 8", "decoding.methd = 'beam'", "no 'recipe.decoding.methd'; did you mean 'meth"),
        ("steps = 8", "decoding.beams = 2", "beams belongs to the method beam, not to greedy"),
        ("lengths = [3]", "lengths = [3]\nrecipe.decoding.bims = 2", "did you mean 'beams'"),
        ("steps = 8", "steps = 0", "recipe.steps"),
        ("[1e-3, 1e-2]", "[]", "learning_rates"),
        ("[1e-3, 1e-2]", "[0.0]", "learning_rates.0"),
        ("[1e-3, 1e-2]", "[nan]", "learning_rates.0"),
        ("parameters = 2000", "parameters = 2000\nwidth = 3", "one of parameters, width"),
        ("parameters = 2000", "", "one of parameters, width"),
        ("parameters = 2000", "time = 2", "budget: time is no budget, .* equal_cost.csv"),
        ("lengths = [4, 8]", "lengths = []", "tasks.0.lengths"),
        ("lengths = [4, 8]", "lengths = [1]", "length of at least 2"),
        ('name = "recall"', 'name = "recal"', "did you mean 'recall'"),
        ('"gru"', '"gruu"', "did you mean 'gru'"),
        ('"bilstm"', '"gru:layers=1"', "twice"),
        ("[recipe]", "[recipe", "not TOML"),
    ],
)  # fmt: skip
def test_a_broken_suite_is_one_sentence(tiny, old, new, said):
    assert old in tiny.read_text()
    tiny.write_text(tiny.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=said) as caught:
        cells(load(str(tiny)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", ["steps", "=3", "recipe.steps.more=3", "recipe.step=3"])
def test_a_broken_change_is_one_sentence(tiny, change):
    with pytest.raises(UserError):
        load(str(tiny), [change])


def test_an_unknown_suite_is_named(tmp_path):
    with pytest.raises(UserError, match="did you mean 'quick'"):
        load("quik")
    with pytest.raises(UserError, match="no suite"):
        load(str(tmp_path))
