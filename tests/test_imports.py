"""Who may import whom: packages are ranked as wholes, and each heavy library has one home."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "bench" / "lagbench"
PLUGINS = ("architectures", "tasks")
FILES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "architectures").glob("*.py"),
                *(ROOT / "tasks").glob("*.py")])  # fmt: skip

RANKS = (  # a package may import what stands above it, and itself
    "lagbench.contract",
    "lagbench.registry",
    "lagbench.hints",
    "lagbench",
    "lagbench.record",
    "lagbench.device",
    "lagbench.secrets",
    "lagbench.spec",
    "lagbench.data",
    "lagbench.kernels",
    "lagbench.layers",
    "lagbench.material",
    "lagbench.architectures",
    "lagbench.tasks",
    "lagbench.model",
    "lagbench.train",
    "lagbench.probes",
    "lagbench.cost",
    "lagbench.check",
    "lagbench.report",
    "lagbench.tracking",
    "lagbench.run",
    "lagbench.claims",
    "lagbench.publish",
    "lagbench.cli",
    "lagbench.__main__",
)
FOR_AUTHORS = ("lagbench", "lagbench.contract", "lagbench.registry", "lagbench.hints",
               "lagbench.kernels", "lagbench.layers", "lagbench.material")  # fmt: skip
"""What a built-in architecture or task may import: the same as anybody's own."""

HOMES = {  # the only packages that import it
    "altair": ("lagbench.report",),
    "vl_convert": ("lagbench.report",),
    "jinja2": ("lagbench.report",),
    "statsmodels": ("lagbench.report",),
    "scikit_posthocs": ("lagbench.report",),
    "pandas": ("lagbench.report", "lagbench.tracking", "lagbench.publish", "lagbench.cli"),
    "wandb": ("lagbench.tracking",),
    "wandb_workspaces": ("lagbench.tracking",),
    "yaml": ("lagbench.tracking",),
    "datasets": ("lagbench.data", "lagbench.material"),
    "pytorch_lightning": ("lagbench.train",),
    "lightning_fabric": ("lagbench.train",),
    "pebble": ("lagbench.run",),
    "optuna": ("lagbench.run",),
    "ray": ("lagbench.run",),
    "typer": ("lagbench.cli",),
    "rich": ("lagbench.cli",),
    "sklearn": ("lagbench.tasks", "lagbench.material"),
}


def breaches(module: str, source: str) -> list[str]:
    """What a module of ours does that it may not, as sentences."""
    tree = ast.parse(source)
    found = [f"{module} imports {name}" for name in imported(tree) if not allowed(module, name)]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            found.append(f"{module} imports by a relative name")
        if isinstance(node, ast.Call):
            call = ast.unparse(node.func)
            if call == "print" and not within(module, "lagbench.cli"):
                found.append(f"{module} prints")
            if call.endswith(("import_module", "__import__")) and module not in (
                "lagbench",
                "lagbench.registry",
            ):
                found.append(f"{module} imports by a computed name")
    return found


def imported(tree: ast.AST) -> list[str]:
    """Every imported module; of `from lagbench import name`, the module if it is one."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom) and not node.level:
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                names.append(inner if inner in RANKS else node.module)
    return names


def allowed(importer: str, name: str) -> bool:
    top = name.partition(".")[0]
    if top in HOMES:
        return any(within(importer, home) for home in HOMES[top])
    if top in ("bench", *PLUGINS):
        return False  # the package is `lagbench`
    if top != "lagbench":
        return True
    if within(importer, "lagbench.architectures") or within(importer, "lagbench.tasks"):
        return package(name) in FOR_AUTHORS
    if within(name, "lagbench.architectures") or within(name, "lagbench.tasks"):
        return False  # reached by discovery
    return RANKS.index(package(name)) <= RANKS.index(package(importer))


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def package(module: str) -> str:
    """The ranked package, or the module of the ground, that a module lies in."""
    name = ".".join(module.split(".")[:2])
    assert name in RANKS, f"{name} has no rank: give it one in this test, and in docs/design.md."
    return name


def module_of(path: Path) -> str:
    top = PACKAGE.parent if path.is_relative_to(PACKAGE) else ROOT
    parts = path.relative_to(top).with_suffix("").parts
    parts = parts if parts[0] == "lagbench" else ("lagbench", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports(path: Path) -> None:
    assert breaches(module_of(path), path.read_text()) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("lagbench.contract", "import lagbench.registry"),
        ("lagbench.registry", "from lagbench.spec import pairing"),
        ("lagbench.model.assembly", "from lagbench.train.module import CellModule"),
        ("lagbench.probes.lags", "from lagbench.cost import throughput"),
        ("lagbench.spec.pairing", "def late():\n    from lagbench.run import runner"),
        ("lagbench.spec.pairing", "import lagbench.architectures"),
        ("lagbench.cli", "from lagbench.tasks.recall import Recall"),
        ("lagbench.cli", "from tasks.recall import Recall"),
        ("lagbench.architectures.lstm", "from lagbench.architectures.rnn import RNN"),
        ("lagbench.architectures.lstm", "from lagbench.spec.pairing import match"),
        ("lagbench.architectures.lstm", "from lagbench.tasks.recall import Recall"),
        ("lagbench.layers.block", "from lagbench.model.assembly import Model"),
        ("lagbench.tasks.copy", "from lagbench.tasks.recall import Recall"),
        ("lagbench.tasks.copy", "from lagbench.record import Status"),
        ("lagbench.tasks.copy", "import bench.lagbench"),
        ("lagbench.tasks.copy", "from datasets import load_dataset"),
        ("lagbench.run.runner", "import wandb.sdk"),
        ("lagbench.train.module", "import pandas as pd"),
        ("lagbench.train.module", "import rich"),
        ("lagbench.report.charts", "print(1)"),
        ("lagbench.architectures.lstm", "from . import rnn"),
        ("lagbench.architectures.lstm", "import importlib\nimportlib.import_module('tasks')"),
    ],
)
def test_breaches_are_found(module: str, source: str) -> None:
    assert len(breaches(module, source)) == 1


def test_the_engine_needs_neither_trackers_nor_charts() -> None:
    """Torch and Lightning are enough to import the engine and every architecture and task."""
    without = ["wandb", "altair", "vl_convert", "jinja2", "datasets", "typer", "pebble"]
    run_python(
        f"import sys; sys.modules.update(dict.fromkeys({without})); "
        "from lagbench import registry; import lagbench.train.cell, lagbench.check; "
        "registry.discover()"
    )


def test_importing_lagbench_imports_no_torch() -> None:
    run_python("import lagbench, sys; assert 'torch' not in sys.modules; lagbench.Mixer")


def run_python(program: str) -> None:
    program = f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); {program}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
