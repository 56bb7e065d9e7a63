"""`lagbench dashboard`: a W&B workspace and report of a suite."""

from lagbench.cli.app import AsJson, Entity, Project, SuiteName, app, print_json, print_rows


@app.command()
def dashboard(
    suite: SuiteName = "quick",
    project: Project = None,
    entity: Entity = None,
    as_json: AsJson = False,
) -> None:
    """Save a W&B workspace and a W&B report of a suite's runs; needs the extra `dashboard`.

    Example: lagbench dashboard quick --project my-project
    """
    from lagbench.spec.suite import load
    from lagbench.tracking.dashboard import save
    from lagbench.tracking.destination import CliWandbOptions, destination

    chosen = load(suite)
    where = destination(CliWandbOptions("online", project, entity), chosen.wandb)
    saved = save(where, chosen.name, [axis.name for axis in chosen.tasks])
    addresses = {"workspace": saved.workspace, "report": saved.report}
    if as_json:
        print_json(addresses)
    else:
        print_rows([{"saved": what, "is at": url} for what, url in addresses.items()])
