"""Measurements on trained models: one file each, and all of them in turn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lagbench.probes.attention_alignment import ATTENTION_ALIGNMENT
from lagbench.probes.attention_map import ATTENTION_MAP
from lagbench.probes.beam_search import BEAM_SEARCH
from lagbench.probes.context import Probe, Refusal, Subject
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
    """What all probes found: for each replica values, numbers and maps; why some found none."""

    values: list[list[ProbeValue]]
    numbers: list[dict[str, float]]
    maps: list[tuple[AttentionMap, ...]]
    refused: dict[str, str]

    def fields(self, replica: int) -> dict[str, Any]:
        """The fields of the record of a replica."""
        return {
            "probes": tuple(self.values[replica]),
            "unsupported_probes": self.refused,
            "attention_maps": self.maps[replica],
            **self.numbers[replica],
        }


def probed(subject: Subject, probes: Sequence[Probe] = PROBES) -> Probed:
    """Measure whatever can be measured; a probe that raises costs no more than its own values."""
    count = len(subject.replicas)
    results = Probed([[] for _ in range(count)], [{} for _ in range(count)], [()] * count, {})
    for probe in probes:
        try:
            findings = probe.measure(subject)
        except Exception as error:
            findings = Refusal(f"{type(error).__name__}: {error}".strip())
        if isinstance(findings, Refusal):
            results.refused[probe.name] = findings.reason
            continue
        for row, finding in enumerate(findings):
            results.values[row].extend(finding.values)
            results.numbers[row].update(finding.numbers)
            results.maps[row] += finding.maps
    return results
