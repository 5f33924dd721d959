"""Scores of a saved network on the rows of a table, in memory or on disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn import reports, saving
from kerasnn.datasets import ReadOptions, Schema, Target, read_table
from kerasnn.datasets.cells.factorized import factorize
from kerasnn.datasets.cells.parsing import are_plain_numbers
from kerasnn.datasets.files.csv_reader import parse_numbers
from kerasnn.datasets.files.table_files import (
    bounded_chunks,
    in_rows_from,
    is_csv,
    table_files,
)
from kerasnn.datasets.names import check_names
from kerasnn.datasets.schema.target import target_values
from kerasnn.errors import InputError
from kerasnn.reports import Score
from kerasnn.tables.files import are_large, files_fingerprint
from kerasnn.tables.rows import table_fingerprint

_Answers = tuple[NDArray[Any], NDArray[Any]]  # truth and predictions


@dataclass(frozen=True)
class Evaluation:
    """Scores of a saved network on a table.

    Attributes:
        rows: number of rows.
        scores: with intervals.
        learned: whether the network was trained on this table: it knows most rows.
    """

    rows: int
    scores: dict[str, Score]
    learned: bool


def evaluate(
    saved: saving.SavedTable, source: Any, *, reading: ReadOptions | None = None
) -> Evaluation:
    """Score a saved network on the rows of a table that has the target column.

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
        truth, predicted = _answer_in_parts(saved, target, path, reading)
        learned = known == files_fingerprint(path)
    else:
        needed = [target.name, *saved.schema.names]
        table = read_table(source, reading, needed).table
        if not len(table):
            raise InputError("the table has no rows; scores need at least one")
        truth, predicted = _answer(saved, target, table)
        learned = known == table_fingerprint(table, [*saved.schema.names, target.name])
        if not learned and isinstance(source, str | Path):
            learned = known == files_fingerprint(Path(source))
    scores = reports.score_predictions(target.task, truth, predicted)
    return Evaluation(rows=len(truth), scores=scores, learned=learned)


def _answer(saved: saving.SavedTable, target: Target, table: pd.DataFrame) -> _Answers:
    check_names([target.name], table.columns, by="the network's target")
    truth = target_values(table[target.name], target)
    answers = saved.predict(table)
    return truth, answers["value" if target.task == "regression" else "probabilities"]


def _answer_in_parts(
    saved: saving.SavedTable, target: Target, path: Path, reading: ReadOptions | None
) -> _Answers:
    """Answer files whose rows are larger than memory; the answers must fit in it."""
    parts: list[_Answers] = []
    start = 0
    numeric = _numeric_texts(saved.schema) if is_csv(table_files(path)[0]) else []
    needed = [target.name, *saved.schema.names]
    for chunk in bounded_chunks(path, options=reading, needed=needed):
        try:
            parts.append(_answer(saved, target, parse_numbers(chunk, numeric)))
        except InputError as error:
            raise InputError(f"{path}: {in_rows_from(start)}{error}") from None
        start += len(chunk)
    truth, predicted = zip(*parts, strict=True)
    return np.concatenate(truth), np.concatenate(predicted)


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
