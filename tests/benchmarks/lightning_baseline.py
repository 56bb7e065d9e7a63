"""The script that an ordinary user of Lightning writes for one training, to be compared with."""

import logging
import multiprocessing
import os
import tempfile
import warnings
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytorch_lightning as lightning
import torch
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.classification import MulticlassAccuracy

from lagbench import registry
from lagbench.contract import Split, Tokens
from lagbench.data.streams import generator
from lagbench.run.executor import configure_single_thread
from lagbench.run.executors.forkserver import WORKER_ENVIRONMENT
from lagbench.train.cell import Job

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)

LAYERS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class Network(nn.Module):
    """An embedding, PyTorch's own layers, and a head on the last step."""

    def __init__(self, architecture: str, symbols: int, width: int, steps: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(symbols, width)
        self.positions = nn.Parameter(torch.randn(steps, width))
        self.recurrent = architecture in LAYERS
        if self.recurrent:
            self.core: nn.Module = LAYERS[architecture](width, width, batch_first=True)
        else:
            block = nn.TransformerEncoderLayer(
                width, 2, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
            )
            last = nn.LayerNorm(width)
            self.core = nn.TransformerEncoder(block, 2, last, enable_nested_tensor=False)
        self.head = nn.Linear(width, symbols)

    def forward(self, source: Tensor) -> Tensor:
        """`(B, T)` symbols -> `(B, V)` logits."""
        x = self.embed(source)
        outputs = self.core(x)[0] if self.recurrent else self.core(x + self.positions)
        logits: Tensor = self.head(outputs[:, -1])
        return logits


class Module(lightning.LightningModule):
    """Loss and accuracy, logged at every step."""

    def __init__(self, network: Network, symbols: int, rate: float) -> None:
        super().__init__()
        self.network, self.rate = network, rate
        self.accuracy = MulticlassAccuracy(symbols, average="micro")
        self.validation_accuracy = MulticlassAccuracy(symbols, average="micro")

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        """Cross-entropy of a batch."""
        source, target = batch
        logits = self.network(source)
        loss = F.cross_entropy(logits, target)
        self.accuracy(logits, target)
        self.log("loss", loss, prog_bar=True)
        self.log("accuracy", self.accuracy, prog_bar=True)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        """Loss and accuracy of a validation batch."""
        source, target = batch
        logits = self.network(source)
        self.validation_accuracy(logits, target)
        self.log("validation_loss", F.cross_entropy(logits, target), prog_bar=True)
        self.log("validation_accuracy", self.validation_accuracy, prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW as it comes."""
        return torch.optim.AdamW(self.parameters(), lr=self.rate)


def examples(job: Job, count: int, split: Split) -> TensorDataset:
    """Examples of a job's task, drawn before anything is timed."""
    batch = job.task.value.sample(job.length, count, generator("speed", split), split)
    return TensorDataset(batch.source, batch.target[:, 0])


class Fits:
    """A fit for each seed of a job, one after another, in a process as an ordinary user has it.

    It has one thread and one core, as ours has, and the C library's own settings: those of our
    workers are part of what is compared. Denormal numbers are flushed to zero there too, though an
    ordinary user's are not: gradients that vanish over 256 steps would cost it another factor of 4.
    """

    def __init__(self, architecture: str, job: Job, validation: int) -> None:
        """validation: examples, evaluated once."""
        self.prepared = architecture, job, validation
        self.process: ProcessPoolExecutor | None = None

    def __call__(self) -> None:
        """Train all of them; the process is started, and its data drawn, by the first call."""
        if self.process is None:
            self.process = _ordinary_process(self.prepared)
        self.process.submit(_fit_all).result()


def _ordinary_process(prepared: tuple[str, Job, int]) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    process = ProcessPoolExecutor(1, context, initializer=_prepare, initargs=prepared)
    with patch.dict(os.environ):
        for name in WORKER_ENVIRONMENT:
            if name.startswith("MALLOC_"):
                os.environ.pop(name, None)
        process.submit(int).result()  # starts it, while the environment is so
    return process


_prepared: tuple[str, Job, TensorDataset, TensorDataset]


def _prepare(architecture: str, job: Job, validation: int) -> None:
    global _prepared  # a process has this one
    configure_single_thread()
    registry.discover()
    count = job.recipe.steps * job.recipe.batch_size
    training = examples(job, count, Split.TRAIN)
    _prepared = architecture, job, training, examples(job, validation, Split.VALIDATION)


def _fit_all() -> None:
    architecture, job, training, validation = _prepared
    for seed in job.seeds:
        fit(architecture, job, training, validation, seed)


def fit(
    architecture: str, job: Job, training: TensorDataset, validation: TensorDataset, seed: int
) -> None:
    """Train one model for one epoch, the progress bar on but shown nowhere."""
    lightning.seed_everything(seed, verbose=False)
    signature, size = job.plan.signature, job.recipe.batch_size
    assert isinstance(signature.source, Tokens)
    network = Network(architecture, signature.source.size, job.width, signature.steps)
    module = Module(network, signature.source.size, job.rates[0])
    with ExitStack() as stack:
        nowhere = stack.enter_context(Path(os.devnull).open("w"))
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(redirect_stdout(nowhere))
        stack.enter_context(redirect_stderr(nowhere))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        lightning.Trainer(
            accelerator="cpu",
            max_epochs=1,
            gradient_clip_val=1.0,
            logger=CSVLogger(folder),
            enable_checkpointing=False,
        ).fit(
            module,
            DataLoader(training, batch_size=size, shuffle=True, drop_last=True),
            DataLoader(validation, batch_size=size),
        )
