"""How good a saved network is on the rows of a table, in memory or on disk."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kerasnn import reports, saving
from kerasnn.datasets import Schema, Target, as_table
from kerasnn.datasets.cells import read_cells
from kerasnn.datasets.names import check_names
from kerasnn.datasets.readings import are_plain_numbers
from kerasnn.datasets.table_files import is_csv, table_files
from kerasnn.errors import InputError
from kerasnn.tables.files import are_large, files_fingerprint
from kerasnn.tables.outcome import Evaluation
from kerasnn.tables.rows import Array, fingerprint, target_values
from kerasnn.tables.streamed import as_numbers, in_rows_from
from kerasnn.tables.survey import chunks_of

RESAMPLES = 1000
ROWS_RESAMPLED = 100_000_000  # of all resamples together, about
LEAST_RESAMPLES = 100


def evaluate(saved: saving.SavedTable, source: Any) -> Evaluation:
    """How good a saved network is on the rows of a table that has the target column.

    Raises:
        InputError: the table has not the columns that are needed, or a cell cannot be used.
    """
    target = saved.schema.target
    assert target is not None  # `export_table` asks for it
    known = saved.manifest.get("data", {}).get("fingerprint")
    if isinstance(source, str | Path) and are_large(Path(source)):
        path = Path(source)
        truth, predicted = _answered_in_parts(saved, target, path)
        learned = known == files_fingerprint(path)
    else:
        table = as_table(source)
        if not len(table):
            raise InputError("the table has no rows; scores need at least one")
        truth, predicted = _answered(saved, target, table)
        learned = known == fingerprint(table, [*saved.schema.names, target.name])
        if not learned and isinstance(source, str | Path):
            learned = known == files_fingerprint(Path(source))
    return Evaluation(
        rows=len(truth),
        scores=reports.score_predictions(
            target.task, truth, predicted, resamples=_resamples(len(truth))
        ),
        learned=learned,
    )


def _answered(
    saved: saving.SavedTable, target: Target, table: pd.DataFrame
) -> tuple[Array, Array]:
    """The right answers for rows, and the network's."""
    check_names([target.name], table.columns, by="the network's target")
    truth = target_values(table[target.name], target)
    answers = saved.predict(table)
    return truth, answers["value" if target.task == "regression" else "probabilities"]


def _answered_in_parts(
    saved: saving.SavedTable, target: Target, path: Path
) -> tuple[Array, Array]:
    """The same of files whose rows do not fit in memory; their answers must."""
    parts: list[tuple[Array, Array]] = []
    start = 0
    of_numbers = _numbers_among(saved.schema) if is_csv(table_files(path)[0]) else []
    for chunk in chunks_of(path):
        try:
            parts.append(_answered(saved, target, as_numbers(chunk, of_numbers)))
        except InputError as error:
            raise InputError(f"{path}: {in_rows_from(start)}{error}") from None
        start += len(chunk)
    truth, predicted = zip(*parts, strict=True)
    return np.concatenate(truth), np.concatenate(predicted)


def _numbers_among(schema: Schema) -> list[str]:
    """Columns of categories or classes that are numbers: in a file 1.50 is 1.5."""
    levels = {c.name: c.levels for c in schema.columns if c.kind == "categorical"}
    if schema.target is not None:
        levels[schema.target.name] = schema.target.classes
    return [name for name, texts in levels.items() if texts and _all_numbers(list(texts))]


def _all_numbers(texts: list[str]) -> bool:
    return are_plain_numbers(read_cells(texts))


def _resamples(n_rows: int) -> int:
    """Of many rows the intervals are narrow, and fewer resamples tell how narrow."""
    return max(LEAST_RESAMPLES, min(RESAMPLES, ROWS_RESAMPLED // n_rows))
