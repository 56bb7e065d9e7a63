"""The application that every command belongs to, with shared options and printing."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from lagbench import __version__
from lagbench.cli.display import rows
from lagbench.contract import UserError
from lagbench.secrets import redacted

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(
    name="lagbench",
    help="Which sequence architecture reaches how far back, and at what price.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

SuiteName = Annotated[str, typer.Argument(help="A suite's name, or a TOML file.")]
Changes = Annotated[list[str], typer.Option("--set", help="Change a setting: recipe.steps=500.")]
Lengths = Annotated[list[int], typer.Option(help="These instead; may be given again.")]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Train cells again that failed before.")
]
Device = Annotated[str, typer.Option(help="cpu, or cuda:0 and the like.")]
Project = Annotated[
    str | None, typer.Option(help="$WANDB_PROJECT, what the suite says, or lagbench.")
]
Entity = Annotated[
    str | None, typer.Option(help="$WANDB_ENTITY, what the suite says, or yourself.")
]
Plugins = Annotated[
    list[Path],
    typer.Option("--plugin", help="A Python file that registers more; may be given again."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def main() -> None:
    """Run the command line; bad input is one sentence on standard error and exit status 2.

    The same holds for a file that the system cannot use, such as one whose name is too long.
    """
    try:
        app()
    except UserError as error:
        say(f"Error: {error}")
        sys.exit(2)
    except OSError as error:
        if error.filename is None:
            raise
        say(f"Error: {error.filename} cannot be used: {error.strerror}.")
        sys.exit(2)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def options(name: str, values: Iterable[object]) -> list[str]:
    """An option that is given once for each value, as words of a command."""
    return [word for value in values for word in (name, str(value))]


def print_json(data: Any) -> None:
    """Print plain data as JSON."""
    typer.echo(json.dumps(data, indent=1, ensure_ascii=False, default=str))


def print_rows(data: list[dict[str, Any]], as_json: bool = False) -> None:
    """Print rows as a table, or as JSON; no table where there are none."""
    if as_json:
        print_json(data)
    elif data:
        width = None if sys.stdout.isatty() else 200
        Console(width=width).print(rows(data[0], (row.values() for row in data)))


def plain(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """Rows of a frame as plain values; None: missing."""
    records: list[dict[str, Any]] = json.loads(frame.to_json(orient="records"))
    return records


def say(sentence: str) -> None:
    """Print a sentence on standard error, without any key or token."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(redacted(sentence), markup=False)


def warn(sentence: str) -> None:
    """Print a warning on standard error."""
    say(f"Warning: {sentence}")
