"""A table that is larger than memory: as it is given, and prepared as shards on disk."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets import Schema, Shards, ShuffledShards, Target, checked_table
from kerasnn.datasets.profiling.counting import ColumnCounts
from kerasnn.ensembles.recipe import Recipe
from kerasnn.ensembles.task import DiskTask, EnsembleTask, NetworkShape, TargetTransform
from kerasnn.preprocessing import Prepared, Preprocessor


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


@dataclass(frozen=True)
class PreparedTable:
    """A table on disk, with its rows as a network takes them.

    Attributes:
        table: as it was given.
        schema: with the ranges of all rows.
        preprocessor: fitted to sample and counts.
        shards: training rows.
        sample, held_out: prepared rows.
    """

    table: TableOnDisk
    schema: Schema
    preprocessor: Preprocessor
    shards: Shards
    sample: Prepared
    held_out: Prepared

    @classmethod
    def of(cls, table: TableOnDisk, recipe: Recipe) -> "PreparedTable":
        """Fit the preprocessing, and write the shards.

        Raises:
            InputError: a row cannot be used, or the shards cannot be written.
        """
        sample = checked_table(table.sample, table.schema)
        preprocessor = Preprocessor.fit(
            sample,
            table.schema,
            frequent_value_codes=recipe.frequent_value_codes,
            counts=table.counts,
        )
        held_out = preprocessor.prepare(checked_table(table.held_out, table.schema))
        shards = table.write(preprocessor)
        return cls(
            table=table,
            schema=_with_ranges(table.schema, shards.notes["ranges"]),
            preprocessor=preprocessor,
            shards=shards,
            sample=preprocessor.prepare(sample),
            held_out=held_out,
        )

    @property
    def moments(self) -> Mapping[str, float]:
        """Moments of numeric targets, over all training rows."""
        return self.shards.notes["moments"]

    def task(
        self, transform: TargetTransform, shape: NetworkShape, recipe: Recipe, seed: int
    ) -> DiskTask:
        """Return the task of an ensemble that learns from the table."""
        validation = EnsembleTask(
            x=self.held_out.x,
            codes=self.held_out.codes,
            targets=transform(self.table.held_out_targets),
            weights=np.ones(len(self.held_out.x), np.float32),
            shape=shape,
            recipe=recipe,
            seed=seed,
        )
        return DiskTask(
            validation,
            ShuffledShards(self.shards, seed=seed),
            *self.sample,
            transform,
            self.table.fingerprint,
        )


def _with_ranges(schema: Schema, ranges: Mapping[str, list[Any]]) -> Schema:
    """Return the schema of a sample with the ranges of all rows."""
    columns = []
    for column in schema.columns:
        if column.name in ranges:
            ends = ("low", "high") if column.kind == "numeric" else ("first", "last")
            known = dict(zip(ends, ranges[column.name], strict=True))
            column = dataclasses.replace(column, **known)
        columns.append(column)
    return dataclasses.replace(schema, columns=tuple(columns))
