"""New rows beside those that a saved network has learned from: what has drifted."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn import saving
from kerasnn.datasets import (
    Notice,
    ReadOptions,
    Target,
    category_text,
    check_rows,
    read_table,
)
from kerasnn.datasets.files.table_files import bounded_chunks, in_rows_from
from kerasnn.datasets.notices import first_of_each
from kerasnn.datasets.schema.limits import ColumnLimits
from kerasnn.datasets.schema.target import class_indices
from kerasnn.errors import InputError
from kerasnn.novelty import (
    MIN_NEW_ROWS,
    CellCounts,
    ColumnDrift,
    ColumnReference,
    Reference,
    Role,
    count_cells,
    find_drift,
    prediction_columns,
    target_column,
)
from kerasnn.tables.test_rows import known_targets

Verdict = Literal["no drift", "drift", "too few rows"]

_SAMPLED_ROWS = 1_000  # new rows with which effects are measured
_MAX_EFFECTS = 20  # columns, those that have drifted most
_SEED = 0


@dataclass(frozen=True)
class Effect:
    """How far the drift of one column moves the mean prediction.

    Attributes:
        output: the class or value that moves most.
        shift: mean prediction of the new rows, minus that of the same rows with cells as in
            the training; probabilities from 0 to 1, or units of the target.
    """

    output: str
    shift: float


@dataclass(frozen=True)
class TableDrift:
    """New rows beside those of the training.

    Attributes:
        rows: number of new rows.
        unreadable_rows: number of those with a cell that cannot be read; they have no
            prediction.
        rows_before: number of training rows that they are compared with.
        drifts: of columns, combinations of values, predictions, and of the target if it is
            known.
        effects: of columns that have drifted, by name.
        unusual: share of the rows that `check` calls unusual.
        unlikely: share of the rows with an unlikely combination of values.
        notices: of the reading.
    """

    rows: int
    unreadable_rows: int
    rows_before: int
    drifts: tuple[ColumnDrift, ...]
    effects: dict[str, Effect] = field(default_factory=dict)
    unusual: float = 0.0
    unlikely: float = 0.0
    notices: tuple[Notice, ...] = ()

    @property
    def drifted(self) -> tuple[ColumnDrift, ...]:
        """The columns and other things that have drifted."""
        return tuple(drift for drift in self.drifts if drift.drifted)

    @property
    def verdict(self) -> Verdict:
        """The answer in a word."""
        if self.rows < MIN_NEW_ROWS:
            return "too few rows"
        return "drift" if self.drifted else "no drift"

    @property
    def matters(self) -> bool:
        """True if the drift reaches the predictions, or is of the target."""
        roles = {drift.role for drift in self.drifted}
        return bool(roles & {"prediction", "target"})


def check_drift(
    saved: saving.SavedTable, source: Any, *, reading: ReadOptions | None = None
) -> TableDrift:
    """Compare the rows of a table with those that a saved network has learned from.

    A large file is read in chunks. Cells that cannot be read are counted. The target is
    compared if the table has it.

    Args:
        saved: the network.
        source: anything that `datasets.as_table` accepts.
        reading: how to read a file; None guesses.

    Raises:
        InputError: a column is missing, the table has no rows, or the network was exported
            without what it has learned from.
    """
    found = _Comparison(saved, saved.reference)
    notices: list[Notice] = []
    start = 0
    for chunk in _chunks(saved, source, reading, notices):
        try:
            found.add(chunk, reading)
        except InputError as error:
            where = f"{source}: " if isinstance(source, str | Path) else ""
            raise InputError(f"{where}{in_rows_from(start)}{error}") from None
        start += len(chunk)
    if not start:
        raise InputError("the table has no rows to compare with those of the training")
    result = found.result()
    return dataclasses.replace(
        result, notices=tuple(first_of_each([*result.notices, *notices]))
    )


def _chunks(
    saved: saving.SavedTable,
    source: Any,
    reading: ReadOptions | None,
    notices: list[Notice],
) -> Iterator[pd.DataFrame]:
    options = dataclasses.replace(reading or ReadOptions(), empty_rows=True)
    needed = saved.schema.names
    if isinstance(source, str | Path):
        yield from bounded_chunks(
            Path(source), options=options, needed=needed, notices=notices
        )
        return
    read = read_table(source, options, needed)
    notices += read.notices
    yield read.table


class _Comparison:
    """The counts of all rows so far, and some of the rows."""

    def __init__(self, saved: saving.SavedTable, reference: Reference) -> None:
        assert saved.schema.target is not None  # `export_table` needs it
        self._saved, self._schema = saved, saved.schema
        self._target: Target = saved.schema.target
        self._reference = reference
        self._counts: dict[tuple[Role, str], CellCounts] = {}
        self._references: dict[tuple[Role, str], ColumnReference] = {}
        self._rows = self._unreadable = self._unusual = self._unlikely = 0
        self._sample = pd.DataFrame()
        self._keys = np.zeros(0)
        self._rng = np.random.default_rng(_SEED)
        self._notices: list[Notice] = []

    def add(self, table: pd.DataFrame, reading: ReadOptions | None) -> None:
        """Count the rows of a part of the table."""
        strict = reading is not None and reading.strict
        checked = check_rows(table, self._schema, strict=strict, reading=reading)
        self._notices += checked.notices
        self._rows += len(checked.rows)
        wrong = {name: np.zeros(len(table), np.bool_) for name in self._schema.names}
        for cell in checked.invalid:
            wrong[cell.column][cell.row] = True
        for column, before in zip(
            self._schema.columns, self._reference.columns, strict=True
        ):
            cells, limits = checked.rows[column.name], ColumnLimits.of(column)
            counts = count_cells(before, cells, limits, wrong[column.name])
            self._count("column", before, counts)
        unreadable = np.logical_or.reduce([*wrong.values()])
        self._unreadable += int(unreadable.sum())
        self._add_target(table, reading)
        self._add_answers(checked.rows[~unreadable].reset_index(drop=True))

    def result(self) -> TableDrift:
        """Return what has drifted."""
        compared = [
            (role, self._references[role, name], counts)
            for (role, name), counts in self._counts.items()
            if role != "target" or counts.rows >= MIN_NEW_ROWS
        ]
        drifts = find_drift(compared) if self._rows >= MIN_NEW_ROWS else []
        answered = max(self._rows - self._unreadable, 1)
        return TableDrift(
            rows=self._rows,
            unreadable_rows=self._unreadable,
            rows_before=max(column.rows for column in self._reference.columns),
            drifts=tuple(drifts),
            effects=self._effects(drifts),
            unusual=self._unusual / answered,
            unlikely=self._unlikely / answered,
            notices=tuple(self._notices),
        )

    def _count(self, role: Role, before: ColumnReference, counts: CellCounts) -> None:
        key = role, before.bins.name
        self._references[key] = before
        self._counts[key] = self._counts[key] + counts if key in self._counts else counts

    def _add_target(self, table: pd.DataFrame, reading: ReadOptions | None) -> None:
        """Count the target where it is known; it need not be a column."""
        target, before = self._target, self._reference.target
        if before is None or target.name not in table.columns:
            return
        if target.task == "classification":
            column = table[target.name]
            indices = class_indices(column, target)
            classes = np.array([*target.classes, None], object)[indices]
            texts = category_text(column)
            is_missing = pd.isna(texts) | np.isin(texts, target.missing_texts)
            cells = np.where((indices < 0) & ~is_missing, texts, classes)
            known = pd.Series(cells, dtype=object).dropna()
        else:
            values, _, notices = known_targets(table[target.name], target, reading)
            self._notices += notices
            known = pd.Series(values).dropna()
        limits = ColumnLimits.of(target_column(target))
        self._count("target", before, count_cells(before, known, limits))

    def _add_answers(self, rows: pd.DataFrame) -> None:
        """Count predictions and unusual rows, of rows that can be read."""
        if not len(rows):
            return
        flags = self._saved.answer_rows(rows, signature="check").outputs
        self._unusual += int(flags["unusual"].sum())
        self._unlikely += int(flags["unlikely"].sum())
        if self._reference.combinations is not None:
            texts = pd.Series(flags["unlikely"]).map({True: "True", False: "False"})
            before = self._reference.combinations
            self._count("combination", before, count_cells(before, texts.astype(object)))
        found = prediction_columns(self._target, self._predictions(rows))
        for before in self._reference.predictions:
            _, cells = found[before.bins.name]
            self._count("prediction", before, count_cells(before, cells))
        self._draw(rows)

    def _predictions(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        name = "value" if self._target.task == "regression" else "probabilities"
        return self._saved.answer_rows(rows).outputs[name].astype(np.float64)

    def _draw(self, rows: pd.DataFrame) -> None:
        """Keep some rows, drawn at random from all parts of the table."""
        keys = np.concatenate([self._keys, self._rng.random(len(rows))])
        drawn = np.sort(np.argsort(keys, kind="stable")[:_SAMPLED_ROWS])
        old, new = drawn[drawn < len(self._sample)], drawn[drawn >= len(self._sample)]
        added = rows.iloc[new - len(self._sample)]
        kept = [self._sample.iloc[old]] if len(old) else []
        self._sample = pd.concat([*kept, added], ignore_index=True)
        self._keys = keys[drawn]

    def _effects(self, drifts: Sequence[ColumnDrift]) -> dict[str, Effect]:
        """Return the effects of the columns that have drifted most."""
        drifted = [d for d in drifts if d.drifted and d.role == "column"]
        if not len(self._sample) or not drifted:
            return {}
        now = self._mean_prediction(self._sample)
        drifted = sorted(drifted, key=lambda drift: -drift.psi)[:_MAX_EFFECTS]
        effects = {}
        for drift in drifted:
            before = self._references["column", drift.name]
            cells = _ordinary_cells(before, self._sample[drift.name], self._rng)
            if cells is not None:
                shifts = now - self._mean_prediction(
                    self._sample.assign(**{drift.name: cells})
                )
                effects[drift.name] = self._effect(shifts)
        return effects

    def _mean_prediction(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        predictions = self._predictions(rows)
        return predictions.reshape(len(rows), -1).mean(axis=0)

    def _effect(self, shifts: NDArray[np.float64]) -> Effect:
        """Return the largest shift; of two classes that of the second."""
        classes = self._target.classes
        most = 1 if len(classes) == 2 else int(np.abs(shifts).argmax())
        name = classes[most] if classes else self._target.name
        return Effect(name, float(shifts[most]))


def _ordinary_cells(
    before: ColumnReference, like: pd.Series, rng: np.random.Generator
) -> pd.Series | None:
    """Draw cells of a column as they were in the training; None for free text.

    Args:
        before: of the column.
        like: [rows] cells of the same column.
        rng: draws them.
    """
    bins, counts = before.bins, np.array(before.counts, np.float64)
    values: list[Any]
    if bins.kind == "text":
        return None
    if bins.has_levels:
        values = [*bins.levels, None, None]
        counts[-2] = 0  # other levels have no text
    elif bins.kind == "datetime":
        days = [np.nan if value is None else value for value in before.values]
        values = [*pd.to_datetime(days, unit="D").astype(like.dtype)]
    else:
        values = [np.nan if value is None else value for value in before.values]
    if not counts.sum():
        return None
    drawn = rng.choice(len(values), len(like), p=counts / counts.sum())
    return pd.Series(values, index=range(len(values))).iloc[drawn].set_axis(like.index)
