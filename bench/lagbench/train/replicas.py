"""`R` models that train together: one flat buffer of parameters, run stacked or in turn.

VmapReplicas, the model runs once under `torch.func.vmap` over parameters `(R, …)`; in turn, it runs
once for each replica. Both give each replica the gradients of training alone. Which is faster is a
rule of what is run (`choose_execution`), never the clock: the same trial must round the same way
twice.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn.functional import pad

from lagbench.contract import Batch, Mixer, Transducer
from lagbench.data.streams import select, tensors
from lagbench.model.assembly import AlignedModel, Model, taken
from lagbench.record import Execution
from lagbench.spec.pairing import Plan
from lagbench.train.objective import loss
from lagbench.train.tape import LONGEST, Tapes


class Replicas(ABC):
    """`R` models of one plan in one buffer `flat` `(R, P)`; `backward` sets `flat.grad`."""

    execution: Execution

    def __init__(self, models: Sequence[Model], device: torch.device) -> None:
        """models: initialised alike in shape; their parameters are copied into the buffer."""
        self.models = [model.to(device) for model in models]
        self.space = models[0].signature.target
        rows = [flatten_parameters([p.detach() for p in model.parameters()]) for model in models]
        self.flat = torch.stack(rows).requires_grad_()
        signature = models[0].signature
        short = max(signature.steps, signature.target_steps) <= LONGEST
        self.tapes = Tapes(self.models[0], record=short and device.type == "cpu")
        self._bind()

    def __len__(self) -> int:
        return self.flat.shape[0]

    @torch.no_grad()
    def select(self, rows: Sequence[int], flat: Tensor) -> "Replicas":
        """Copies of some replicas, their parameters from the rows of another buffer `flat`."""
        copies = type(self)([deepcopy(self.models[0]) for _ in rows], flat.device)
        copies.flat.copy_(flat[list(rows)])
        return copies

    @abstractmethod
    def _bind(self) -> None:
        """Make the parameters that the models run with views of the buffer."""

    @abstractmethod
    def backward(self, batches: Batch, rows: Tensor) -> Tensor:
        """Set `flat.grad` to each replica's gradient on its own batch; returns losses `(R,)`.

        batches: with a leading dimension `S`; rows: `(R,)`, which of the `S` each replica sees.
        """

    @abstractmethod
    def predict(self, batch: Batch, forced: bool) -> Tensor:
        """Every replica's predictions on one shared batch: `(R, B, U, V)` or `(R, B, U, W)`.

        forced: feed targets back (teacher forcing) rather than the replica's own answers.
        """

    def bind_parameters(self, row: int, model: Model) -> None:
        """Make the parameters of a model views of a row of the buffer."""
        views = self._views(row)
        for name, parameter in model.named_parameters():
            parameter.data = views[name]

    def _views(self, row: int | slice) -> dict[str, Tensor]:
        """Each parameter by name: a view of one row of the buffer, or of all rows `(R, …)`.

        Where `flatten_parameters` has laid it.
        """
        views = {}
        start = 0
        for name, parameter in self.models[0].named_parameters():
            columns = slice(start, start + parameter.numel())
            start = columns.stop + columns.stop % 2
            shape = parameter.shape if isinstance(row, int) else (len(self), *parameter.shape)
            views[name] = self.flat.detach()[row, columns].view(shape)
        return views

    def _loss(self, predicted: Tensor, batch: Batch) -> Tensor:
        return loss(predicted, batch.target, batch.target_mask, self.space)


class LoopReplicas(Replicas):
    """Replicas that run one after another, each a module of its own."""

    execution = Execution.LOOP

    def _bind(self) -> None:
        for row, model in enumerate(self.models):
            self.bind_parameters(row, model)
        self.weights = [list(model.parameters()) for model in self.models]

    def backward(self, batches: Batch, rows: Tensor) -> Tensor:
        """As declared: one forward and backward pass for each replica."""
        batches, steps = keep_scored_steps(batches, self.models[0])
        found = []
        for model, weights, row in zip(self.models, self.weights, rows.tolist(), strict=True):
            batch, own = select(batches, row), [each[row] for each in steps]
            alone = partial(self._alone, model, weights, batch, own)
            found.append(self.tapes.run(alone, [*tensors(batch).values(), *own], weights))
        losses, self.flat.grad = map(torch.stack, zip(*found, strict=True))
        return losses

    def _alone(
        self, model: Model, weights: Sequence[Tensor], batch: Batch, steps: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """One replica's loss, and its gradient `(P,)`."""
        predicted = model(batch.source, batch.source_mask, batch.target, *steps)
        value = self._loss(predicted, batch)
        gradients = torch.autograd.grad(value, weights, materialize_grads=True)
        return value.detach(), flatten_parameters(gradients)

    @torch.no_grad()
    def predict(self, batch: Batch, forced: bool) -> Tensor:
        """As declared: one forward pass for each replica."""
        target = batch.target if forced else None
        return torch.stack(
            [model(batch.source, batch.source_mask, target) for model in self.models]
        )


class VmapReplicas(Replicas):
    """Replicas that run as one, under `torch.func.vmap`."""

    execution = Execution.VMAP

    def _bind(self) -> None:
        for module in self.models[0].modules():
            if isinstance(module, Mixer | Transducer):
                module.stacked = True
        self.leaves = {n: view.requires_grad_() for n, view in self._views(slice(None)).items()}

    def backward(self, batches: Batch, rows: Tensor) -> Tensor:
        """As declared: one forward and backward pass for all."""
        batches, steps = keep_scored_steps(batches, self.models[0])
        columns, own = tensors(select(batches, rows)), [each[rows] for each in steps]
        together = partial(self._together, columns, own)
        losses, self.flat.grad = self.tapes.run(together, [*columns.values(), *own])
        return losses

    def _together(self, columns: dict[str, Tensor], steps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """All losses, and all gradients `(R, P)`."""

        def one(leaves: dict[str, Tensor], columns: dict[str, Tensor], *steps: Tensor) -> Tensor:
            batch = Batch(**columns)
            return self._loss(self._call(leaves, batch, batch.target, *steps), batch)

        losses: Tensor = vmap(one)(self.leaves, columns, *steps)
        leaves = list(self.leaves.values())
        gradients = torch.autograd.grad(losses.sum(), leaves, materialize_grads=True)
        return losses.detach(), flatten_parameters(gradients, len(self))

    @torch.no_grad()
    def predict(self, batch: Batch, forced: bool) -> Tensor:
        """As declared: one forward pass for all."""
        target = batch.target if forced else None
        predicted: Tensor = vmap(lambda leaves: self._call(leaves, batch, target))(self.leaves)
        return predicted

    def _call(
        self, leaves: dict[str, Tensor], batch: Batch, target: Tensor | None, *steps: Tensor
    ) -> Tensor:
        given = batch.source, batch.source_mask, target, *steps
        predicted: Tensor = functional_call(self.models[0], leaves, given)
        return predicted


def keep_scored_steps(batch: Batch, model: Model) -> tuple[Batch, tuple[Tensor, ...]]:
    """The batch with its counted targets alone, and their steps `(…, K)`: nobody asks for the rest.

    `K` is the most that an example has. The batch as it was, and no steps: where more than half of
    the targets count, where a model has to write them all, and on a GPU, which would be waited for.
    """
    mask = batch.target_mask
    if mask is None or not isinstance(model, AlignedModel) or mask.device.type != "cpu":
        return batch, ()
    most = int(mask.sum(-1).max())
    if 2 * most > mask.shape[-1]:
        return batch, ()
    steps = mask.byte().argsort(dim=-1, descending=True, stable=True)[..., : max(most, 1)]
    target, mask = taken(batch.target, steps), taken(mask, steps)
    return replace(batch, target=target, target_mask=mask, lag=None), (steps,)


def flatten_parameters(tensors: Sequence[Tensor], *replicas: int) -> Tensor:
    """Tensors, each flattened, in one row, or in a row for each of `R` replicas: `(R, P)`.

    Each begins at an even place, so that an author may read pairs of numbers as complex ones.
    """
    flat = [tensor.reshape(*replicas, -1) for tensor in tensors]
    return torch.cat([pad(each, (0, 1)) if each.shape[-1] % 2 else each for each in flat], dim=-1)


def replicate(models: Sequence[Model], execution: Execution, device: torch.device) -> Replicas:
    """The models as replicas that run in the given way."""
    return {Execution.VMAP: VmapReplicas, Execution.LOOP: LoopReplicas}[execution](models, device)


def choose_execution(plan: Plan, replicas: int, batch: int, device: torch.device) -> Execution:
    """The faster way to run so many replicas, by a rule that the core's family states.

    `Architecture.stack_limit` is the largest `B * T` at which a stack was measured to be faster on
    a CPU. On a GPU, where a step is many launches of little work, a stack always is.
    """
    if replicas == 1:
        return Execution.LOOP
    if device.type != "cpu":
        return Execution.VMAP
    limit = plan.architecture.stack_limit
    steps = batch * max(plan.signature.steps, plan.signature.target_steps)
    return Execution.VMAP if limit is None or steps <= limit else Execution.LOOP
