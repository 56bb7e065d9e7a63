"""What every test needs: one thread, every name registered, nothing from the network."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("WANDB_MODE", "offline")

import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from bench import registry

torch.set_num_threads(1)
registry.discover()

settings.register_profile("lagbench", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("lagbench")


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry as it was after each test, whatever a plugin adds."""
    for private in ("_ARCHITECTURES", "_TASKS", "_HOMES"):
        monkeypatch.setattr(registry, private, dict(getattr(registry, private)))


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The path of a suite so small that its run takes seconds; a copy, to be changed at will."""
    return Path(shutil.copy(Path(__file__).parent / "suites" / "tiny.toml", tmp_path))
