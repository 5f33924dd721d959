"""Scores of a saved network on the rows of a table, in memory or on disk."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn import reports, saving
from kerasnn.datasets import Notice, ReadOptions, Schema, Target, category_text, read_table
from kerasnn.datasets.cells.factorized import factorize
from kerasnn.datasets.cells.parsing import are_plain_numbers
from kerasnn.datasets.files.plain_columns import parse_numbers
from kerasnn.datasets.files.table_files import (
    bounded_chunks,
    holds_text,
    in_rows_from,
    table_files,
)
from kerasnn.datasets.names import check_names
from kerasnn.datasets.schema.target import target_values, usable_rows
from kerasnn.errors import InputError
from kerasnn.reports import Score
from kerasnn.tables.files import are_large, files_fingerprint
from kerasnn.tables.rows import table_fingerprint


class _Answers(NamedTuple):
    """Truth and predictions of the rows that can be scored, and what is to be said."""

    truth: NDArray[Any]
    predicted: NDArray[Any]
    notices: list[Notice]


@dataclass(frozen=True)
class Evaluation:
    """Scores of a saved network on a table.

    Attributes:
        rows: number of rows.
        scores: with intervals.
        learned: whether the network was trained on this table: it knows most rows.
        notices: rows that were left out, and columns unlike those of the training.
    """

    rows: int
    scores: dict[str, Score]
    learned: bool
    notices: tuple[Notice, ...] = ()


def evaluate(
    saved: saving.SavedTable, source: Any, *, reading: ReadOptions | None = None
) -> Evaluation:
    """Score a saved network on the rows of a table that has the target column.

    Rows without a known target, or with a cell that cannot be read, are left out and
    counted, unless `reading` is strict.

    Args:
        saved: the network.
        source: anything that `datasets.as_table` accepts.
        reading: how to read a file; None guesses.

    Raises:
        InputError: a column is missing, or a cell cannot be used.
    """
    target = saved.schema.target
    assert target is not None  # `export_table` needs it
    known = saved.manifest.get("data", {}).get("fingerprint")
    if isinstance(source, str | Path) and are_large(Path(source)):
        path = Path(source)
        answers = _answer_in_parts(saved, target, path, reading)
        learned = known == files_fingerprint(path)
    else:
        needed = [target.name, *saved.schema.names]
        read = read_table(source, reading, needed)
        table = read.table
        if not len(table):
            raise InputError("the table has no rows; scores need at least one")
        answers = _answer(saved, target, table, reading)
        answers.notices.extend(read.notices)
        trained = table[usable_rows(table[target.name], target)]  # others are left out
        learned = known == table_fingerprint(trained, [*saved.schema.names, target.name])
        if not learned and isinstance(source, str | Path):
            learned = known == files_fingerprint(Path(source))
    truth, predicted, notices = answers
    if not len(truth):
        raise InputError(
            f"no row can be scored: {'; '.join(notice.message for notice in notices)}"
        )
    scores = reports.score_predictions(target.task, truth, predicted)
    return Evaluation(len(truth), scores, learned, tuple(notices))


def _answer(
    saved: saving.SavedTable,
    target: Target,
    table: pd.DataFrame,
    reading: ReadOptions | None,
) -> _Answers:
    check_names([target.name], table.columns, by="the network's target")
    column = table[target.name]
    if reading is not None and reading.strict:
        usable, answers = np.ones(len(table), np.bool_), saved.predict(table)
        notices: list[Notice] = []
    else:
        found = saved.answer_rows(table, reading=reading)
        usable = usable_rows(column, target) & found.is_answered
        answers = found.outputs
        notices = [*_left_out(target, column, found), *found.notices]
    predicted = answers["value" if target.task == "regression" else "probabilities"]
    return _Answers(target_values(column[usable], target), predicted[usable], notices)


def _left_out(
    target: Target, column: pd.Series, answers: saving.RowAnswers
) -> Iterator[Notice]:
    """Yield notices about rows that are not scored."""
    unknown = ~usable_rows(column, target)
    if unknown.any():
        cells = category_text(column[unknown].reset_index(drop=True))
        texts = list(dict.fromkeys("missing" if c is None else repr(c) for c in cells))
        shown = ", ".join(texts[:3]) + (", ..." if len(texts) > 3 else "")
        known = "a number" if target.task == "regression" else "a class that it knows"
        yield Notice(
            "unusable-target",
            f"{int(unknown.sum()):,} of {len(column):,} rows are not scored, because their"
            f" target {target.name!r} is not {known} ({shown})",
            (target.name,),
            int(unknown.sum()),
        )
    if answers.invalid:
        rows = int((~answers.is_answered).sum())
        message = f"{rows:,} of {len(column):,} rows are not scored: first, "
        yield Notice("invalid-cells", message + answers.invalid[0].message, rows=rows)


def _answer_in_parts(
    saved: saving.SavedTable, target: Target, path: Path, reading: ReadOptions | None
) -> _Answers:
    """Answer files whose rows are larger than memory; the answers must fit in it."""
    parts: list[_Answers] = []
    start = 0
    numeric = _numeric_texts(saved.schema) if holds_text(table_files(path)[0]) else []
    needed = [target.name, *saved.schema.names]
    for chunk in bounded_chunks(path, options=reading, needed=needed):
        try:
            rows = parse_numbers(chunk, numeric)
            parts.append(_answer(saved, target, rows, reading))
        except InputError as error:
            raise InputError(f"{path}: {in_rows_from(start)}{error}") from None
        start += len(chunk)
    truth, predicted, notices = zip(*parts, strict=True)
    return _Answers(
        np.concatenate(truth), np.concatenate(predicted), _first_of_each(chain(*notices))
    )


def _first_of_each(notices: Iterable[Notice]) -> list[Notice]:
    """Return the first notice of each kind and column."""
    found: dict[Any, Notice] = {}
    for notice in notices:
        found.setdefault((notice.code, notice.columns), notice)
    return list(found.values())


def _numeric_texts(schema: Schema) -> list[str]:
    """Return the columns whose levels or classes are numbers: in a CSV 1.50 is 1.5."""
    levels = {c.name: c.levels for c in schema.columns if c.kind == "categorical"}
    if schema.target is not None:
        levels[schema.target.name] = schema.target.classes
    return [
        name
        for name, texts in levels.items()
        if texts and are_plain_numbers(factorize(list(texts)))
    ]
