"""`lagbench search`: Optuna over an architecture's fields and its suite's settings."""

import shlex
import sys
from contextlib import nullcontext, redirect_stdout
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lagbench import registry
from lagbench.cli.app import (
    AsJson,
    Changes,
    Device,
    Lengths,
    Plugins,
    RetryFailed,
    SuiteName,
    app,
    options,
    print_json,
    print_rows,
    say,
    warn,
)
from lagbench.cli.run import CORES, Executed, ExecutorKind, Workers, executor_of
from lagbench.cli.signals import kept_when_interrupted
from lagbench.contract import UserError

if TYPE_CHECKING:
    from lagbench.run.search import Tried
    from lagbench.run.space import Configuration
    from lagbench.spec.suite import Suite


@app.command()
def search(
    suite: SuiteName,
    architecture: Annotated[str, typer.Option(help="Whose configurations are tried.")],
    vary: Annotated[
        list[str],
        typer.Option(help="layers=1,2,3 or recipe.weight_decay=0.001..0.1; may be given again."),
    ],
    task: Annotated[list[str], typer.Option(help="These instead; may be given again.")] = [],
    length: Lengths = [],
    trials: Annotated[int, typer.Option(min=1, help="How many configurations at most.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Of what Optuna chooses.")] = 0,
    changes: Changes = [],
    out: Annotated[Path | None, typer.Option(help="Folder; results/SUITE-search.")] = None,
    executor: Executed = ExecutorKind.LOCAL,
    workers: Workers = CORES,
    retry_failed: RetryFailed = False,
    device: Device = "cpu",
    plugin: Plugins = [],
    as_json: AsJson = False,
) -> None:
    """Search an architecture's fields and a suite's settings by their scores on validation.

    Example: lagbench search quick --architecture gru --task recall --vary layers=1,2 --trials 8
    """
    from lagbench.device import validate_device
    from lagbench.run.config import RunConfig
    from lagbench.run.space import space
    from lagbench.spec.suite import Selection, load, selected
    from lagbench.tracking import Tracking

    try:
        from lagbench.run import search as engine
    except ModuleNotFoundError as error:
        raise UserError("A search needs Optuna: pip install 'lagbench[optuna]'.") from error
    with redirect_stdout(sys.stderr) if as_json else nullcontext(), kept_when_interrupted():
        registry.discover(plugin)
        chosen = selected(load(suite, changes), Selection((), tuple(task), tuple(length)))
        varied = space(chosen, architecture, vary)
        config = RunConfig(
            suite=varied.suite,
            out=out or Path("results") / f"{chosen.name}-search",
            executor=executor_of(executor, workers),
            tracking=Tracking("disabled"),
            plugins=tuple(plugin),
            device=validate_device(device),
            command=("lagbench", *sys.argv[1:]),
            retry_failed=retry_failed,
        )
        ranked = engine.ranked(engine.search(config, varied, trials, seed, _say_result, warn))
    same = [*options("--task", task), *options("--length", length)]
    same += [*options("--plugin", plugin), *options("--set", changes)]
    same += [] if device == "cpu" else ["--device", device]
    best = None
    if ranked[0].validation_score is not None:
        words = _rerun_options(varied.suite, ranked[0].configuration, config.out / "best")
        best = shlex.join(["lagbench", "run", suite, *same, *words])
    _print(ranked, best, config.out, as_json)
    if best is None:
        say("No configuration has a score.")
        sys.exit(1)


def _say_result(tried: "Tried", total: int) -> None:
    """Say how a configuration did, beside what is printed in the end."""
    typed = ", ".join(f"{name}={text}" for name, text in tried.configuration.items())
    came = f"{tried.status}: {tried.reason}"
    if tried.validation_score is not None:
        came = f"{tried.validation_score:.3f}"
    say(f"{tried.number} of {total}: {typed}: {came}")


def _rerun_options(suite: "Suite", configuration: "Configuration", out: Path) -> list[str]:
    """The options of a run of a configuration with seeds that did not choose it."""
    from lagbench.run.space import configured, settings

    seen = {*suite.seeds, *suite.tuning_seeds}
    seeds = list(islice((seed for seed in count() if seed not in seen), len(suite.seeds)))
    (architecture,) = configured(suite, configuration).architectures
    changes = [*settings(configuration), f"seeds={seeds}"]
    return ["--architecture", architecture, *options("--set", changes), "--out", str(out)]


def _print(ranked: "list[Tried]", best: str | None, out: Path, as_json: bool) -> None:
    """Print all configurations, and the command for the best."""
    rows = [tried.row for tried in ranked]
    if as_json:
        print_json({"out": str(out), "configurations": rows, "best": best})
        return
    print_rows(rows)
    typer.echo(f"In {out}: search.csv")
    if best is not None:
        alike = sum(row["validation_score"] == rows[0]["validation_score"] for row in rows)
        first = "" if alike == 1 else f", the first of {alike} alike"
        typer.echo(f"The best on validation{first}, with seeds that had no say in it:\n{best}")
