"""Suites: what they span, how commands change them, and what is said of broken ones."""

import pytest

from bench.contract import InputError
from bench.run.suite import Selection, built_in, cells, load, selected


def test_built_in_suites_hold_together():
    assert "quick" in built_in()
    for name in built_in():
        assert cells(load(name))


def test_a_suite_spans_architectures_tasks_and_lengths(tiny):
    suite = load(str(tiny))
    assert [cell.place for cell in cells(suite)] == [
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
    with pytest.raises(InputError, match=r"architectures\.0"):
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
    with pytest.raises(InputError, match=said) as caught:
        cells(load(str(tiny)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", ["steps", "=3", "recipe.steps.more=3", "recipe.step=3"])
def test_a_broken_change_is_one_sentence(tiny, change):
    with pytest.raises(InputError):
        load(str(tiny), [change])


def test_an_unknown_suite_is_named(tmp_path):
    with pytest.raises(InputError, match="did you mean 'quick'"):
        load("quik")
    with pytest.raises(InputError, match="no suite"):
        load(str(tmp_path))
