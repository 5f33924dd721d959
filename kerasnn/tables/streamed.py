"""The rows of a table that is larger than memory, and which of them are kept for what.

The table is read twice. The first time (`survey`) a sample is drawn and all rows are
counted. The first rows of the sample, which is in random order, are kept for the test, the
next are held out to choose the epoch, and the rest stand for the rows to learn from where
quantiles are needed. The second time all rows to learn from are prepared and written as
shards.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.abandoned import ROWS, remove, temporary_folder
from kerasnn.checkpoints import ROWS_FOLDER
from kerasnn.choices import Task
from kerasnn.datasets import (
    Schema,
    Shards,
    Target,
    checked_table,
    open_shards,
    write_shards,
)
from kerasnn.datasets.counting import ColumnCounts
from kerasnn.datasets.csv_table import numbers_where_possible
from kerasnn.datasets.readings import plain_numbers
from kerasnn.datasets.shards import ROWS_PER_SHARD
from kerasnn.datasets.table_files import is_csv, table_files
from kerasnn.errors import InputError
from kerasnn.estimators.table_on_disk import TableOnDisk
from kerasnn.preprocessing import Preprocessor
from kerasnn.tables.files import files_fingerprint
from kerasnn.tables.ranges import Moments, Ranges
from kerasnn.tables.rows import check_test_size, target_values
from kerasnn.tables.survey import Survey, chunks_of, schema_of, surveyed
from kerasnn.training.distribution.workers import ALONE, SingleProcess

# At the most. Quantiles of so many rows are off by at most 0.8 % of the rows (rank_error).
TEST_ROWS = 50_000
HELD_OUT_ROWS = 20_000
SAMPLE_ROWS = 65_536
HELD_OUT_SHARE = 0.1
MIN_ROWS = 100
SHARD_ROWS = ROWS_PER_SHARD


@dataclass(frozen=True)
class StreamedRows:
    """A table on disk, what its columns are, and which rows are never learned from.

    Attributes:
        source: where it is from, for a person.
        schema: of all its rows, with the target.
        test: [rows, columns] raw rows of the test, in the order of the table.
        held_out: [rows, columns] raw rows that choose the epoch.
        sample: [rows, columns] raw rows of those to learn from.
        counts: of each column, of the rows to learn from.
        n_rows: of the whole table.
        of_numbers: columns of text that are numbers.
        test_size: the share of the rows that was asked for.
        seed: that the rows were drawn with.
        fingerprint: of the files.
    """

    source: str
    schema: Schema
    test: pd.DataFrame
    held_out: pd.DataFrame
    sample: pd.DataFrame
    counts: Mapping[str, ColumnCounts]
    n_rows: int
    of_numbers: frozenset[str]
    test_size: float
    seed: int
    fingerprint: str

    @property
    def target(self) -> Target:
        """What is to be predicted."""
        assert self.schema.target is not None  # `stream_rows` asks for it
        return self.schema.target

    @property
    def columns(self) -> list[str]:
        """Those that the network takes."""
        return list(self.schema.names)

    @property
    def n_tested(self) -> int:
        """Rows that are kept for the test."""
        return len(self.test)

    @property
    def n_trained(self) -> int:
        """Rows that are learned from."""
        return self.n_rows - len(self.test) - len(self.held_out)

    def inputs(self, *, tested: bool) -> pd.DataFrame:
        """[rows, columns] of the test, or of the sample of the training."""
        rows = self.test if tested else self.sample
        return rows[self.columns].reset_index(drop=True)

    def targets(self, *, tested: bool) -> pd.Series:
        """[rows] the raw targets of the same rows."""
        return (self.test if tested else self.sample)[self.target.name]

    @cached_property
    def unseen(self) -> NDArray[np.int64]:
        """The numbers of the rows that are not learned from, rising."""
        return np.sort(np.concatenate([self.test.index, self.held_out.index]))

    def on_disk(
        self, folder: Path, workers: SingleProcess = ALONE, *, shared: bool = False
    ) -> TableOnDisk:
        """As an estimator learns from it; the shards will lie in this folder.

        Shards that are there already are used if they are of the same table and settings.

        Args:
            folder: of the shards.
            workers: workers that train together.
            shared: whether they have this folder in common; the chief writes it then.
        """
        return TableOnDisk(
            schema=self.schema,
            sample=self.sample,
            counts=self.counts,
            n_rows=self.n_trained,
            held_out=self.held_out,
            held_out_targets=target_values(self.held_out[self.target.name], self.target),
            write=lambda fitted: self._written(fitted, folder, workers, shared=shared),
            fingerprint=self.fingerprint,
        )

    def _written(
        self,
        preprocessor: Preprocessor,
        folder: Path,
        workers: SingleProcess,
        *,
        shared: bool,
    ) -> Shards:
        # Each worker has a shard.
        most_rows = min(SHARD_ROWS, -(-self.n_trained // workers.n_workers))

        def written() -> str:
            return str(self._shards(preprocessor, folder, most_rows).folder)

        if shared:
            workers.run_on_chief(written)
        return open_shards(written())

    def _shards(self, preprocessor: Preprocessor, folder: Path, most_rows: int) -> Shards:
        target = self.target
        known = {
            "fingerprint": self.fingerprint,
            "target": [target.name, target.task, list(target.classes)],
            "preprocessing": preprocessor.to_dict(),
            "unseen": [self.seed, len(self.test), len(self.held_out)],
        }
        if folder.exists():
            shards = open_shards(folder)
            different = [k for k in known if shards.notes.get(k) != known[k]]
            if different:
                raise InputError(
                    f"{folder}: holds rows of another table or of other settings"
                    f" ({', '.join(different)} differ); remove it, or use another folder"
                )
            return shards
        ranges, moments = Ranges(self.schema), Moments()
        notes: dict[str, Any] = dict(known)

        def blocks() -> Iterator[dict[str, NDArray[Any]]]:
            for table, targets in self._training_rows():
                ranges.add(table)
                moments.add(targets)
                prepared = preprocessor.prepare(table)
                yield {"x": prepared.x, "codes": prepared.codes, "y": targets}
            # Known once all rows have passed; the notes are written after them.
            notes.update(ranges=ranges.found(), moments=moments.found())

        return write_shards(blocks(), folder, rows_per_shard=most_rows, notes=notes)

    def _training_rows(self) -> Iterator[tuple[pd.DataFrame, NDArray[Any]]]:
        """Checked rows to learn from, so many at a time, and their targets."""
        start = 0
        for chunk in chunks_of(Path(self.source)):
            try:
                chunk = as_numbers(chunk, self.of_numbers)
                checked = checked_table(chunk, self.schema)
                targets = target_values(chunk[self.target.name], self.target)
            except InputError as error:
                where = in_rows_from(start)
                raise InputError(f"{self.source}: {where}{error}") from None
            first, last = np.searchsorted(self.unseen, [start, start + len(chunk)])
            learned = np.ones(len(chunk), np.bool_)
            learned[self.unseen[first:last] - start] = False
            start += len(chunk)
            if learned.any():
                dtype = np.float64 if self.target.task == "regression" else np.int32
                yield checked[learned], targets[learned].astype(dtype)
        if start != self.n_rows:
            raise InputError(
                f"{self.source}: had {self.n_rows:,} rows when it was read first, and"
                f" {start:,} now; leave it alone while it is read"
            )


def stream_rows(
    source: str | Path,
    *,
    target: str,
    task: Task | None = None,
    test_size: float = 0.2,
    ignore: Iterable[str] = (),
    categorical: Iterable[str] = (),
    numeric: Iterable[str] = (),
    boolean: Iterable[str] = (),
    datetime: Iterable[str] = (),
    seed: int = 0,
) -> StreamedRows:
    """Read a table once, and draw the rows of the test; what `read_rows` does in memory.

    Args:
        source: path of a CSV or Parquet file, or of a folder of them.
        target: as for `read_rows`, and so are the others.
        task: likewise.
        test_size: likewise; `TEST_ROWS` rows at the most, drawn uniformly.
        ignore: likewise.
        categorical: likewise.
        numeric: likewise.
        boolean: likewise.
        datetime: likewise.
        seed: likewise.

    Raises:
        InputError: the table, a column or the target cannot be used, or it is small.
    """
    check_test_size(test_size)
    path = Path(source)
    wishes = {
        wish: [names] if isinstance(names, str) else list(names)
        for wish, names in {
            "ignore": ignore,
            "categorical": categorical,
            "numeric": numeric,
            "boolean": boolean,
            "datetime": datetime,
        }.items()
    }
    fingerprint = files_fingerprint(path)
    survey = surveyed(
        path,
        most=TEST_ROWS + HELD_OUT_ROWS + SAMPLE_ROWS,
        texts=[target, *wishes["categorical"], *wishes["boolean"]],
        seed=seed,
    )
    _check_rows(path, survey)
    survey, of_numbers = _with_numbers(path, survey)
    schema = _schema(path, survey, target, task=task, **wishes)
    test, held_out, sample = _divided(survey, test_size)
    unseen = pd.concat([test, held_out])
    counts = {n: c.without(unseen[n]) for n, c in survey.counts.items()}
    _check_classes(schema.target, counts[target])
    return StreamedRows(
        source=str(source),
        schema=schema,
        test=test,
        held_out=held_out,
        sample=sample,
        counts=counts,
        n_rows=survey.rows,
        of_numbers=of_numbers,
        test_size=test_size,
        seed=seed,
        fingerprint=fingerprint,
    )


def _check_rows(path: Path, survey: Survey) -> None:
    if survey.rows < MIN_ROWS:
        raise InputError(
            f"{path}: has {survey.rows} rows; a table that is read from disk needs"
            f" {MIN_ROWS}. Read it into memory: stream=False"
        )


def _check_classes(target: Target | None, counts: ColumnCounts) -> None:
    """Every class has a row to learn from."""
    if target is None or counts.texts is None:
        return
    none = [text for text in target.classes if text not in counts.texts]
    if none:
        raise InputError(
            f"the target {target.name!r}: no row of {none[0]!r} is left to learn from:"
            " all were drawn for the test or to choose the epoch; another seed draws others"
        )


def _schema(path: Path, survey: Survey, target: str, **wishes: Any) -> Schema:
    """The schema; rows that an error names are those of the sample, and it says so."""
    try:
        return schema_of(survey, target, **wishes)
    except InputError as error:
        if survey.whole or not re.search(r"\brow \d", str(error)):
            raise
        drawn = f"in the {len(survey.sample):,} rows drawn from it, counted among them"
        raise InputError(f"{path}: {drawn}: {error}") from None


def _divided(survey: Survey, test_size: float) -> list[pd.DataFrame]:
    """The sample, as rows of the test, held-out ones and ones to learn from."""
    n_tested = min(round(survey.rows * test_size), TEST_ROWS)
    n_held_out = min(round(survey.rows * HELD_OUT_SHARE), HELD_OUT_ROWS)
    ends = [n_tested, n_tested + n_held_out]
    return [
        survey.sample.iloc[start:stop].sort_index()
        for start, stop in zip([0, *ends], [*ends, None], strict=True)
    ]


def _with_numbers(path: Path, survey: Survey) -> tuple[Survey, frozenset[str]]:
    """The sample with numbers where a column of a CSV file holds nothing else."""
    if not is_csv(table_files(path)[0]):
        return survey, frozenset()
    sample = numbers_where_possible(survey.sample.copy())
    of_numbers = {
        name
        for name in sample.columns
        if sample[name].dtype != survey.sample[name].dtype
        and _are_numbers(survey.counts[name].texts)
    }
    for name in set(sample.columns) - of_numbers:
        sample[name] = survey.sample[name]  # in all rows, not only in those drawn
    counts = {
        name: counts.of_numbers() if name in of_numbers else counts
        for name, counts in survey.counts.items()
    }
    return Survey(survey.rows, sample, counts), frozenset(of_numbers)


def _are_numbers(texts: Mapping[str, int] | None) -> bool:
    """Whether all texts are plain numbers; where there are too many nobody knows."""
    return texts is None or plain_numbers(list(texts)) is not None


def in_rows_from(start: int) -> str:
    """Where a message's row numbers begin to count."""
    return f"in the rows from {start:,} on, counted from there: " if start else ""


def as_numbers(chunk: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """The rows with these columns as numbers, where nothing in them is none."""
    chunk = chunk.copy(deep=False)
    for name in names:
        found = plain_numbers(chunk[name].tolist())
        if found is not None:
            chunk[name] = found
    return chunk


@contextmanager
def rows_folder(checkpoint: str | Path | None) -> Iterator[Path]:
    """Where shards lie: beside checkpoints, to be found again, or for the time being."""
    if checkpoint is not None:
        yield Path(checkpoint) / ROWS_FOLDER
        return
    folder = temporary_folder(ROWS)
    try:
        yield folder / ROWS_FOLDER
    except InputError as error:
        if not str(error).startswith(str(folder)):
            raise
        raise InputError(
            f"{error}; the environment variable TMPDIR names another folder"
        ) from None
    finally:
        remove(folder)
