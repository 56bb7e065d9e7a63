"""Who may import whom: lower never imports upper, and each heavy library has one home."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path for folder in ("bench", "architectures", "tasks") for path in (ROOT / folder).rglob("*.py")
)

LAYERS = (  # each may import what stands above it, and its own
    ("bench", "bench.contract", "bench.kernels"),
    ("bench.registry", "bench.measure", "bench.record", "bench.secrets"),
    ("bench.matching",),
    ("bench.model",),
    ("bench.train",),
    ("bench.probes", "bench.speed", "bench.check", "bench.examples"),
    ("bench.run.trial",),
    ("bench.report", "bench.tracking", "bench.display"),
    ("bench.run",),
    ("bench.live", "bench.speed.workers", "bench.speed.ordinary", "bench.claims"),
    ("bench.publish", "bench.speed.replicas"),
    ("bench.cli", "bench.speed.__main__"),
    ("bench.__main__",),
)
RANK = {unit: rank for rank, units in enumerate(LAYERS) for unit in units}

HOMES = {  # the only files that import it
    "altair": ("bench.report",),
    "vl_convert": ("bench.report",),
    "jinja2": ("bench.report",),
    "statsmodels": ("bench.report",),
    "scikit_posthocs": ("bench.report",),
    "pandas": ("bench.report", "bench.publish", "bench.cli", "bench.speed.__main__"),
    "wandb": ("bench.tracking",),
    "wandb_workspaces": ("bench.tracking.dashboard", "bench.tracking.panels"),
    "yaml": ("bench.tracking.sweep",),
    "datasets": ("bench.train.data", "bench.examples.export", "tasks.material.real.source"),
    "pytorch_lightning": ("bench.train", "bench.speed.ordinary"),
    "lightning_fabric": ("bench.train",),
    "pebble": ("bench.run.executors.worker",),
    "optuna": ("bench.run.search",),
    "ray": ("bench.run.executors.ray",),
    "typer": ("bench.cli", "bench.speed.__main__"),
    "rich": ("bench.cli", "bench.display", "bench.live", "bench.speed.__main__"),
    "sklearn": ("tasks",),
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
            if call == "print" and not within(module, "bench.cli"):
                found.append(f"{module} prints")
            if call.endswith(("import_module", "__import__")) and module != "bench.registry":
                found.append(f"{module} imports by a computed name")
    return found


def imported(tree: ast.AST) -> list[str]:
    """Every imported module; of `from package import name`, the submodule if it is one."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom) and not node.level:
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                names.append(inner if is_module(inner) else node.module)
    return names


def allowed(importer: str, name: str) -> bool:
    top = name.partition(".")[0]
    if top in HOMES:
        return any(within(importer, home) for home in HOMES[top])
    if top not in ("bench", "architectures", "tasks"):
        return True
    ground = ["bench.contract", "bench.registry"]
    if within(importer, "architectures.layers"):
        below = ("bench.contract", "bench.kernels", "architectures.layers")
        return any(within(name, other) for other in below)
    if within(importer, "architectures"):
        return any(within(name, other) for other in [*ground, "architectures.layers"])
    if within(importer, "tasks"):
        return name in ground or (top == "tasks" and is_package(".".join(name.split(".")[:2])))
    if top != "bench":
        return False  # architectures and tasks are reached by discovery
    return unit(importer) == unit(name) or RANK[unit(name)] < RANK[unit(importer)]


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def unit(module: str) -> str:
    """The longest name in `LAYERS` that a module lies within; `bench` is itself alone."""
    if module == "bench":
        return module
    known = [unit for unit in RANK if unit != "bench" and within(module, unit)]
    assert known, f"{module} has no layer: give it one in this test, and in docs/design.md."
    return max(known, key=len)


def is_package(name: str) -> bool:
    return (ROOT / name.replace(".", "/") / "__init__.py").is_file()


def is_module(name: str) -> bool:
    return is_package(name) or (ROOT / name.replace(".", "/")).with_suffix(".py").is_file()


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports(path: Path) -> None:
    assert breaches(module_of(path), path.read_text()) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("bench.contract", "import bench.registry"),
        ("bench.registry", "from bench import matching"),
        ("bench.model.assembly", "from bench.train.data import select"),
        ("bench.probes.one", "from bench.speed import throughput"),
        ("bench.matching", "def late():\n    from bench.run import runner"),
        ("bench.matching", "import architectures"),
        ("bench.cli", "from tasks.recall import Recall"),
        ("architectures.lstm", "from architectures.transformer import Transformer"),
        ("architectures.lstm", "from bench.matching import match"),
        ("architectures.lstm", "from tasks.recall import Recall"),
        ("architectures.layers.block", "from bench.registry import register"),
        ("tasks.copy", "from tasks.recall import Recall"),
        ("tasks.copy", "from tasks import recall"),
        ("tasks.copy", "from bench.measure import score"),
        ("tasks.copy", "import architectures.layers"),
        ("tasks.copy", "from datasets import load_dataset"),
        ("bench.run.runner", "import wandb.sdk"),
        ("bench.train.module", "import pandas as pd"),
        ("bench.train.module", "import rich"),
        ("bench.report.charts", "print(1)"),
        ("architectures.lstm", "from .layers import block"),
        ("architectures.lstm", "import importlib\nimportlib.import_module('tasks')"),
    ],
)
def test_breaches_are_found(module: str, source: str) -> None:
    assert len(breaches(module, source)) == 1


def test_the_engine_needs_neither_trackers_nor_charts() -> None:
    """Torch and Lightning are enough to import the engine and every architecture and task."""
    without = ["wandb", "altair", "vl_convert", "jinja2", "datasets", "typer", "pebble"]
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({without})); "
        f"sys.path.insert(0, {str(ROOT)!r}); "
        "from bench import registry; import bench.train.cell, bench.check; registry.discover()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
