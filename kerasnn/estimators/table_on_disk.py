"""A table that is larger than memory: as it is given, and prepared as shards on disk."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets import Schema, Shards, Target
from kerasnn.datasets.profiling.counting import ColumnCounts
from kerasnn.preprocessing import Preprocessor


@dataclass(frozen=True)
class TableOnDisk:
    """A table that an estimator reads in blocks.

    Attributes:
        schema: of all rows, with the target.
        sample: [rows, columns] raw training rows, drawn at random.
        counts: of the values of each column in all training rows.
        n_rows: number of training rows.
        held_out: [rows, columns] raw validation rows.
        held_out_targets: [rows], like "y" of the shards.
        write: writes all training rows, prepared, as shards: "x", "codes", and "y", class
            indices or numbers. Their notes hold "ranges" of numeric and date columns,
            [low, high], and "moments" of numeric targets: "mean", "deviation", "low" and
            "high".
        fingerprint: identifies the table.
    """

    schema: Schema
    sample: pd.DataFrame
    counts: Mapping[str, ColumnCounts]
    n_rows: int
    held_out: pd.DataFrame
    held_out_targets: NDArray[Any]
    write: Callable[[Preprocessor], Shards]
    fingerprint: str

    @property
    def target(self) -> Target:
        """The column to predict."""
        assert self.schema.target is not None  # the caller has set it
        return self.schema.target


def with_ranges(schema: Schema, ranges: Mapping[str, list[Any]]) -> Schema:
    """Return the schema of a sample with the ranges of all rows."""
    columns = []
    for column in schema.columns:
        if column.name in ranges:
            ends = ("low", "high") if column.kind == "numeric" else ("first", "last")
            known = dict(zip(ends, ranges[column.name], strict=True))
            column = dataclasses.replace(column, **known)
        columns.append(column)
    return dataclasses.replace(schema, columns=tuple(columns))
