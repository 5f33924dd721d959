"""Scores of a saved network on the rows of a table, in memory or on disk."""

from collections.abc import Iterator, Sequence
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
from kerasnn.datasets.notices import first_of_each
from kerasnn.datasets.schema.checking import InvalidCell
from kerasnn.datasets.schema.target import target_values, usable_rows
from kerasnn.errors import InputError
from kerasnn.manifest import DEFAULT_SIGNATURE, INTERVAL_SIGNATURE
from kerasnn.reports import COVERAGE, Covered, Score, coverage_scores
from kerasnn.tables.files import are_large, files_fingerprint
from kerasnn.tables.rows import table_fingerprint
from kerasnn.tables.test_rows import known_targets


class _Part(NamedTuple):
    """The answers for some rows of a table.

    Attributes:
        truth, predicted: of the rows that can be scored.
        covered: these rows with their intervals or sets; None without them.
        n_rows: number of all rows.
        unknown: texts of the targets that are not known, one for each such row.
        n_invalid: rows with a cell that cannot be read.
        invalid: the first such cell.
        notices: columns unlike those of the training.
    """

    truth: NDArray[Any]
    predicted: NDArray[Any]
    covered: Covered | None
    n_rows: int
    unknown: list[str | None]
    n_invalid: int
    invalid: InvalidCell | None
    notices: tuple[Notice, ...]


@dataclass(frozen=True)
class Evaluation:
    """Scores of a saved network on a table.

    Attributes:
        rows: number of rows.
        scores: with intervals.
        learned: whether the network was trained on this table, and so on most of its rows.
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
    notices: list[Notice] = []
    if isinstance(source, str | Path) and are_large(Path(source)):
        path = Path(source)
        parts = list(_answered_parts(saved, target, path, reading, notices))
        learned = known == files_fingerprint(path)
    else:
        needed = [target.name, *saved.schema.names]
        read = read_table(source, reading, needed)
        table = read.table
        if not len(table):
            raise InputError("the table has no rows; scores need at least one")
        parts = [_answered(saved, target, table, reading)]
        notices += read.notices
        trained = table[usable_rows(table[target.name], target)]  # others are left out
        learned = known == table_fingerprint(trained, [*saved.schema.names, target.name])
        if not learned and isinstance(source, str | Path):
            learned = known == files_fingerprint(Path(source))
    notices = [*_left_out(target, parts), *_of_parts(parts), *notices]
    truth = np.concatenate([part.truth for part in parts])
    if not len(truth):
        raise InputError(
            f"no row can be scored: {'; '.join(notice.message for notice in notices)}"
        )
    predicted = np.concatenate([part.predicted for part in parts])
    scores = reports.score_predictions(target.task, truth, predicted)
    covered = [part.covered for part in parts if part.covered is not None]
    if covered:
        joined = Covered(*map(np.concatenate, zip(*covered, strict=True)))
        scores |= coverage_scores(target.task, joined)
    return Evaluation(len(truth), scores, learned, tuple(notices))


def _answered(
    saved: saving.SavedTable,
    target: Target,
    table: pd.DataFrame,
    reading: ReadOptions | None,
    start: int = 0,
) -> _Part:
    """Answer the rows of a table, the first of which is row `start` of the source."""
    check_names([target.name], table.columns, by="the network's target")
    column = table[target.name]
    name = "value" if target.task == "regression" else "probabilities"
    truth, known, notices = known_targets(column, target, reading)
    options = {"coverage": COVERAGE} if saved.has_intervals else None
    signature = INTERVAL_SIGNATURE if saved.has_intervals else DEFAULT_SIGNATURE
    found = saved.answer_rows(table, reading=reading, signature=signature, options=options)
    if reading is not None and reading.strict:
        if not known.all():
            target_values(column, target)  # raises
        if found.invalid:
            raise InputError(found.invalid[0].message)
    scored = known & found.is_answered
    return _Part(
        truth=truth[scored],
        predicted=found.outputs[name][scored],
        covered=_covered(truth[scored], found, scored),
        n_rows=len(table),
        unknown=category_text(column[~known].reset_index(drop=True)).tolist(),
        n_invalid=int((~found.is_answered).sum()),
        invalid=found.invalid[0].moved(start) if found.invalid else None,
        notices=(*notices, *found.notices),
    )


def _covered(
    truth: NDArray[Any], found: saving.RowAnswers, scored: NDArray[np.bool_]
) -> Covered | None:
    """Return the scored rows with their intervals or sets, if the network has any."""
    if "in_set" in found.outputs:
        return Covered.of_classes(truth, found.outputs["in_set"][scored])
    if "lower" in found.outputs:
        ends = [found.outputs[end][scored] for end in ("lower", "upper")]
        return Covered.of_values(truth, ends)
    return None


def _left_out(target: Target, parts: Sequence[_Part]) -> Iterator[Notice]:
    """Yield notices about rows that are not scored."""
    n_rows = sum(part.n_rows for part in parts)
    unknown = [text for part in parts for text in part.unknown]
    if unknown:
        texts = dict.fromkeys("missing" if t is None else repr(t) for t in unknown)
        shown = ", ".join([*texts][:3]) + (", ..." if len(texts) > 3 else "")
        known = "a number" if target.task == "regression" else "a class that it knows"
        yield Notice(
            "unusable-target",
            f"{_rows(len(unknown), n_rows)} not scored, because their target"
            f" {target.name!r} is not {known} ({shown})",
            (target.name,),
            len(unknown),
        )
    n_invalid = sum(part.n_invalid for part in parts)
    first = next((part.invalid for part in parts if part.invalid), None)
    if first:
        message = f"{_rows(n_invalid, n_rows)} not scored: first, {first.message}"
        yield Notice("invalid-cells", message, rows=n_invalid)


def _rows(count: int, of: int) -> str:
    return f"{count:,} of {of:,} rows {'is' if count == 1 else 'are'}"


def _of_parts(parts: Sequence[_Part]) -> list[Notice]:
    return first_of_each(chain.from_iterable(part.notices for part in parts))


def _answered_parts(
    saved: saving.SavedTable,
    target: Target,
    path: Path,
    reading: ReadOptions | None,
    notices: list[Notice],
) -> Iterator[_Part]:
    """Answer files that are larger than memory; only the answers must fit in it."""
    start = 0
    numeric = _numeric_texts(saved.schema) if holds_text(table_files(path)[0]) else []
    needed = [target.name, *saved.schema.names]
    chunks = bounded_chunks(path, options=reading, needed=needed, notices=notices)
    for chunk in chunks:
        try:
            rows = parse_numbers(chunk, numeric)
            part = _answered(saved, target, rows, reading, start)
        except InputError as error:
            raise InputError(f"{path}: {in_rows_from(start)}{error}") from None
        yield part
        start += len(chunk)


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
