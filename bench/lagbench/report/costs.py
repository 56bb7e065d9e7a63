"""Prices against the length, as tables and pictures: what `lagbench speed` leaves."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import altair as alt
import pandas as pd

from lagbench.cost.scaling import MIN_LENGTH, Exponent
from lagbench.record import Throughput
from lagbench.report.page import write_figures
from lagbench.report.palette import looks
from lagbench.report.panels import Figure, Style, colour, dash, guide, length_axis, panels, shape

COSTS = {  # what each panel draws, and the column
    "training, tokens/s": "train_tokens_per_second",
    "inference, tokens/s": "inference_tokens_per_second",
    "decoding, ms per token": "decode_ms_per_token",
    "peak memory in training, bytes": "peak_memory_bytes",
    "forward pass, FLOPs per token": "flops_per_token",
    "state at the end, bytes": "state_bytes",
}
UnsupportedCase = Mapping[str, str | int]  # architecture, task, length, reason


def throughput_table(
    throughputs: Sequence[Throughput], unsupported: Sequence[UnsupportedCase]
) -> pd.DataFrame:
    """A row a case; of those that were not measured, `reason` says why, and nothing else is said.

    `undisturbed` is false where other processes computed meanwhile.
    """
    rows = [
        throughput.model_dump(exclude={"format"}) | {"undisturbed": throughput.undisturbed}
        for throughput in throughputs
    ]
    columns = [name for name in Throughput.model_fields if name != "format"]
    return pd.DataFrame([*rows, *unsupported], columns=[*columns, "undisturbed", "reason"])


def exponent_table(fitted: Sequence[Exponent]) -> pd.DataFrame:
    """A row for each architecture and kind of work that a line was fitted for."""
    return pd.DataFrame(map(asdict, fitted), columns=list(Exponent.__dataclass_fields__))


def write_costs(out: Path, table: pd.DataFrame, fitted: pd.DataFrame) -> None:
    """Write `throughput.csv`, `exponents.csv` and `figures/` into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    table.to_csv(out / "throughput.csv", index=False, lineterminator="\n")
    fitted.to_csv(out / "exponents.csv", index=False, lineterminator="\n")
    write_figures(out / "figures", cost_figures(table, fitted))


def cost_figures(table: pd.DataFrame, fitted: pd.DataFrame) -> list[Figure]:
    """Prices against the length, and the exponents, where there are any."""
    prices = _prices(table)
    style = looks(prices.assign(seeds=1))
    drawn = [_price(prices, style)] if len(prices) else []
    return [*drawn, _exponents(fitted, style)] if len(fitted) else drawn


def _prices(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each price of each case: `price`, `value` and, where it has them, its quartiles."""
    parts = [
        table[["architecture", "length", "undisturbed"]].assign(
            price=price,
            value=table[column],
            low=table.get(f"{column}_low", table[column]),
            high=table.get(f"{column}_high", table[column]),
        )
        for price, column in COSTS.items()
    ]
    prices = pd.concat([part.astype({"value": float}) for part in parts], ignore_index=True)
    return prices[prices["value"] > 0]  # others are not measured, or have no logarithm


def _price(prices: pd.DataFrame, style: Style) -> Figure:
    axis = alt.Axis(format="~s", tickCount=5)
    scale = alt.Scale(type="log", nice=False)
    base = alt.Chart().encode(
        x=length_axis(prices["length"]),
        y=alt.Y("value:Q", title=None, axis=axis, scale=scale),
        color=colour(style),
    )
    undisturbed = alt.FieldEqualPredicate(field="undisturbed", equal=True)
    disturbed = alt.FieldEqualPredicate(field="undisturbed", equal=False)
    bounds = {"y": alt.Y("low:Q", title=None, axis=axis, scale=scale), "y2": alt.Y2("high")}
    tooltip = [alt.Tooltip("architecture:N"), alt.Tooltip("length:Q"), alt.Tooltip("value:Q")]
    points = base.encode(shape=shape(style), tooltip=tooltip)
    layers = [
        base.mark_rule(opacity=0.6).encode(**bounds),
        base.mark_line(strokeWidth=2).encode(strokeDash=dash(style)).transform_filter(undisturbed),
        points.mark_point(size=35, filled=True, opacity=1).transform_filter(undisturbed),
        points.mark_point(size=35, filled=False, opacity=1).transform_filter(disturbed),
    ]
    return Figure(
        "throughput",
        "Prices against the length",
        "Medians of untrained models of one width; bars are quartiles of the rounds. Hollow points "
        "were measured while other processes computed, and lie on no line.",
        panels(prices, layers, "price", list(COSTS), own_y=True),
    )


def _exponents(fitted: pd.DataFrame, style: Style) -> Figure:
    names = fitted["architecture"] + " (" + fitted["order"].fillna("not stated") + ")"
    base = alt.Chart().encode(
        y=alt.Y("name:N", title=None, axis=alt.Axis(labelLimit=180, ticks=False)),
        x=alt.X("exponent:Q", title="exponent of the length", axis=alt.Axis(tickCount=5)),
        color=colour(style).legend(None),
    )
    layers = [
        *(guide(x=alt.XDatum(order)) for order in (1, 2)),
        base.mark_rule().encode(x=alt.X("low:Q", title="exponent of the length"), x2="high"),
        base.mark_point(size=45, filled=True, opacity=1).encode(shape=shape(style).legend(None)),
    ]
    return Figure(
        "exponents",
        "How the time of a pass grows",
        f"Fitted from length {MIN_LENGTH} on, with 95% intervals; in brackets the order of the "
        "operations that the architecture states.",
        panels(fitted.assign(name=names), layers, "work", ["training", "inference"], alt.Step(22)),
    )
