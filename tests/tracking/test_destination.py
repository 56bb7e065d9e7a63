"""Who decides where runs go: the command, then the environment, then the suite."""

import pytest

from lagbench.contract import UserError
from lagbench.spec.destination import Destination
from lagbench.spec.suite import cells, load
from lagbench.tracking.destination import CliWandbOptions, Tracking, destination

SUITE = Destination(project="of-suite", entity="suite-team")
ENVIRONMENT = {"WANDB_MODE": "disabled", "WANDB_PROJECT": "of-env", "WANDB_ENTITY": "env-team"}
COMMAND = CliWandbOptions("online", "of-command", "command-team")


@pytest.mark.parametrize(
    ("wish", "environment", "suite", "expected"),
    [
        (CliWandbOptions(), {}, Destination(), ("offline", "lagbench", None)),
        (CliWandbOptions(), {}, SUITE, ("offline", "of-suite", "suite-team")),
        (CliWandbOptions(), ENVIRONMENT, SUITE, ("disabled", "of-env", "env-team")),
        (COMMAND, ENVIRONMENT, SUITE, ("online", "of-command", "command-team")),
        (CliWandbOptions(project="mine"), {"WANDB_ENTITY": "we"}, SUITE, ("offline", "mine", "we")),
        (CliWandbOptions(), {"WANDB_MODE": "", "WANDB_PROJECT": ""}, SUITE, ("offline", "of-suite",
                                                                  "suite-team")),
    ],
)  # fmt: skip
def test_precedence(wish, environment, suite, expected, tmp_path):
    found = destination(wish, suite, tmp_path, environment)
    assert found == Tracking(expected[0], tmp_path, *expected[1:])


def test_a_login_alone_sends_nothing():
    assert (
        destination(CliWandbOptions(), Destination(), environment={"WANDB_API_KEY": "k"}).mode
        == "offline"
    )


@pytest.mark.parametrize(
    ("wish", "environment", "message"),
    [
        (
            CliWandbOptions(),
            {"WANDB_MODE": "onlin"},
            "W&B has no mode 'onlin' here; did you mean 'online'",
        ),
        (CliWandbOptions(project="a/b"), {}, "'a/b' is no W&B project"),
        (CliWandbOptions(), {"WANDB_ENTITY": "x" * 129}, "is no W&B entity"),
    ],
)
def test_mistakes_are_sentences(wish, environment, message):
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        destination(wish, Destination(), environment=environment)


def test_the_table_of_a_suite_enters_no_key(tiny):
    plain = cells(load(str(tiny)))
    tiny.write_text('wandb = {project = "p", entity = "e"}\n' + tiny.read_text())
    suite = load(str(tiny))
    assert suite.wandb == Destination(project="p", entity="e")
    assert [cell.key for cell in cells(suite)] == [cell.key for cell in plain]


def test_an_unknown_key_of_the_table_is_a_sentence(tiny):
    tiny.write_text('wandb = {projet = "p"}\n' + tiny.read_text())
    with pytest.raises(UserError, match=r"no 'wandb.projet'; did you mean 'project'\?"):
        load(str(tiny))
