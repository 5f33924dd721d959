"""A table that is larger than memory: as it is given, prepared on disk, and as a job."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.choices import TabularTask
from kerasnn.datasets import Schema, Shards, ShuffledShards, Target, checked_table
from kerasnn.datasets.profiling.counting import ColumnCounts
from kerasnn.estimators.job import Job
from kerasnn.estimators.recipe import Recipe
from kerasnn.preprocessing import Prepared, Preprocessor
from kerasnn.training.distribution.workers import WorkerGroup
from kerasnn.training.member_groups import MemberGroups, Rows

# From "y" of the shards to what a step takes: [rows] labels, or [rows, 1] standardised.
Learned = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True)
class TableOnDisk:
    """A table that is read in blocks, as an estimator learns from it.

    Attributes:
        schema: of all its rows, with the target.
        sample: [rows, columns] raw rows to learn from, drawn at random.
        counts: of each column, of all rows to learn from.
        n_rows: rows to learn from.
        held_out: [rows, columns] raw rows that no member learns from.
        held_out_targets: [rows], like "y" of the shards.
        write: from fitted preprocessing to shards of all rows to learn from: "x", "codes",
            and "y", indices into the classes or numbers. Their notes have the "ranges" of
            columns of numbers and dates, [least, greatest], and the "moments" of numbers
            to be predicted, "mean", "deviation", "low" and "high".
        fingerprint: of the table.
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
        """What is to be predicted."""
        assert self.schema.target is not None  # whoever made it asked for it
        return self.schema.target


@dataclass(frozen=True)
class PreparedTable:
    """The same with its rows as a network takes them, on disk.

    Attributes:
        table: as it was given.
        schema: with the ranges of all rows.
        preprocessor: fitted to sample and counts.
        shards: rows to learn from.
        sample, held_out: prepared.
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
            InputError: a row cannot be used, or the disk does not take the shards.
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
        """Of the numbers to be predicted, over all rows to learn from."""
        return self.shards.notes["moments"]

    def job(
        self,
        learned: Learned,
        *,
        n_out: int,
        task: TabularTask,
        recipe: Recipe,
        seed: int,
    ) -> "DiskJob":
        """The job of an ensemble."""
        n_rows = len(self.held_out.x)
        judged = Job(
            x=self.held_out.x,
            codes=self.held_out.codes,
            targets=learned(self.table.held_out_targets),
            weights=np.ones(n_rows, np.float32),
            n_numeric=self.preprocessor.n_numeric,
            cardinalities=self.preprocessor.cardinalities,
            n_out=n_out,
            task=task,
            recipe=recipe,
            seed=seed,
        )
        rows = ShuffledShards(self.shards, seed=seed)
        return DiskJob(judged, rows, self.sample, learned, self.table.fingerprint)


@dataclass(frozen=True)
class DiskJob:
    """What `train_on_disk` trains.

    Attributes:
        judged: the held-out rows, which tell how good the members are.
        rows: to learn from, on disk.
        sample: some of them, for the first weights.
        learned: from targets as they lie there to what a step takes.
        fingerprint: of the table.
    """

    judged: Job
    rows: ShuffledShards
    sample: Prepared
    learned: Learned
    fingerprint: str

    def feed(self, workers: WorkerGroup | None = None) -> MemberGroups:
        """The rows, for the loop; of a worker of a workers its own."""
        return MemberGroups(
            self.rows,
            self.judged.member_seeds,
            self.judged.recipe.batch_size,
            self._rows_of,
            place=(0, 1) if workers is None else (workers.worker, workers.n_workers),
        )

    def _rows_of(self, data: tuple[Mapping[str, Any], NDArray[Any]]) -> Rows:
        inputs, targets = data
        return inputs["x"], inputs["codes"], self.learned(targets)


def _with_ranges(schema: Schema, ranges: Mapping[str, list[Any]]) -> Schema:
    """The schema of a sample with what is known of all rows."""
    columns = []
    for column in schema.columns:
        if column.name in ranges:
            low, high = ranges[column.name]
            ends = ("low", "high") if column.kind == "numeric" else ("first", "last")
            known = dict(zip(ends, (low, high), strict=True))
            column = dataclasses.replace(column, **known)
        columns.append(column)
    return dataclasses.replace(schema, columns=tuple(columns))
