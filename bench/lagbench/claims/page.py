"""What the claims come to as files: CSV tables, and a page in Markdown and in HTML.

The HTML links each quantity to the report of the experiment that it was measured in; the Markdown
names the experiment, so that it can stand anywhere.
"""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from lagbench.claims.claim import CONFIDENCE, Judged, Ruling, Verdict
from lagbench.claims.evidence import Quantity
from lagbench.report import page
from lagbench.report.wording import bounds, number
from lagbench.run.store import atomic_write

CLAIMS = (
    "claim", "statement", "verdict", "part", "effect", "low", "high", "threshold", "seeds",
    "reason", "evidence",
)  # fmt: skip
PARTS = ("claim", "part", "verdict", "effect", "low", "high", "threshold", "seeds", "reason")


def write(
    out: Path, rulings: Sequence[Ruling], ran: dict[str, str], linked: bool = True
) -> list[Path]:
    """Write `claims.csv`, `claim_parts.csv`, `report.md` and `report.html` into `out`.

    ran: how the experiments were run, for people: facts by name. linked: whether the reports of
    the experiments lie there; without them there is no `report.html`, which links them.
    """
    context = {
        "rulings": rulings,
        "counts": {verdict: _count(rulings, verdict) for verdict in Verdict},
        "confidence": round(100 * CONFIDENCE),
        "ran": ran,
        "report_of": report_of,
        "sentence": sentence,
        "seeds_of": seeds_of,
    }
    parts = [row for ruling in rulings for row in part_rows(ruling)]
    texts = {
        "claims.csv": table(CLAIMS, map(claim_row, rulings)),
        "claim_parts.csv": table(PARTS, parts),
        "report.md": page.markdown("claims.md.j2", context),
    }
    if linked:
        texts["report.html"] = page.markup("claims.html.j2", context)
    for name, text in texts.items():
        atomic_write(out / name, text)
    return [out / name for name in texts]


def claim_row(ruling: Ruling) -> dict[str, Any]:
    """A claim and the part that its verdict hangs on."""
    judged = ruling.decisive
    return {
        "claim": ruling.claim.number,
        "statement": ruling.claim.statement,
        "verdict": ruling.verdict.value,
        "part": judged.part.says,
        **_numbers(judged),
        "evidence": " ".join(dict.fromkeys(map(source_of, ruling.claim.quantities))),
    }


def part_rows(ruling: Ruling) -> Iterable[dict[str, Any]]:
    """Every part of a claim."""
    for judged in ruling.parts:
        yield {
            "claim": ruling.claim.number,
            "part": judged.part.says,
            "verdict": judged.verdict.value,
            **_numbers(judged),
        }


def source_of(quantity: Quantity) -> str:
    """What measured a quantity: a suite, or the timing."""
    return f"claims/{quantity.experiment}" if quantity.experiment else "step_times.json"


def report_of(quantity: Quantity) -> str:
    """Where the evidence for a quantity is, from the folder of the claims."""
    return f"{quantity.experiment}/report.html" if quantity.experiment else "step_times.json"


def sentence(judged: Judged) -> str:
    """How a part was judged, in words."""
    if not judged.effects:
        return f"Undecided, since {judged.reason}."
    within = bounds(judged.low, judged.high) or "no interval"
    text = f"Effect {number(judged.effect)} ({within}); {number(judged.part.least)} or more counts."
    return f"{text} Undecided, since {judged.reason}." if judged.reason else text


def seeds_of(judged: Judged) -> list[int]:
    """Every seed, or round, that anything was measured with."""
    return sorted({seed for values in judged.values for seed in values})


def table(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    """Rows as CSV; what was not measured is empty."""
    text = StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: "" if value != value else value for name, value in row.items()})
    return text.getvalue()


def _numbers(judged: Judged) -> dict[str, Any]:
    return {
        "effect": judged.effect,
        "low": judged.low,
        "high": judged.high,
        "threshold": judged.part.least,
        "seeds": len(judged.effects),
        "reason": judged.reason,
    }


def _count(rulings: Sequence[Ruling], verdict: Verdict) -> int:
    return sum(ruling.verdict is verdict for ruling in rulings)
