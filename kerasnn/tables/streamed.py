"""The rows of a table that is larger than memory, divided into training and test.

The table is read twice. The first pass (`profile_table`) draws a sample in random order
and counts all rows. The first rows of the sample become test rows, the next are held out to
choose the epoch, and the rest represent the training rows where quantiles are needed. The
second pass prepares all training rows and writes them as shards.
"""

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.checkpoints import ROWS_FOLDER
from kerasnn.choices import Task
from kerasnn.datasets import (
    ColumnHints,
    Notice,
    ReadOptions,
    Schema,
    Shards,
    Target,
    checked_table,
    open_shards,
    write_shards,
)
from kerasnn.datasets.cells.parsing import plain_numbers
from kerasnn.datasets.files.plain_columns import as_objects, parse_numbers
from kerasnn.datasets.files.table_files import (
    bounded_chunks,
    holds_text,
    in_rows_from,
    table_files,
)
from kerasnn.datasets.profiling.counting import ColumnCounts
from kerasnn.datasets.profiling.profile import TableProfile, profile_table, profiled_schema
from kerasnn.datasets.profiling.ranges import Moments, Ranges
from kerasnn.datasets.schema.target import target_values, usable_rows
from kerasnn.datasets.shards.shards import ROWS_PER_SHARD
from kerasnn.errors import InputError
from kerasnn.estimators.table_on_disk import TableOnDisk
from kerasnn.json_forms import (
    check_form,
    either,
    list_of,
    mapping_of,
    number,
    record,
    text,
)
from kerasnn.preprocessing import Preprocessor
from kerasnn.splits import time_values
from kerasnn.system.partial_folders import ROWS, remove, temporary_folder
from kerasnn.tables.files import files_fingerprint
from kerasnn.tables.parts import (
    HELD_OUT,
    LEARNED,
    TESTED,
    DrawnParts,
    GroupParts,
    Parts,
    RowParts,
    Shares,
    TimeParts,
)
from kerasnn.tables.rows import TableRows, check_test_size, score_warnings
from kerasnn.tables.test_rows import TestRows, read_test_rows
from kerasnn.tables.validation import Validation
from kerasnn.training.distribution.checkpoints import checkpoint_folder
from kerasnn.training.distribution.workers import ALONE, SingleProcess

# The ranks of quantiles of so many rows are off by at most 0.8 %
# (tests/test_sampling.py).
MAX_SAMPLE_ROWS = 65_536
MAX_TEST_ROWS = 50_000
MAX_HELD_OUT_ROWS = 20_000
HELD_OUT_SHARE = 0.1
MIN_ROWS = 100
SHARD_ROWS = ROWS_PER_SHARD

_ENDS = either(list_of(number, 2, minimum=2), list_of(text(100), 2, minimum=2))
_MOMENTS = record(
    dict.fromkeys(("mean", "deviation", "low", "high"), number), {}, others=False
)
# What `_shards` stores beside the rows: extremes of columns, and of numeric targets.
_NOTES = record({"ranges": mapping_of(_ENDS)}, {"moments": _MOMENTS}, others=True)


@dataclass(frozen=True, kw_only=True)
class StreamedRows(TableRows):
    """A table on disk.

    Attributes:
        test: [rows, columns] raw test rows, in the order of the table.
        held_out: [rows, columns] raw rows that choose the epoch.
        sample: [rows, columns] raw sample of the training rows.
        counts: of each column over the training rows.
        numeric_texts: columns of text that contain only numbers.
        fingerprint: of the files.
        n_read: number of rows of the files, with those that have no usable target.
        parts: which rows are learned from.
        reading: how the files are read.
        test_rows: the test rows, if they are of another table.
    """

    test: pd.DataFrame
    held_out: pd.DataFrame
    sample: pd.DataFrame
    counts: Mapping[str, ColumnCounts]
    numeric_texts: frozenset[str]
    fingerprint: str
    n_read: int
    parts: RowParts
    reading: ReadOptions | None = None
    test_rows: TestRows | None = None

    @property
    def n_held_out(self) -> int:
        """Number of rows that only choose the epoch."""
        return len(self.held_out)

    def inputs(self, *, tested: bool) -> pd.DataFrame:
        """Return [rows, columns] of the test, or of the sample of the training."""
        rows = self.test if tested else self.sample
        if tested and self.test_rows is not None:
            rows = self.test_rows.table
        return rows[[*self.schema.names]].reset_index(drop=True)

    def targets(self, *, tested: bool) -> NDArray[Any]:
        """Return [rows] class indices or float64, of the same rows."""
        if tested and self.test_rows is not None:
            return self.test_rows.values
        rows = self.test if tested else self.sample
        return target_values(rows[self.target.name], self.target)

    def on_disk(
        self, folder: Path, workers: SingleProcess = ALONE, *, shared: bool = False
    ) -> TableOnDisk:
        """Return the table as an estimator takes it.

        Shards in the folder are used if they are of the same table and settings.

        Args:
            folder: of the shards.
            workers: that train together.
            shared: whether all workers see the same folder; the chief writes it then.
        """
        return TableOnDisk(
            schema=self.schema,
            sample=self.sample,
            counts=self.counts,
            n_rows=self.n_trained,
            held_out=self.held_out,
            held_out_targets=target_values(self.held_out[self.target.name], self.target),
            write=lambda fitted: self._write(fitted, folder, workers, shared=shared),
            fingerprint=self.fingerprint,
        )

    def _write(
        self,
        preprocessor: Preprocessor,
        folder: Path,
        workers: SingleProcess,
        *,
        shared: bool,
    ) -> Shards:
        # At least one shard for each worker.
        shard_rows = min(SHARD_ROWS, -(-self.n_trained // workers.n_workers))
        if shared:
            workers.run_on_chief(
                lambda: str(self._shards(preprocessor, folder, shard_rows).folder)
            )
        return self._shards(preprocessor, folder, shard_rows)

    def _shards(self, preprocessor: Preprocessor, folder: Path, shard_rows: int) -> Shards:
        target = self.target
        known = {
            "fingerprint": self.fingerprint,
            "target": [target.name, target.task, list(target.classes)],
            "preprocessing": preprocessor.to_dict(),
            "unseen": [self.seed, len(self.test), len(self.held_out)],
        }
        if self.validation.columns:
            known["validation"] = [self.validation.described(), self.test_size]
        if folder.exists():
            shards = open_shards(folder)
            check_form(shards.notes, _NOTES, source=f"{folder}: notes")
            if sorted(shards.arrays) != ["codes", "x", "y"]:
                raise InputError(f"{folder}: must hold x, codes and y of prepared rows")
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
            # Known after all rows; the notes are written later.
            notes.update(ranges=ranges.found(), moments=moments.found())

        return write_shards(blocks(), folder, rows_per_shard=shard_rows, notes=notes)

    def _usable(self, column: pd.Series) -> NDArray[np.bool_]:
        """Return [rows] whether rows are used: all, if `reading` is strict."""
        if self.reading is not None and self.reading.strict:
            return np.ones(len(column), np.bool_)
        return usable_rows(column, self.target)

    def _training_rows(self) -> Iterator[tuple[pd.DataFrame, NDArray[Any]]]:
        """Yield checked training rows and their targets, in chunks."""
        start = 0
        needed = [self.target.name, *self.validation.columns, *self.schema.names]
        source = Path(self.source)
        for chunk in bounded_chunks(source, options=self.reading, needed=needed):
            try:
                chunk = parse_numbers(chunk, self.numeric_texts)
                checked = checked_table(chunk, self.schema)
                usable = self._usable(chunk[self.target.name])
                targets = target_values(chunk[self.target.name][usable], self.target)
                numbered = chunk.set_axis(range(start, start + len(chunk)))[usable]
                learned = self.parts.of(numbered) == LEARNED
            except InputError as error:
                where = in_rows_from(start)
                raise InputError(f"{self.source}: {where}{error}") from None
            start += len(chunk)
            if learned.any():
                dtype = np.float64 if self.target.task == "regression" else np.int32
                yield checked[usable][learned], targets[learned].astype(dtype)
        if start != self.n_read:
            raise InputError(
                f"{self.source}: had {self.n_read:,} rows when it was read first, and"
                f" {start:,} now; leave it alone while it is read"
            )


def stream_rows(
    source: str | Path,
    *,
    target: str,
    task: Task | None = None,
    hints: ColumnHints | None = None,
    test_size: float | None = None,
    seed: int = 0,
    reading: ReadOptions | None = None,
    validation: Validation | None = None,
) -> StreamedRows:
    """Read a table once, infer its schema, and draw the test rows, as `read_rows`.

    With groups or times the rows that choose the epoch are whole groups, or later than all
    training rows and earlier than the test rows. At most `MAX_HELD_OUT_ROWS` of them and
    `MAX_TEST_ROWS` test rows are used; the rest are not learned from either.

    Args:
        source: path of a file or folder, as for `read_rows`.
        target: see `read_rows`.
        task: see `read_rows`.
        hints: see `read_rows`.
        test_size: see `read_rows`; at most `MAX_TEST_ROWS` rows, drawn uniformly.
        seed: see `read_rows`.
        reading: see `read_rows`.
        validation: see `read_rows`.

    Raises:
        InputError: the table, a column or the target cannot be used, or the table is small.
    """
    validation = validation or Validation()
    share = validation.share(test_size)
    check_test_size(share)
    path, hints, reading = Path(source), hints or ColumnHints(), reading or ReadOptions()
    fingerprint = files_fingerprint(path)
    groups = [] if validation.group is None else [validation.group]
    texts = [target, *groups, *hints.categorical, *hints.boolean]
    profile = _profiled(path, texts, seed, reading)
    n_read = profile.rows
    profile, numeric_texts = _with_numbers(path, profile)
    validation.check_columns(list(profile.sample.columns), target)
    schema = _schema(path, profile, target, task, validation.hints(hints), reading)
    profile = _with_targets(profile, schema)
    schema = validation.schema(schema, profile.sample, hints)
    parts = _parts(profile, validation, share, seed, reading)
    part_of_row = parts.of(profile.sample)
    test, held_out, sample = _divide(profile, part_of_row)
    unseen = profile.sample[part_of_row != LEARNED]
    counts = {n: c.without(unseen[n]) for n, c in profile.counts.items()}
    _check_classes(schema.target, counts[target])
    test_rows = read_test_rows(validation, schema, reading)
    return StreamedRows(
        source=str(source),
        schema=schema,
        n_rows=profile.rows,
        n_read=n_read,
        n_tested=len(test_rows.values) if test_rows else len(test),
        n_trained=_n_learned(profile, parts, part_of_row),
        test_size=share,
        seed=seed,
        validation=validation,
        fingerprint=fingerprint,
        notices=(
            *_warnings(profile, schema, test, validation),
            *profile.notices,
            *schema.notices,
            *(test_rows.notices if test_rows else ()),
        ),
        parts=parts,
        reading=reading,
        test_rows=test_rows,
        test=test,
        held_out=held_out,
        sample=sample,
        counts=counts,
        numeric_texts=numeric_texts,
    )


def _profiled(
    path: Path, texts: Sequence[str], seed: int, reading: ReadOptions
) -> TableProfile:
    """Read the table once; see `profile_table`.

    Raises:
        InputError: it has few rows.
    """
    profile = profile_table(
        path,
        sample_rows=MAX_TEST_ROWS + MAX_HELD_OUT_ROWS + MAX_SAMPLE_ROWS,
        texts=texts,
        seed=seed,
        options=reading,
    )
    if profile.rows < MIN_ROWS:
        raise InputError(
            f"{path}: has {profile.rows} rows; a table that is read from disk needs"
            f" {MIN_ROWS}. Read it into memory: stream=False"
        )
    return profile


def _check_classes(target: Target | None, counts: ColumnCounts) -> None:
    """Check that every class has a training row."""
    if target is None or counts.texts is None:
        return
    none = [text for text in target.classes if text not in counts.texts]
    if none:
        raise InputError(
            f"the target {target.name!r}: no row of {none[0]!r} is left to learn from:"
            " all were drawn for the test or to choose the epoch; another seed draws others"
        )


def _with_targets(profile: TableProfile, schema: Schema) -> TableProfile:
    """Return the profile without the rows that have no usable target."""
    target = schema.target
    assert target is not None
    counts = profile.counts[target.name].read_as(target)
    rows = sum(target.counts) if target.counts else counts.rows - counts.missing
    sample = profile.sample[usable_rows(profile.sample[target.name], target)]
    return dataclasses.replace(profile, rows=rows, sample=sample)


def _warnings(
    profile: TableProfile, schema: Schema, test: pd.DataFrame, validation: Validation
) -> tuple[Notice, ...]:
    """Return the warnings that the sample gives."""
    assert schema.target is not None
    rows = profile.sample.sort_index()
    values = target_values(rows[schema.target.name], schema.target)
    return score_warnings(rows, schema, values, rows.index.isin(test.index), validation)


def _schema(
    path: Path,
    profile: TableProfile,
    target: str,
    task: Task | None,
    hints: ColumnHints,
    reading: ReadOptions,
) -> Schema:
    """Return the schema; errors say that their row numbers are those of the sample."""
    try:
        return profiled_schema(profile, target, task=task, hints=hints, reading=reading)
    except InputError as error:
        if profile.is_complete or not re.search(r"\brow \d", str(error)):
            raise
        drawn = f"in the {len(profile.sample):,} rows drawn from it, counted among them"
        raise InputError(f"{path}: {drawn}: {error}") from None


def _parts(
    profile: TableProfile,
    validation: Validation,
    test_size: float,
    seed: int,
    reading: ReadOptions,
) -> RowParts:
    """Return which rows are tested, held out and learned from."""
    shares = Shares(test_size, HELD_OUT_SHARE)
    if validation.group is not None:
        return GroupParts.of_counts(
            validation.group,
            profile.counts[validation.group].texts,
            shares,
            seed=seed,
            missing_texts=tuple(reading.na),
        )
    if validation.time is not None:
        column = profile.sample[validation.time]
        found = validation.time_reading(profile.sample.sort_index(), reading)
        times = time_values(column, what=validation.what, reading=found)
        gap = math.ceil(validation.gap * len(column) / profile.rows)
        return TimeParts.of_times(validation.time, found, times, shares, gap=gap)
    n_tested = min(round(profile.rows * test_size), MAX_TEST_ROWS)
    n_held_out = min(round(profile.rows * HELD_OUT_SHARE), MAX_HELD_OUT_ROWS)
    drawn = profile.sample.index.to_numpy()[: n_tested + n_held_out]
    return DrawnParts(np.sort(drawn[:n_tested]), np.sort(drawn[n_tested:]))


def _n_learned(profile: TableProfile, parts: RowParts, part_of_row: Parts) -> int:
    """Return the number of rows to learn from; an estimate for times or many groups."""
    if isinstance(parts, DrawnParts):
        return profile.rows - len(parts.tested) - len(parts.held_out)
    if isinstance(parts, GroupParts):
        texts = profile.counts[parts.column].texts
        if texts is not None and sum(texts.values()) == profile.rows:
            learned = parts.of(pd.DataFrame({parts.column: list(texts)})) == LEARNED
            return int(np.array(list(texts.values()))[learned].sum())
    return round(profile.rows * float(np.mean(part_of_row == LEARNED)))


def _divide(profile: TableProfile, part_of_row: Parts) -> list[pd.DataFrame]:
    """Split the sample into test rows, held-out rows and training rows."""
    limits = {
        TESTED: MAX_TEST_ROWS,
        HELD_OUT: MAX_HELD_OUT_ROWS,
        LEARNED: MAX_SAMPLE_ROWS,
    }
    return [
        profile.sample[part_of_row == part].iloc[:limit].sort_index()
        for part, limit in limits.items()
    ]


def _with_numbers(path: Path, profile: TableProfile) -> tuple[TableProfile, frozenset[str]]:
    """Parse the columns of text that contain only numbers, and return their names."""
    if not holds_text(table_files(path)[0]):
        return profile, frozenset()
    sample = parse_numbers(profile.sample, profile.sample.columns)
    numeric_texts = {
        name
        for name in sample.columns
        if sample[name].dtype != profile.sample[name].dtype
        and _are_numbers(profile.counts[name].texts)
    }
    for name in set(sample.columns) - numeric_texts:
        sample[name] = profile.sample[name]  # only the drawn rows are numbers
    sample = as_objects(sample)
    counts = {
        name: counts.of_numbers() if name in numeric_texts else counts
        for name, counts in profile.counts.items()
    }
    parsed = dataclasses.replace(profile, sample=sample, counts=counts)
    return parsed, frozenset(numeric_texts)


def _are_numbers(texts: Mapping[str, int] | None) -> bool:
    """Return whether all counted texts are plain numbers; True if they were too many."""
    return texts is None or plain_numbers(list(texts)) is not None


@contextmanager
def rows_folder(
    checkpoint: str | Path | None, workers: SingleProcess = ALONE
) -> Iterator[Path]:
    """Context manager for the folder of shards: beside checkpoints, else temporary.

    Args:
        checkpoint: folder of the checkpoints, which is locked meanwhile; None for none.
        workers: that train together.

    Raises:
        InputError: another training uses the checkpoints.
    """
    if checkpoint is not None:
        with checkpoint_folder(workers, checkpoint).locked():
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
