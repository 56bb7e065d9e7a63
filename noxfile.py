# /// script
# requires-python = ">=3.11"
# dependencies = ["nox>=2025.2.9"]
# ///
"""Everything LagBench does, as nox sessions: `python3 noxfile.py -s NAME` needs only pip.

Where nox is missing, it is installed into `.nox/.bootstrap`, and this file runs itself again there.
"""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parent

try:
    import nox
except ModuleNotFoundError:
    home = ROOT / ".nox" / ".bootstrap"
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not (home / "ready").exists():
        print("nox is missing here: installing it into .nox/.bootstrap", flush=True)
        venv.create(home, clear=True)
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        subprocess.run([*pip, "nox>=2025.2.9"], check=True)
        (home / "ready").touch()
    raise SystemExit(subprocess.run([python, __file__, *sys.argv[1:]]).returncode) from None

nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests"]
nox.needs_version = ">=2025.2.9"

PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")


def install(session: nox.Session, *groups: str) -> None:
    """Install LagBench from here, editable, and groups of tools, at the pinned versions."""
    session.env["PIP_CONSTRAINT"] = str(ROOT / "constraints.txt")
    tools = [tool for group in groups for tool in nox.project.dependency_groups(PROJECT, group)]
    session.install("--quiet", "-e", ".", *tools)


@nox.session
def bench(session: nox.Session) -> None:
    """Run a suite (`quick`) and report it in results/: `nox -s bench -- SUITE --flags`."""
    install(session)
    session.run("lagbench", "run", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, but for the slow ones: `nox -s tests -- tests/test_registry.py -k nearest`."""
    install(session, "test")
    session.run("pytest", "-m", "not slow", "--numprocesses=2", *session.posargs)


@nox.session
def slow_tests(session: nox.Session) -> None:
    """Run the slow tests, those of a Ray cluster on this machine among them."""
    install(session, "test")
    session.install("--quiet", "-e", ".[ray]")
    session.run("pytest", "-m", "slow", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """Kill a run 50 times and go on with it; give 10,000 bad inputs: `-- --kills 5 --inputs 99`."""
    install(session, "test")
    session.run("python", "-m", "tests.faults", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format with ruff."""
    session.env["PIP_CONSTRAINT"] = str(ROOT / "constraints.txt")
    session.install("--quiet", *nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy, strictly."""
    install(session, "types")
    session.run("mypy")


@nox.session
def speed(session: nox.Session) -> None:
    """Measure our own speed beside others', in turn, and write results/speed/speed.csv."""
    install(session)
    session.run("python", "-m", "tests.benchmarks", *session.posargs)


@nox.session
def publish(session: nox.Session) -> None:
    """Derive all of results/ from its records again: `nox -s publish -- FOLDER` adds a run."""
    install(session)
    session.run("lagbench", "publish", *session.posargs)


@nox.session
def notebook(session: nox.Session) -> None:
    """Run the notebook for teachers, or go on with its runs, and keep its pictures in it."""
    session.env["PIP_CONSTRAINT"] = str(ROOT / "constraints.txt")
    session.install("--quiet", "-e", ".[notebook]")
    name = "examples/from_vanishing_gradients_to_attention.ipynb"
    session.run("jupyter", "execute", "--inplace", name)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into .nox/site, and check its links; `-- serve` shows it."""
    install(session, "docs")
    session.run(
        "mkdocs", *(session.posargs or ["build", "--strict"]), env={"NO_MKDOCS_2_WARNING": "1"}
    )


@nox.session
def package(session: nox.Session) -> None:
    """Build wheel and sdist into dist/, install the wheel and the example plugin, and use them."""
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.env["PIP_CONSTRAINT"] = str(ROOT / "constraints.txt")
    session.install("--quiet", *nox.project.dependency_groups(PROJECT, "package"))
    session.run("python", "-m", "build", "--outdir", str(dist), str(ROOT))
    (wheel,) = dist.glob("*.whl")
    session.install("--quiet", "--force-reinstall", "--no-deps", wheel)
    session.install("--quiet", wheel, str(ROOT / "examples" / "lagbench-echo"))
    session.cd(session.create_tmp())  # where no file of the checkout can be imported
    session.run("lagbench", "--version")
    session.run("lagbench", "list", "suites")
    session.run("lagbench", "check", "echo")
    session.run("lagbench", "check", "echo_state")


if __name__ == "__main__":
    nox.main()
