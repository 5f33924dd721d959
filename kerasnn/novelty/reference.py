"""What new tables are compared with: counts of the bins of columns, predictions, target.

It is a file of a saved network, `REFERENCE_FILE` in `assets.extra`.
"""

import json
from dataclasses import dataclass
from typing import Any, Self, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.choices import ColumnKind
from kerasnn.datasets import Column, Target
from kerasnn.errors import InputError
from kerasnn.json_forms import (
    check_form,
    list_of,
    nullable,
    number,
    one_of,
    parse_json,
    record,
    text,
    whole,
)
from kerasnn.manifest import MANIFEST
from kerasnn.novelty.bins import ColumnBins, column_numbers, fit_bins

REFERENCE_FILE = MANIFEST.with_name("kerasnn_reference.json")
MAX_ROWS = 100_000  # of the training that are counted, drawn at random

_FORMAT = 1
_COLUMN_FORM = record(
    {
        "name": text(),
        "kind": one_of(*get_args(ColumnKind)),
        "counts": list_of(whole(), 1000, minimum=2),
    },
    {
        "edges": list_of(number, 1000),
        "levels": list_of(text(), 1000),
        "values": list_of(nullable(number), 1000),
    },
    others=False,
)
_FORM = record(
    {"format": one_of(_FORMAT), "columns": list_of(_COLUMN_FORM)},
    {"predictions": list_of(_COLUMN_FORM), "target": nullable(_COLUMN_FORM)},
    others=False,
)


@dataclass(frozen=True)
class ColumnReference:
    """One column of the training rows.

    Attributes:
        bins: of the column.
        counts: of rows in each bin.
        values: an ordinary number of each bin, None in an empty one; none for levels.
    """

    bins: ColumnBins
    counts: tuple[int, ...]
    values: tuple[float | None, ...] = ()

    @property
    def rows(self) -> int:
        """The number of rows that were counted."""
        return sum(self.counts)

    @property
    def missing(self) -> float:
        """The share of missing cells."""
        return self.counts[-1] / max(self.rows, 1)

    @classmethod
    def fit(cls, column: Column, cells: pd.Series) -> Self:
        """Return the reference of a column of a checked table."""
        bins = fit_bins(column, cells)
        codes = bins.codes(cells)
        counts = np.bincount(codes, minlength=bins.size)
        if bins.has_levels:
            return cls(bins, tuple(counts.tolist()))
        medians = pd.Series(column_numbers(cells, column.kind)).groupby(codes).median()
        values = [float(medians.get(i, np.nan)) for i in range(bins.size)]
        present = tuple(None if np.isnan(value) else value for value in values)
        return cls(bins, tuple(counts.tolist()), present)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, without empty ones."""
        found = {
            "name": self.bins.name,
            "kind": self.bins.kind,
            "counts": self.counts,
            "edges": self.bins.edges,
            "levels": self.bins.levels,
            "values": self.values,
        }
        return {name: value for name, value in found.items() if value}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Return what `to_dict` wrote.

        Raises:
            ValueError: the counts do not fit the bins.
        """
        edges, levels = (tuple(content.get(name, ())) for name in ("edges", "levels"))
        bins = ColumnBins(content["name"], content["kind"], edges, levels)
        counts, values = tuple(content["counts"]), tuple(content.get("values", ()))
        increasing = all(np.diff(edges) > 0)
        if len(counts) != bins.size or len(values) not in (0, bins.size) or not increasing:
            raise ValueError(f"column {bins.name!r}: counts and bins do not fit")
        return cls(bins, counts, values)


@dataclass(frozen=True)
class Reference:
    """The training rows, as far as new tables are compared with them.

    Attributes:
        columns: in the order of the schema.
        predictions: of rows that were left out, if there are; see `prediction_columns`.
        target: of the same rows; None for several values.
    """

    columns: tuple[ColumnReference, ...]
    predictions: tuple[ColumnReference, ...] = ()
    target: ColumnReference | None = None

    def to_json(self) -> str:
        """Return the reference as JSON text."""
        content: dict[str, Any] = {
            "format": _FORMAT,
            "columns": [column.to_dict() for column in self.columns],
            "predictions": [column.to_dict() for column in self.predictions],
            "target": None if self.target is None else self.target.to_dict(),
        }
        return json.dumps(content, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, content: bytes | str, *, source: object) -> Self:
        """Return the reference that `to_json` wrote.

        Raises:
            InputError: it is none; the message names the source.
        """
        found = parse_json(content, source=source)
        check_form(found, _FORM, source=source)
        target = found.get("target")
        try:
            return cls(
                tuple(map(ColumnReference.from_dict, found["columns"])),
                tuple(map(ColumnReference.from_dict, found.get("predictions", ()))),
                None if target is None else ColumnReference.from_dict(target),
            )
        except ValueError as error:
            raise InputError(f"{source}: {error}") from None


def prediction_columns(
    target: Target, predictions: NDArray[np.float64]
) -> dict[str, tuple[Column, pd.Series]]:
    """Return predictions as columns that can be compared, by name.

    Args:
        target: what is predicted.
        predictions: probabilities [rows, n_classes], or values [rows] or [rows, n_out].

    Returns:
        The probability of the second of two classes; or of more the class and its
        probability; or the values.
    """
    found: dict[str, tuple[Column, pd.Series]] = {}
    if target.task == "regression":
        values = predictions.reshape(len(predictions), -1).T
        names = (
            ["value"] if len(values) == 1 else [f"value_{i}" for i in range(len(values))]
        )
        numbers = dict(zip(names, values, strict=True))
    elif len(target.classes) == 2:
        numbers = {f"probability_{target.classes[1]}": predictions[:, 1]}
    else:
        best = np.array(target.classes, object)[predictions.argmax(axis=1)]
        levels = Column("class", "categorical", levels=target.classes)
        found["class"] = levels, pd.Series(best, dtype=object)
        numbers = {"probability": predictions.max(axis=1)}
    for name, values in numbers.items():
        found[name] = Column(name, "numeric"), pd.Series(values)
    return found


def target_column(target: Target) -> Column:
    """Return the target as a column that can be compared."""
    if target.task == "regression":
        return Column(target.name, "numeric", low=target.low, high=target.high)
    return Column(target.name, "categorical", levels=target.classes)
