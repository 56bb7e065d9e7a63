"""Cells on a Ray cluster of several nodes: the same numbers, whatever is killed meanwhile."""

import signal

import pandas as pd
import psutil
import pytest

from lagbench.run.config import RunConfig
from lagbench.run.executors.local import Inline
from lagbench.run.runner import Watcher, run
from lagbench.spec.suite import Selection, load, selected
from lagbench.tracking import Tracking
from tests.faults.command import ROOT, Command, wait
from tests.faults.kills import decided

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Ray's own warnings


@pytest.fixture(scope="module")
def cluster():
    """A head that does no work, and two nodes with a core each."""
    pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", str(ROOT / "bench"))
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        yield cluster
        cluster.shutdown()


def run_on(cluster, suite, out, names, plugin, watcher=None):
    """Run cells on the cluster and in this process; returns the rows of both."""
    from lagbench.run.executors.ray import Cluster

    chosen = selected(load(str(suite)), Selection(names, ("recall",), (4,)))
    for name, executor in (("ray", Cluster(cluster.address)), ("here", Inline())):
        order = RunConfig(chosen, out / name, executor, Tracking("disabled"), plugins=(plugin,))
        run(order, watcher or Watcher())
        watcher = None
    return decided(out / "ray"), decided(out / "here")


def test_two_nodes_and_a_killed_worker_give_the_numbers_of_one_machine(
    cluster, odd, tiny, tmp_path
):
    names = ("gru", "bag_of_words", f"odd:how=kills_once,at={tmp_path}")
    there, here = run_on(cluster, tiny, tmp_path, names, odd)
    assert (tmp_path / "killed").exists()
    assert set(here.status) == {"ok"}
    pd.testing.assert_frame_equal(there, here)


class Losing(Watcher):
    """When one cell is done and the other waits, the node goes on which that waits."""

    def __init__(self, cluster, folder):
        self.cluster, self.folder = cluster, folder

    def finished(self, done):
        if done.cell.architecture.preset == "gru":
            begun = self.folder / "begun"
            wait(lambda: begun.is_file() and begun.read_text())
            above = {process.pid for process in psutil.Process(int(begun.read_text())).parents()}
            node = next(node for node in self.cluster.worker_nodes if above & processes(node))
            (self.folder / "open").touch()
            self.cluster.remove_node(node, allow_graceful=False)
            self.cluster.add_node(num_cpus=1)


def processes(node):
    return {one.process.pid for kind in node.all_processes.values() for one in kind}


def test_a_killed_node_costs_nothing(cluster, odd, tiny, tmp_path):
    names = ("gru", f"odd:how=waits,at={tmp_path}")
    nodes = set(cluster.worker_nodes)
    there, here = run_on(cluster, tiny, tmp_path, names, odd, Losing(cluster, tmp_path))
    assert len(nodes - set(cluster.worker_nodes)) == 1
    pd.testing.assert_frame_equal(there, here)


def test_a_killed_driver_goes_on_where_it_was(cluster, odd, tiny, tmp_path):
    words = (
        "run", tiny, "--executor", "ray", "--address", cluster.address, "--out", "out",
        "--wandb", "disabled", "--plugin", odd, "--task", "recall", "--length", 4,
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
