"""Attention maps: what a few examples are answered by looking at, step by step."""

from collections.abc import Sequence

from torch import Tensor

from lagbench.contract import Batch, Reals, Space, Tokens
from lagbench.data.streams import select
from lagbench.model.assembly import Model
from lagbench.probes.attention_alignment import attention_weights
from lagbench.probes.context import NotMeasurable, Probe, ProbeContext, ProbeResult, in_double
from lagbench.probes.lags import source_lengths, target_loss_mask
from lagbench.record import AttentionMap
from lagbench.spec.pairing import PlanKind

NAME = "attention_map"
EXAMPLES = 2
LONGEST = 32  # queries or keys
LARGEST = 2**12  # weights, those of all layers of an example together
START = "start"  # what stands for the vector before the first target


def attention_map(context: ProbeContext) -> list[ProbeResult] | NotMeasurable:
    """The weights in each layer, a mean over heads, for test examples; of the first seed alone.

    Teacher forced. A query is named by what is read there, in a decoder by what it writes. Maps
    beyond `LONGEST` steps or `LARGEST` weights are left out: no picture would show them.
    """
    model, *others = context.models
    if not hasattr(model.core, "attention"):
        return NotMeasurable("it has no attention that it shows")
    batch = in_double(context.examples(EXAMPLES))
    maps = []
    for example in range(len(batch.source)):
        item = select(batch, slice(example, example + 1))
        queries, keys = labels(context, item)
        if (longest := max(len(queries), len(keys))) > LONGEST:
            return NotMeasurable(
                f"it looks at {longest} steps, and maps are drawn of at most {LONGEST}"
            )
        drawn = _maps(model, item, example, queries, keys)
        if len(drawn) * len(queries) * len(keys) > LARGEST:
            return NotMeasurable(f"its {len(drawn)} layers have more weights than are kept")
        maps.extend(drawn)
    return [ProbeResult([], maps=tuple(maps)), *(ProbeResult([]) for _ in others)]


def _maps(
    model: Model, item: Batch, example: int, queries: list[str], keys: list[str]
) -> list[AttentionMap]:
    weights = attention_weights(model, item)[0, :, : len(queries), : len(keys)]
    return [
        AttentionMap(
            example=example,
            layer=layer,
            queries=tuple(queries),
            keys=tuple(keys),
            weights=tuple(map(tuple, layer_weights)),
        )
        for layer, layer_weights in enumerate((1000 * weights).round().long().tolist())
    ]


def labels(context: ProbeContext, item: Batch) -> tuple[list[str], list[str]]:
    """What the queries and the keys of a batch of one example are called; padding is left out."""
    plan, reading = context.job.plan, context.job.task.value.display_names(context.job.length)
    read = texts(item.source[0, : source_lengths(item)[0]], plan.signature.source, reading.source)
    if plan.kind not in (PlanKind.TRANSDUCE, PlanKind.PREFIX):
        return read, read
    count = int(target_loss_mask(item)[0].nonzero().max()) + 1
    written = texts(item.target[0, :count], plan.signature.target, reading.target)
    if plan.kind is PlanKind.TRANSDUCE:
        return written, read
    known = [START] * (count - 1) if context.job.recipe.feed == "none" else written[:-1]
    joined = [*read, START, *known]
    return joined, joined


def texts(sequence: Tensor, space: Space, names: Sequence[str]) -> list[str]:
    """Steps `(T, …)` as texts: symbols by name, up to two numbers as they are, else the place."""
    if isinstance(space, Tokens):
        return [names[i] if i < len(names) else str(i) for i in sequence.tolist()]
    if isinstance(space, Reals) and space.width <= 2:
        return ["/".join(f"{value:.1f}" for value in step) for step in sequence.tolist()]
    return [str(index) for index in range(len(sequence))]


ATTENTION_MAP = Probe(NAME, attention_map)
