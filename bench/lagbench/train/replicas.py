"""`R` models that train together, under `torch.func.vmap` or in a loop.

Both give each replica the gradients of training by itself. `lagbench.train.execution` chooses.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn.functional import pad

from lagbench.contract import Batch
from lagbench.data.streams import select, tensors
from lagbench.hints import CoreHints
from lagbench.model.assembly import AlignedModel, Model, gather_steps
from lagbench.record import Execution
from lagbench.train.objective import loss
from lagbench.train.tape import MAX_LENGTH, Tapes


class Replicas(ABC):
    """`R` models of one plan with their parameters in one buffer `flat` `(R, P)`.

    Buffers of modules that differ between the models, such as random features, stay each model's.
    """

    execution: Execution

    def __init__(self, models: Sequence[Model], device: torch.device) -> None:
        """models: of equal shapes; their parameters are copied into the buffer."""
        self.models = [model.to(device) for model in models]
        self.space = models[0].signature.target
        rows = [flatten_parameters([p.detach() for p in model.parameters()]) for model in models]
        self.flat = torch.stack(rows).requires_grad_()
        columns = [dict(model.named_buffers()) for model in self.models]
        self.buffers = {
            name: torch.stack([column[name] for column in columns])
            for name, buffer in columns[0].items()
            if not all(torch.equal(buffer, column[name]) for column in columns)
        }
        signature = models[0].signature
        short = max(signature.steps, signature.target_steps) <= MAX_LENGTH
        self.tapes = Tapes(self.models[0], record=short and device.type == "cpu")

    def __len__(self) -> int:
        return self.flat.shape[0]

    @torch.no_grad()
    def select(
        self,
        rows: Sequence[int],
        flat: Tensor,
        buffers: Sequence[Mapping[str, Tensor]] | None = None,
    ) -> "Replicas":
        """Copy some replicas, with parameters from the rows of another buffer `flat`.

        buffers: by name, of all replicas; None: as they are now.
        """
        models = [deepcopy(self.models[row]) for row in rows]
        if buffers is not None:
            for model, row in zip(models, rows, strict=True):
                for name, buffer in model.named_buffers():
                    buffer.copy_(buffers[row][name])
        copies = type(self)(models, flat.device)
        copies.flat.copy_(flat[list(rows)])
        return copies

    @abstractmethod
    def backward(self, batches: Batch, rows: Tensor) -> Tensor:
        """Set `flat.grad` to each replica's gradient on its batch, in training mode.

        batches: with a leading dimension `S`; rows: `(R,)`, which of the `S` each replica sees.
        Returns losses `(R,)`.
        """

    @abstractmethod
    def predict(self, batch: Batch, teacher_forced: bool) -> Tensor:
        """Predictions on one batch in evaluation mode: `(R, B, U, V)` or `(R, B, U, W)`.

        teacher_forced: feed targets back rather than each replica's answers.
        """

    def copy_buffers(self, row: int) -> dict[str, Tensor]:
        """Copy the buffers of a replica, by name."""
        model = self.models[row]
        return {name: buffer.detach().clone() for name, buffer in model.named_buffers()}

    def bind_parameters(self, row: int, model: Model) -> None:
        """Make the parameters of a model views of a row of `flat`."""
        views = self._views(row)
        for name, parameter in model.named_parameters():
            parameter.data = views[name]

    def _views(self, row: int | slice) -> dict[str, Tensor]:
        """Parameters by name, views of one row of `flat` or of all, `(R, …)`."""
        views = {}
        start = 0
        for name, parameter in self.models[0].named_parameters():
            columns = slice(start, start + parameter.numel())
            start = columns.stop + columns.stop % 2  # as `flatten_parameters` pads
            shape = parameter.shape if isinstance(row, int) else (len(self), *parameter.shape)
            views[name] = self.flat.detach()[row, columns].view(shape)
        return views

    def _set_mode(self, training: bool) -> None:
        if self.models[0].training != training:
            for model in self.models:
                model.train(training)


class LoopReplicas(Replicas):
    """Replicas that run one after another, each a module."""

    execution = Execution.LOOP

    def __init__(self, models: Sequence[Model], device: torch.device) -> None:
        super().__init__(models, device)
        for row, model in enumerate(self.models):
            self.bind_parameters(row, model)
        self.leaves = [list(model.parameters()) for model in self.models]
        self.differing = [
            [model.get_buffer(name) for name in self.buffers] for model in self.models
        ]

    def backward(self, batches: Batch, rows: Tensor) -> Tensor:
        self._set_mode(training=True)
        batches, steps = keep_scored_steps(batches, self.models[0])
        results = []
        for index, row in enumerate(rows.tolist()):
            batch, scored = select(batches, row), [step[row] for step in steps]
            leaves = self.leaves[index]
            run = partial(self._backward_one, self.models[index], leaves, batch, scored)
            inputs = [*tensors(batch).values(), *scored]
            results.append(self.tapes.run(run, inputs, [*leaves, *self.differing[index]]))
        losses, self.flat.grad = map(torch.stack, zip(*results, strict=True))
        return losses

    def _backward_one(
        self, model: Model, leaves: Sequence[Tensor], batch: Batch, steps: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """One replica's loss, and its gradient `(P,)`."""
        predicted = model(batch.source, batch.source_mask, batch.target, *steps)
        value = loss(predicted, batch.target, batch.target_mask, self.space)
        gradients = torch.autograd.grad(value, leaves, materialize_grads=True)
        return value.detach(), flatten_parameters(gradients)

    @torch.no_grad()
    def predict(self, batch: Batch, teacher_forced: bool) -> Tensor:
        self._set_mode(training=False)
        target = batch.target if teacher_forced else None
        return torch.stack(
            [model(batch.source, batch.source_mask, target) for model in self.models]
        )


class VmapReplicas(Replicas):
    """Replicas that run at once, under `torch.func.vmap`."""

    execution = Execution.VMAP

    def __init__(self, models: Sequence[Model], device: torch.device) -> None:
        super().__init__(models, device)
        for module in self.models[0].modules():
            if isinstance(module, CoreHints):
                module.under_vmap = True
        self.leaves = {n: view.requires_grad_() for n, view in self._views(slice(None)).items()}

    def backward(self, batches: Batch, rows: Tensor) -> Tensor:
        self._set_mode(training=True)
        batches, steps = keep_scored_steps(batches, self.models[0])
        columns, scored = tensors(select(batches, rows)), [step[rows] for step in steps]
        run = partial(self._backward_all, columns, scored)
        losses, self.flat.grad = self.tapes.run(run, [*columns.values(), *scored])
        return losses

    def _backward_all(
        self, columns: dict[str, Tensor], steps: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """All losses `(R,)`, and all gradients `(R, P)`."""

        def replica_loss(
            state: dict[str, Tensor], columns: dict[str, Tensor], *steps: Tensor
        ) -> Tensor:
            batch = Batch(**columns)
            predicted = self._call(state, batch, batch.target, *steps)
            return loss(predicted, batch.target, batch.target_mask, self.space)

        state = self.leaves | self.buffers
        losses: Tensor = vmap(replica_loss, randomness="different")(state, columns, *steps)
        leaves = list(self.leaves.values())
        gradients = torch.autograd.grad(losses.sum(), leaves, materialize_grads=True)
        return losses.detach(), flatten_parameters(gradients, len(self))

    @torch.no_grad()
    def predict(self, batch: Batch, teacher_forced: bool) -> Tensor:
        self._set_mode(training=False)
        call = partial(self._call, batch=batch, target=batch.target if teacher_forced else None)
        predicted: Tensor = vmap(call, randomness="different")(self.leaves | self.buffers)
        return predicted

    def _call(
        self, state: dict[str, Tensor], batch: Batch, target: Tensor | None, *steps: Tensor
    ) -> Tensor:
        inputs = batch.source, batch.source_mask, target, *steps
        predicted: Tensor = functional_call(self.models[0], state, inputs)
        return predicted


def replicate(models: Sequence[Model], execution: Execution, device: torch.device) -> Replicas:
    """The models as replicas that run in the given way."""
    return (VmapReplicas if execution is Execution.VMAP else LoopReplicas)(models, device)


def keep_scored_steps(batch: Batch, model: Model) -> tuple[Batch, tuple[Tensor, ...]]:
    """Keep only the targets that count, and return their steps `(…, K)`, the most of an example.

    The batch is unchanged, and there are no steps, where more than half of the targets count, where
    a model has to write them all, and on a GPU, which would have to synchronise.
    """
    mask = batch.target_mask
    if mask is None or not isinstance(model, AlignedModel) or mask.device.type != "cpu":
        return batch, ()
    most = int(mask.sum(-1).max())
    if 2 * most > mask.shape[-1]:
        return batch, ()
    steps = mask.byte().argsort(dim=-1, descending=True, stable=True)[..., : max(most, 1)]
    target, mask = gather_steps(batch.target, steps), gather_steps(mask, steps)
    return replace(batch, target=target, target_mask=mask, lag=None), (steps,)


def flatten_parameters(tensors: Sequence[Tensor], *replicas: int) -> Tensor:
    """Flatten and concatenate tensors: to `(P,)`, or to `(R, P)` from tensors `(R, …)`.

    Each begins at an even position, so that pairs of numbers can be viewed as complex ones.
    """
    flat = [tensor.reshape(*replicas, -1) for tensor in tensors]
    return torch.cat([pad(row, (0, 1)) if row.shape[-1] % 2 else row for row in flat], dim=-1)
