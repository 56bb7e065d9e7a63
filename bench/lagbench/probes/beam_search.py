"""Beam search: how often it finds a likelier answer than greedy decoding, by the same model."""

from typing import cast

from torch import Tensor

from lagbench.contract import Tokens
from lagbench.data.streams import generator
from lagbench.model.assembly import AutoregressiveModel
from lagbench.model.decoding import decode
from lagbench.probes.context import NotMeasurable, Probe, ProbeContext, ProbeResult, in_double
from lagbench.record import ProbeValue
from lagbench.spec.decoding import Decoding

NAME = "beam_search"
EXAMPLES = 64
AT_ONCE = 2**13  # source and target steps of all examples together
FEWEST = 4  # examples in any case
PRICE = 0.1, 14  # its share, and passes: greedily and with all beams, at half the speed
WIDTHS = (2, 4)
LEAST = 1e-6  # nats by which an answer must be likelier: rounding is no finding


def beam_search(context: ProbeContext) -> list[ProbeResult] | NotMeasurable:
    """The share of answers that the search finds a likelier one for, less those it misses.

    `x` is how many beams it has. A search that keeps some beams may end below the greedy answer,
    whose beginning fell out of them; so the share can be negative. Log-probabilities are the
    model's own, of all symbols up to the first `end`.
    """
    if not isinstance(context.models[0], AutoregressiveModel):
        return NotMeasurable("it does not write its answers, and so has nothing to search")
    signature = context.job.plan.signature
    if not isinstance(signature.target, Tokens):
        return NotMeasurable("it writes values, which are fed back as they are")
    if signature.target_steps == 1:
        return NotMeasurable(
            "its answers are one symbol, of which greedy decoding finds the likeliest"
        )
    most = max(FEWEST, min(EXAMPLES, AT_ONCE // (signature.steps + signature.target_steps)))
    batch = in_double(context.examples(context.example_budget(*PRICE, FEWEST, most)))

    def likelihood(model: AutoregressiveModel, decoding: Decoding) -> Tensor:
        draws = generator(NAME)  # neither way draws anything
        return decode(model, batch.source, batch.source_mask, decoding, draws).log_probability

    results = []
    for model in context.models:
        writing = cast(AutoregressiveModel, model)
        greedy = likelihood(writing, Decoding())
        values = []
        for beams in WIDTHS:
            gain = likelihood(writing, Decoding(method="beam", beams=beams)) - greedy
            share = ((gain > LEAST).double() - (gain < -LEAST).double()).mean()
            values.append(
                ProbeValue(probe=NAME, x=beams, value=float(share), count=len(batch.source))
            )
        results.append(ProbeResult(values))
    return results


BEAM_SEARCH = Probe(NAME, beam_search)
