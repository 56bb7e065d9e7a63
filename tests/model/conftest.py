"""Small models in double precision."""

from collections.abc import Callable

import pytest
import torch

from lagbench import registry
from lagbench.contract import Alignment, Signature, Space, Tokens
from lagbench.model.assembly import Model, assemble
from lagbench.spec.pairing import Plan, match
from lagbench.spec.recipe import Feed

SYMBOLS, ANSWERS = Tokens(5), Tokens(4)


@pytest.fixture
def build() -> Callable[..., Model]:
    """Make a model from a name: `build("min_gru", target=Tokens(4, end=3))`."""

    def make(
        name: str,
        source: Space = SYMBOLS,
        target: Space = ANSWERS,
        alignment: Alignment = Alignment.FREE,
        steps: int = 6,
        target_steps: int = 4,
        feed: Feed = "own",
    ) -> Model:
        signature = Signature(source, target, alignment, steps, target_steps, padded=True)
        plan = match(registry.architecture(name).value, signature)
        assert isinstance(plan, Plan)
        torch.manual_seed(0)
        model = assemble(plan, 8, feed).double()
        opinionate(model)
        return model

    return make


@torch.no_grad()
def opinionate(model: Model) -> None:
    """Make an untrained model predict something else after every source and target."""
    for parameter in model.core.parameters():
        if parameter.dim() > 1:
            parameter.mul_(2)
    model.head.bias.zero_()
    drawn = [
        torch.randint(space.size, (64, steps))
        if isinstance(space, Tokens)
        else torch.randn(64, steps, space.width).double()
        for space, steps in (
            (model.signature.source, model.signature.steps),
            (model.signature.target, model.signature.target_steps),
        )
    ]
    predicted = model(drawn[0], None, drawn[1]).flatten(0, 1)
    model.head.weight.div_(predicted.std(0)[:, None])
    model.head.bias.sub_(predicted.mean(0) / predicted.std(0))
