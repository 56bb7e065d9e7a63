"""`lagbench speed`: the cost of architectures, and its growth with length."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from lagbench import registry
from lagbench.cli.app import AsJson, Device, Plugins, app, plain, print_json, print_rows, say
from lagbench.cli.signals import Interrupted, interruptible
from lagbench.contract import UserError

if TYPE_CHECKING:
    import pandas as pd

    from lagbench.cost.scaling import Case
    from lagbench.record import Throughput

SHOWN = {  # in the table; the file has all
    "train_tokens_per_second": "train tok/s",
    "train_relative": "train ratio",
    "inference_tokens_per_second": "infer tok/s",
    "inference_relative": "infer ratio",
    "decode_ms_per_token": "decode ms/tok",
    "peak_memory_bytes": "peak bytes",
    "flops_per_token": "FLOPs/tok",
    "state_bytes": "state bytes",
    "undisturbed": "undisturbed",
}


@app.command()
def speed(
    architecture: Annotated[
        list[str], typer.Option(help="Only these; all by default; may be given again.")
    ] = [],
    length: Annotated[
        list[int], typer.Option(help="Only these; 16, 32 … 4096 by default; may be given again.")
    ] = [],
    task: Annotated[
        list[str],
        typer.Option(help="What is read; of several, the first that an architecture can run."),
    ] = [],
    width: Annotated[int, typer.Option(min=1, help="Of all models.")] = 64,
    batch: Annotated[int, typer.Option(min=1, help="Examples read at once.")] = 8,
    out: Annotated[Path, typer.Option(help="Folder of tables and pictures.")] = Path(
        "results/throughput"
    ),
    device: Device = "cpu",
    plugin: Plugins = [],
    as_json: AsJson = False,
) -> None:
    """Measure untrained models at growing lengths: speed, memory, operations, state, exponents.

    Ratios are to the reference, which is timed in turn. The machine should do nothing else: what is
    measured beside other work is marked, and is in no fit.

    Example: lagbench speed --architecture gru --architecture mamba --length 256 --length 1024
    """
    from lagbench.cost import scaling
    from lagbench.device import validate_device
    from lagbench.report.costs import exponent_table, throughput_table, write_costs
    from lagbench.spec.pairing import Unsupported

    registry.discover(plugin)
    named = [registry.architecture(name) for name in architecture or registry.architectures()]
    tasks = [registry.task(name) for name in task or scaling.TASKS]
    chosen = scaling.cases(named, tasks, length or scaling.LENGTHS, width, batch)
    reasons = [case.job.reason for case in chosen if isinstance(case.job, Unsupported)]
    if len(reasons) == len(chosen):
        raise UserError(f"None of this can be measured: {reasons[0]}.")
    measured, unmeasured, status = _measured(chosen, validate_device(device))
    orders = {item.name: item.value.cost.compute for item in named if item.value.cost is not None}
    table = throughput_table(measured, unmeasured)
    fitted = exponent_table(scaling.exponents(measured, orders))
    write_costs(out, table, fitted)
    if as_json:
        print_json({"out": str(out), "throughput": plain(table), "exponents": plain(fitted)})
    else:
        _print(table, fitted)
        typer.echo(f"In {out}: throughput.csv, exponents.csv, figures/")
    if status:
        sys.exit(status)


def _measured(
    chosen: Sequence["Case"], device: str
) -> tuple[list["Throughput"], list[dict[str, Any]], int]:
    """What was measured, what was not and why, and the exit status.

    All of it, or until somebody wants to stop; a line says where it is, and where the console is no
    terminal, a line for each case.
    """
    from lagbench.run.executor import single_thread

    measured: list[Throughput] = []
    unmeasured: list[dict[str, Any]] = []
    console = Console(stderr=True)
    try:
        with console.status("") as line, interruptible(), single_thread():
            for index, case in enumerate(chosen):
                label = f"{case.architecture.name}, {case.task.name} {case.length}"
                line.update(f"measuring {index + 1} of {len(chosen)}: {label}")
                outcome = _outcome(case, device)
                if isinstance(outcome, str):
                    unmeasured.append(_unmeasured_row(case, outcome))
                    say(f"{label}: not measured: {outcome}")
                    continue
                measured.append(outcome)
                if not console.is_terminal:
                    say(f"{label}: {outcome.train_tokens_per_second:,.0f} tokens/s in training")
    except Interrupted as interruption:
        say(f"Interrupted: {len(measured)} of {len(chosen)} are measured.")
        return measured, unmeasured, interruption.status
    return measured, unmeasured, 0


def _outcome(case: "Case", device: str) -> "Throughput | str":
    """What a case costs, or why that is not known."""
    from lagbench.cost.scaling import measure
    from lagbench.run.failures import describe_failure
    from lagbench.spec.pairing import Unsupported

    if isinstance(case.job, Unsupported):
        return case.job.reason
    try:
        return measure(case, device)
    except (Exception, SystemExit) as error:
        return describe_failure(error)[1]


def _unmeasured_row(case: "Case", reason: str) -> dict[str, Any]:
    label = {"architecture": case.architecture.name, "task": case.task.name}
    return label | {"length": case.length, "reason": reason}


def _print(table: "pd.DataFrame", fitted: "pd.DataFrame") -> None:
    measured = table[table["reason"].isna()]
    columns = ["architecture", "task", "length", *SHOWN]
    print_rows(plain(measured[columns].rename(columns=SHOWN)))
    print_rows(plain(fitted))
