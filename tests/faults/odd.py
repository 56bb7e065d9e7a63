"""A plugin: an architecture that does, while it trains, what one should not."""

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lagbench.contract import Architecture, Mixer
from lagbench.registry import register

print("printed while it is imported")


class Layer(Mixer):
    def __init__(self, width, how, at):
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.how, self.at = how, Path(at)

    def forward(self, x, mask=None):
        outputs = self.dense(x.cumsum(1))
        return getattr(self, self.how)(outputs)

    def prints(self, outputs):
        print("printed while it trains")
        return outputs

    def hangs(self, outputs):
        while True:
            time.sleep(1)

    def waits(self, outputs):
        """Say which process has begun, then wait until the gate is open."""
        (self.at / "begun").write_text(str(os.getpid()))
        while not (self.at / "open").exists():
            time.sleep(0.05)
        return outputs

    def is_short(self, outputs):
        return outputs[:, :-1]

    def is_nan(self, outputs):
        return outputs * float("nan")

    def is_elsewhere(self, outputs):
        return outputs.to("meta")

    def raises(self, outputs):
        raise RuntimeError("not today,\nnor tomorrow")

    def exits(self, outputs):
        sys.exit(3)

    def kills(self, outputs):
        os.kill(os.getpid(), signal.SIGKILL)

    def kills_once(self, outputs):
        if not (self.at / "killed").exists():
            (self.at / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return outputs

    def asks_for_much(self, outputs):
        return outputs + torch.ones(2**40).sum()

    def asks_once(self, outputs):
        if (self.at / "asked").exists():
            return outputs
        (self.at / "asked").touch()
        return self.asks_for_much(outputs)

    def asks_for_more(self, outputs):
        return outputs + np.ones(2**40).sum()

    def grows(self, outputs):
        """Take 4 GiB in all, no part of which is too large for the machine."""
        held = [torch.ones(2**26) for _ in range(16)]
        return outputs + len(held)


@dataclass(frozen=True)
class Odd(Architecture):
    """It does what one should not."""

    how: str = "prints"
    at: str = "."

    def build(self, width, signature):
        return Layer(width, self.how, self.at)


register("odd", Odd())
