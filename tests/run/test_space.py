"""What a search may vary: how it is typed, what is refused, what a number is written as."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagbench import registry
from lagbench.contract import UserError
from lagbench.run.cell import make_job
from lagbench.run.space import Range, Values, configured, settings, space
from lagbench.spec.suite import Selection, cells, load, selected


@pytest.fixture
def suite(tiny):
    return selected(load(str(tiny)), Selection(tasks=("recall",), lengths=(4,)))


def test_fields_and_settings_are_lists_or_ranges(suite):
    axes = space(
        suite,
        "gru",
        ["layers=1..12", "recipe.weight_decay=0,0.01", "recipe.clip=0.5..4", "recipe.warmup=0..99",
         "recipe.schedule=linear,cosine"],
    ).axes  # fmt: skip
    assert axes == {
        "layers": Range(1, 12, integer=True),
        "recipe.weight_decay": Values(("0", "0.01")),
        "recipe.clip": Range(0.5, 4, integer=False),
        "recipe.warmup": Range(0, 99, integer=True),
        "recipe.schedule": Values(("linear", "cosine")),
    }
    logarithmic = [name for name, axis in axes.items() if isinstance(axis, Range) and axis.log]
    assert logarithmic == ["layers"]


def test_a_configuration_is_what_the_same_options_of_a_run_give(tiny, suite):
    configuration = {"r_min": "0.5", "recipe.weight_decay": "0.01", "budget.parameters": "3000"}
    changes = settings(configuration)
    assert changes == ["recipe.weight_decay=0.01", "budget.parameters=3000"]
    asked = Selection(("lru:state=8,r_min=0.5",), ("recall",), (4,))
    base = space(suite, "lru:state=8", ["r_min=0.5,0.6"]).suite
    found = cells(configured(base, configuration))
    assert found == cells(selected(load(str(tiny), changes), asked))
    assert [cell.key for cell in found] != [cell.key for cell in cells(base)]
    assert make_job(found[0]).recipe.weight_decay == 0.01


def test_a_grid_has_every_configuration_once_if_they_are_few_enough(suite):
    varied = space(suite, "gru", ["layers=2..4", "recipe.weight_decay=0,0.1"])
    grid = varied.grid(6)
    assert [varied.typed(one) for one in grid] == [
        {"layers": layers, "recipe.weight_decay": decay}
        for layers in ("2", "3", "4")
        for decay in ("0", "0.1")
    ]
    assert varied.grid(5) is None
    assert space(suite, "gru", ["recipe.clip=1..2"]).grid(10**9) is None


def test_a_value_may_need_another_that_is_varied_too(suite):
    """Of an LRU, `least` must be below `greatest`: 0.85 is not above the usual 0.9."""
    assert registry.architecture("lru").value.r_min == 0.9
    assert space(suite, "lru", ["r_max=0.85,0.99", "r_min=0.5..0.8"]).axes["r_min"].high == 0.8
    with pytest.raises(UserError, match="must lie in order"):
        space(suite, "lru", ["r_max=0.85,0.99"])
    with pytest.raises(UserError, match="must lie in order"):
        space(suite, "lru", ["r_max=0.85,0.99", "r_min=0.95,0.97"])


@given(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)).map(sorted), st.floats(0, 1))
def test_a_fraction_is_typed_briefly_and_stays_in_its_range(ends, share):
    low, high = ends
    number = min(max(low + share * (high - low), low), high)
    typed = float(Range(low, high, integer=False).text(number))
    assert low <= typed <= high
    assert abs(typed - number) <= 0.005 * abs(number)


@pytest.mark.parametrize(
    ("varied", "said"),
    [
        (["layer=1,2"], "A search cannot vary 'layer'; did you mean 'layers'?"),
        (["weight_decay=0,1"], "did you mean 'recipe.weight_decay'?"),
        (["recipe.weigth_decay=0,1"], "did you mean 'recipe.weight_decay'?"),
        (["seeds=1,2"], "cannot vary 'seeds'"),
        (["recipe.test_examples=1,2"], "cannot vary 'recipe.test_examples'"),
        (["recipe.evaluate_every=1,2"], "cannot vary 'recipe.evaluate_every'"),
        (["layers=1,two"], "layers: Input should be a valid integer"),
        (["layers=1,0"], "layers must be at least 1"),
        (["layers=1..2.5"], "layers: Input should be a valid integer"),
        (["recipe.schedule=linear,cosin"], "recipe.schedule: Input should be 'constant'"),
        (["recipe.schedule=linear..cosine"], "a range is of numbers"),
        (["budget.width=8,16"], "a budget is one of"),
        (["layers=3..1"], "In layers=3..1, the first number must be less than the second"),
        (["recipe.clip=1..inf"], "the first number must be less than the second"),
        (["recipe.clip=1..nan"], "recipe.clip: Input should be greater than 0"),
        (["recipe.weight_decay=0,0.1,0.0"], "0.0 stands twice"),
        (["layers=1,2", "layers=3,4"], "'layers' is varied twice"),
        (["layers"], "'layers' is neither name=value,value nor name=low..high"),
        (["layers="], "is neither"),
        (["=1,2"], "is neither"),
    ],
)
def test_what_cannot_be_varied_is_one_sentence(suite, varied, said):
    with pytest.raises(UserError) as caught:
        space(suite, "gru", varied)
    assert said in str(caught.value)


def test_what_a_task_has_of_its_own_cannot_be_varied_for_it(tiny):
    tiny.write_text(tiny.read_text() + "recipe.steps = 9\n")
    suite = load(str(tiny))
    with pytest.raises(UserError, match=r"has a recipe\.steps of its own for the task 'copy'"):
        space(suite, "gru", ["recipe.steps=8,16"])
    others = selected(suite, Selection(tasks=("recall",)))
    assert space(others, "gru", ["recipe.steps=8,16"]).axes
