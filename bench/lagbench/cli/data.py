"""`lagbench data`: examples as a person reads them, and files."""

from pathlib import Path
from typing import Annotated

import typer

from lagbench import registry
from lagbench.cli.app import AsJson, Plugins, app, print_json, print_rows
from lagbench.contract import Split


@app.command()
def data(
    task: Annotated[str, typer.Argument(help="Such as recall:cue=first.")],
    length: Annotated[int | None, typer.Option(help="Its first usual length by default.")] = None,
    show: Annotated[int, typer.Option(min=0, help="How many training examples.")] = 3,
    export: Annotated[
        Path | None, typer.Option(help="A new folder: validation and test as Parquet, with a card.")
    ] = None,
    push: Annotated[
        str | None, typer.Option(help="A data set of the Hugging Face Hub to push these to.")
    ] = None,
    validation_examples: Annotated[int, typer.Option(min=1, help="At most.")] = 500,
    test_examples: Annotated[int, typer.Option(min=1, help="At most.")] = 2000,
    plugin: Plugins = [],
    as_json: AsJson = False,
) -> None:
    """Show what a task asks as a person would read it, and write its fixed splits for others.

    Example: lagbench data agreement --length 16 --show 5
    """
    from lagbench.data import export as files
    from lagbench.data.overview import overview
    from lagbench.data.rendering import render
    from lagbench.data.splits import fixed_split

    registry.discover(plugin)
    named = registry.task(task)
    length = named.value.lengths[0] if length is None else length
    facts = {"task": named.name, "length": length, **overview(named, length)}
    drawn = fixed_split(named, length, Split.TRAIN, max(1, show))
    shown = [render(named.value, length, drawn, index) for index in range(show)]
    if export is not None or push is not None:
        counts = {Split.VALIDATION: validation_examples, Split.TEST: test_examples}
        fixed = files.splits(named, length, counts)
        if export is not None:
            files.export(named, length, fixed, export)
            facts["exported to"] = str(export)
        if push is not None:
            facts["pushed to"] = files.push(named, length, fixed, push)
    if as_json:
        print_json({"facts": facts, "examples": shown})
        return
    print_rows([{"fact": fact, "value": value} for fact, value in facts.items()])
    typer.echo("\n\n".join(shown))
