"""Cells on a Ray cluster of several nodes: the same numbers, whatever is killed meanwhile."""

import os
import signal
import sys
from pathlib import Path

import pandas as pd
import pytest

from bench import registry
from bench.run.executors.inline import Inline
from bench.run.runner import Order, Watcher, run
from bench.run.suite import Selection, load, selected
from bench.tracking import Tracking

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]

FAULTS = Path(__file__).parents[2] / "faults"
PLUGIN = FAULTS / "odd.py"
TIMED = [
    *("wall_seconds", "train_tokens_per_second", "inference_tokens_per_second"),
    "decode_ms_per_token",
]


@pytest.fixture(scope="module")
def cluster():
    """A head without room for work, and two nodes with a core each."""
    pytest.importorskip("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    root = str(Path(__file__).parents[3])
    os.environ["PYTHONPATH"] = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


def order(path, out, executor, *names):
    suite = selected(load(str(path)), Selection(names, ("recall",), (4,)))
    return Order(suite, out, executor, Tracking("disabled"), plugins=(PLUGIN,))


def trials(out):
    return pd.read_csv(out / "trials.csv", dtype=str).drop(columns=TIMED)


@pytest.fixture
def odd():
    registry.discover([PLUGIN])
    yield
    for name in [name for name in sys.modules if name.startswith("lagbench_plugin_")]:
        del sys.modules[name]


class Starter(Watcher):
    """Does something as soon as a cell is begun."""

    def __init__(self, act):
        self.act = act

    def finished(self, done):
        act, self.act = self.act, lambda: None
        act()


def test_two_nodes_and_a_killed_worker_give_the_numbers_of_one_machine(
    cluster, odd, tiny, tmp_path
):
    from bench.run.executors.ray import Cluster as Ray

    names = ("gru", "bag_of_words", f"odd:how=kills_once,at={tmp_path}")
    run(order(tiny, tmp_path / "ray", Ray(cluster.address), *names), Watcher())
    assert (tmp_path / "killed").exists()
    run(order(tiny, tmp_path / "here", Inline(), *names), Watcher())
    pd.testing.assert_frame_equal(trials(tmp_path / "ray"), trials(tmp_path / "here"))


def test_a_killed_node_costs_nothing(cluster, odd, tiny, tmp_path):
    """The node that waits at a gate goes; its cell begins again on another."""
    from bench.run.executors.ray import Cluster as Ray

    waits = f"odd:how=waits,at={tmp_path}"

    def lose_the_node():
        process = int((tmp_path / "begun").read_text())
        (tmp_path / "open").touch()
        parent = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        (node,) = [
            node for node in cluster.list_all_nodes()
            if any(info.process.pid == parent
                   for infos in node.all_processes.values() for info in infos)
        ]  # fmt: skip
        cluster.remove_node(node, allow_graceful=False)
        cluster.add_node(num_cpus=1)

    watcher = Waiting(lose_the_node, tmp_path / "begun")
    run(order(tiny, tmp_path / "ray", Ray(cluster.address), "gru", waits), watcher)
    run(order(tiny, tmp_path / "here", Inline(), "gru", waits), Watcher())
    pd.testing.assert_frame_equal(trials(tmp_path / "ray"), trials(tmp_path / "here"))


class Waiting(Watcher):
    """Does something when the one cell is done and the other has begun."""

    def __init__(self, act, begun):
        self.act, self.begun = act, begun

    def finished(self, done):
        if done.cell.architecture.preset == "gru":
            wait(lambda: self.begun.is_file() and self.begun.read_text())
            self.act()


def test_a_killed_driver_goes_on_where_it_was(cluster, tiny, tmp_path):
    words = (
        "run", tiny, "--executor", "ray", "--address", cluster.address, "--out", "out",
        "--wandb", "disabled", "--plugin", PLUGIN, "--task", "recall", "--length", 4,
        "--architecture", "gru", "--architecture", f"odd:how=waits,at={tmp_path}",
    )  # fmt: skip
    first = Command(*words, folder=tmp_path)
    first.until(lambda: (tmp_path / "begun").exists() and len(results(tmp_path)) == 4)
    kept = results(tmp_path)
    first.signal(signal.SIGKILL)
    first.end()
    (tmp_path / "open").touch()
    status, _, errors = Command(*words, folder=tmp_path).end()
    assert status == 0, errors
    assert len(results(tmp_path)) == 8
    assert {path: results(tmp_path)[path] for path in kept} == kept


def results(folder):
    return {path: path.read_bytes() for path in folder.glob("out/trials/*/result.json")}
