"""The training rows that new tables are compared with, as counts of bins.

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
from kerasnn.datasets.cells.truths import TRUTH_LEVELS
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
from kerasnn.novelty.bins import MAX_LEVEL_BINS, ColumnBins, fit_bins, numbers_of_cells

REFERENCE_FILE = MANIFEST.with_name("kerasnn_reference.json")
MAX_COUNTED_ROWS = 100_000  # of the training that are counted, drawn at random

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
        "mean": number,
        "n_single": whole(),
        "learned_counts": list_of(whole(), 1000),
    },
    others=False,
)
_FORM = record(
    {"format": one_of(_FORMAT), "columns": list_of(_COLUMN_FORM)},
    {
        "combinations": nullable(_COLUMN_FORM),
        "predictions": list_of(_COLUMN_FORM),
        "target": nullable(_COLUMN_FORM),
    },
    others=False,
)


@dataclass(frozen=True)
class ColumnReference:
    """One column of the training rows.

    Attributes:
        bins: of the column.
        counts: of rows in each bin.
        values: a typical number of each bin, None in an empty one; none for levels.
        mean: of the numbers; None for levels, or if all are missing.
        n_single: rows with a level that no other row has: about this share of later rows
            has a level that was never seen (Good-Turing).
        learned_counts: of a prediction, the same for rows that the network learned from; in
            later rows it is like one of the two, or between them. Empty for other columns.
    """

    bins: ColumnBins
    counts: tuple[int, ...]
    values: tuple[float | None, ...] = ()
    mean: float | None = None
    n_single: int = 0
    learned_counts: tuple[int, ...] = ()

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
        """Return the reference of a column of a checked table, in random order."""
        chosen, counted = cells, cells
        if len(column.levels) > MAX_LEVEL_BINS:
            # Some levels are among the most frequent by chance: count them in other rows.
            chosen, counted = cells.iloc[::2], cells.iloc[1::2]
        bins = fit_bins(column, chosen)
        counts = bins.counts(counted)
        if bins.has_levels:
            single = (cells.value_counts() == 1).sum() / max(len(cells), 1)
            n_single = round(single * len(counted))
            return cls(bins, tuple(counts.tolist()), n_single=n_single)
        numbers = np.sort(numbers_of_cells(cells, column.kind))  # NaN last, as their bin
        middles = np.cumsum(counts) - counts + counts // 2
        values = (
            float(numbers[middle]) if count and i < bins.size - 1 else None
            for i, (middle, count) in enumerate(zip(middles, counts, strict=True))
        )
        present = numbers[: len(numbers) - counts[-1]]
        mean = float(present.mean()) if len(present) else None
        return cls(bins, tuple(counts.tolist()), tuple(values), mean)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, without empty ones."""
        found = {
            "name": self.bins.name,
            "kind": self.bins.kind,
            "counts": self.counts,
            "edges": self.bins.edges,
            "levels": self.bins.levels,
            "values": self.values,
            "mean": self.mean,
            "n_single": self.n_single or None,
            "learned_counts": self.learned_counts,
        }
        return {name: value for name, value in found.items() if value not in ((), None)}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Return what `to_dict` wrote.

        Raises:
            ValueError: the counts do not fit the bins.
        """
        edges, levels = (tuple(content.get(name, ())) for name in ("edges", "levels"))
        bins = ColumnBins(content["name"], content["kind"], edges, levels)
        counts, values = tuple(content["counts"]), tuple(content.get("values", ()))
        learned = tuple(content.get("learned_counts", ()))
        increasing = all(np.diff(edges) > 0)
        fit = all(len(of_bins) in (0, bins.size) for of_bins in (values, learned))
        if len(counts) != bins.size or not fit or not increasing:
            raise ValueError(f"column {bins.name!r}: counts and bins do not fit")
        n_single = content.get("n_single", 0)
        return cls(bins, counts, values, content.get("mean"), n_single, learned)


@dataclass(frozen=True)
class Reference:
    """The training rows, as far as new tables are compared with them.

    Attributes:
        columns: in the order of the schema.
        combinations: how many rows that were left out were unlikely, as levels "False" and
            "True"; None if that cannot be told.
        predictions: of rows that were left out, if there are; see `prediction_columns`.
        target: of the same rows; None if it has several values.
    """

    columns: tuple[ColumnReference, ...]
    combinations: ColumnReference | None = None
    predictions: tuple[ColumnReference, ...] = ()
    target: ColumnReference | None = None

    def to_json(self) -> str:
        """Return the reference as JSON text."""
        single = {"combinations": self.combinations, "target": self.target}
        content: dict[str, Any] = {
            "format": _FORMAT,
            "columns": [column.to_dict() for column in self.columns],
            "predictions": [column.to_dict() for column in self.predictions],
            **{name: one.to_dict() for name, one in single.items() if one is not None},
        }
        return json.dumps(content, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, content: bytes | str, *, source: object) -> Self:
        """Return the reference that `to_json` wrote.

        Raises:
            InputError: it is not a reference; the message names the source.
        """
        found = parse_json(content, source=source)
        check_form(found, _FORM, source=source)
        read = ColumnReference.from_dict
        names = [n for n in ("combinations", "target") if found.get(n) is not None]
        try:
            return cls(
                tuple(map(read, found["columns"])),
                predictions=tuple(map(read, found.get("predictions", ()))),
                **{name: read(found[name]) for name in names},
            )
        except ValueError as error:
            raise InputError(f"{source}: {error}") from None


def flags_reference(n_true: int, n_rows: int) -> ColumnReference:
    """Return the reference of a flag of rows, such as `unlikely`."""
    bins = ColumnBins("combinations of values", "boolean", levels=TRUTH_LEVELS)
    return ColumnReference(bins, (n_rows - n_true, n_true, 0, 0))


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
