"""How every table is typed and ordered, so that the same records give the same bytes."""

from typing import Any, get_args

import numpy as np
import pandas as pd
from pydantic import BaseModel

from lagbench.record import Point, ProbeValue, Record, Status, Throughput

KEY = ["architecture", "task", "length"]

Rows = list[dict[str, Any]] | pd.DataFrame


def column_types(*models: type[BaseModel]) -> dict[str, str]:
    """Column type by name, of the fields of the records that hold a single value."""
    types = {str: "string", Status: "string", bool: "bool", int: "Int64", float: "float64"}
    return {
        name: types[kind]
        for model in models
        for name, field in model.model_fields.items()
        for kind in (field.annotation, *get_args(field.annotation))
        if kind in types
    }


_COUNTS = [
    *("seeds", "solved", "shortest", "longest", "lengths", "blocks", "rates"),
    *(status.value for status in Status),
]
_TEXTS = ["censored", "edge", "architecture_a", "architecture_b", "verdict", "clique", "effort"]
_TYPES = {
    **column_types(Record, Throughput, Point, ProbeValue),
    **dict.fromkeys(_COUNTS, "Int64"),
    **dict.fromkeys(_TEXTS, "string"),
    "undisturbed": "boolean",
}


def frame(rows: Rows, columns: list[str], by: list[str]) -> pd.DataFrame:
    """Rows as a sorted frame whose columns have the same types however few the rows."""
    types = {column: _TYPES.get(column, "float64") for column in columns}
    return pd.DataFrame(rows, columns=columns).astype(types).sort_values(by, ignore_index=True)


def scored(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials that count: at the selected learning rate, with a score."""
    found: pd.DataFrame = trials.loc[trials["selected"] & np.isfinite(trials["score"])]
    return found
