"""Cores that run in a loop, or are random in training, keep the contract and say why."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from lagbench.check import CheckResult, run_checks
from lagbench.contract import Architecture, Mixer, Signature
from lagbench.registry import Named


class Recurrent(Mixer):
    """A GRU of PyTorch, which has no batching rule."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(width, width, batch_first=True)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        outputs: Tensor = self.gru(x)[0]
        return outputs


class Dropping(Mixer):
    """A running mean of a linear map with dropout."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear, self.drop = nn.Linear(width, width), nn.Dropout(0.2)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        steps = torch.arange(1, x.shape[1] + 1)
        mixed: Tensor = self.drop(self.linear(x)).cumsum(1) / steps[:, None]
        return mixed


class Normed(Dropping):
    """The same with a batch norm."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.drop = nn.Identity()
        self.norm = nn.BatchNorm1d(width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        outputs: Tensor = self.norm(super().forward(x).mT).mT
        return outputs


class Branching(Dropping):
    """The same with a branch that depends on values."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.drop = nn.Identity()

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        mixed = super().forward(x)
        return -mixed if self.linear.bias.sum() > 1e9 else mixed


@dataclass(frozen=True)
class Toy(Architecture):
    """One of these cores."""

    core: type[Mixer]

    def build(self, width: int, signature: Signature) -> Mixer:
        return self.core(width)


def checked(core: type[Mixer]) -> dict[str, CheckResult]:
    results = run_checks(Named("toy", Toy(core)))
    assert [result for result in results if not result.holds] == []
    return {result.name: result for result in results}


@pytest.mark.parametrize(
    ("core", "cause"),
    [
        (Recurrent, "`gru` is nn.GRU, which vmap cannot map"),
        (Branching, "test_loop.py:"),
        (Normed, "`norm"),
    ],
)
def test_what_vmap_cannot_map_runs_in_a_loop(core: type[Mixer], cause: str) -> None:
    for name in ("vmap_training", "vmap_evaluation"):
        result = checked(core)[name]
        assert not result.applies
        assert cause in result.detail
        assert result.detail.endswith("Replicas run one after another, which is slower")


def test_dropout_is_one_sentence() -> None:
    results = checked(Dropping)
    assert results["training_mode"].detail == "`drop` is nn.Dropout: training draws random numbers"
    assert results["vmap_training"].applies


def test_batch_norm_says_what_training_changes() -> None:
    detail = checked(Normed)["training_mode"].detail
    assert detail.startswith("`norm` is nn.BatchNorm1d: training changes norm.running_mean")
