"""Measurements on trained models: one file each, and all of them in turn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lagbench.probes.attention_alignment import ATTENTION_ALIGNMENT
from lagbench.probes.attention_map import ATTENTION_MAP
from lagbench.probes.beam_search import BEAM_SEARCH
from lagbench.probes.context import NotMeasurable, Probe, ProbeContext
from lagbench.probes.extrapolation import EXTRAPOLATIONS
from lagbench.probes.gradient_reach import GRADIENT_REACH, GRADIENT_REACH_INITIAL
from lagbench.probes.influence import INFLUENCE, INFLUENCE_ORACLE
from lagbench.probes.jacobian_product import JACOBIAN_PRODUCT
from lagbench.probes.lag_accuracy import LAG_ACCURACY
from lagbench.probes.measures import MEASURES
from lagbench.record import AttentionMap, ProbeValue

PROBES: tuple[Probe, ...] = (
    LAG_ACCURACY,
    MEASURES,
    GRADIENT_REACH_INITIAL,
    GRADIENT_REACH,
    JACOBIAN_PRODUCT,
    INFLUENCE,
    INFLUENCE_ORACLE,
    ATTENTION_ALIGNMENT,
    ATTENTION_MAP,
    BEAM_SEARCH,
    *EXTRAPOLATIONS,
)


@dataclass(frozen=True)
class Probed:
    """Values, numbers and maps for each replica; by name, why a probe measured nothing."""

    values: list[list[ProbeValue]]
    numbers: list[dict[str, float]]
    maps: list[tuple[AttentionMap, ...]]
    unsupported: dict[str, str]

    def fields(self, replica: int) -> dict[str, Any]:
        """The fields of the record of a replica."""
        return {
            "probes": tuple(self.values[replica]),
            "unsupported_probes": self.unsupported,
            "attention_maps": self.maps[replica],
            **self.numbers[replica],
        }


def probed(context: ProbeContext, probes: Sequence[Probe] = PROBES) -> Probed:
    """Run probes; one that raises costs its own values only."""
    count = len(context.replicas)
    results = Probed([[] for _ in range(count)], [{} for _ in range(count)], [()] * count, {})
    for probe in probes:
        try:
            measured = probe.measure(context)
        except Exception as error:
            measured = NotMeasurable(f"{type(error).__name__}: {error}".strip())
        if isinstance(measured, NotMeasurable):
            results.unsupported[probe.name] = measured.reason
            continue
        for row, result in enumerate(measured):
            results.values[row].extend(result.values)
            results.numbers[row].update(result.numbers)
            results.maps[row] += result.maps
    return results
