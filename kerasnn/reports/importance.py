"""Permutation importance: the growth of the loss when a column is shuffled.

The rows are shuffled after their preprocessing, which treats each row alone: shuffling all
features of a column equals shuffling the column. Columns with the same information share
their importance: if one is shuffled, the network has the other.

Source: Breiman, Random forests (2001), section 10.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kerasnn.choices import Task
from kerasnn.errors import InputError, check_whole_number
from kerasnn.reports.scores import losses

_MIN_ROWS = 200  # even with very many columns
_BATCH_ROWS = 2048  # of one call of `predict`, for several columns with few rows

Predict = Callable[[NDArray[np.float32], NDArray[np.int32]], np.ndarray]
Positions = tuple[Sequence[int], Sequence[int]]  # in x and in codes


@dataclass(frozen=True)
class Importance:
    """The importance of a column.

    Attributes:
        name: of the column.
        mean: increase of the loss when it is shuffled, mean over the repeats: log loss in
            nats, or root mean squared error in the unit of the target.
        spread: standard deviation over the repeats.
    """

    name: str
    mean: float
    spread: float


@dataclass(frozen=True)
class Permutations:
    """The rows, columns and permutations that importances are measured with.

    Attributes:
        repeats: permutations of each column.
        max_rows: maximum rows; of more a sample is taken.
        max_predictions: for more predictions in total fewer rows are sampled, down to 200.
        max_columns: maximum columns; of more only the first are shuffled.
        max_seconds: after this time no further column is shuffled.
        seed: of rows and permutations.
    """

    repeats: int = 5
    max_rows: int = 2000
    max_predictions: int = 100_000
    max_columns: int = 300
    max_seconds: float = 30.0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class PreparedTable:
    """Prepared rows, and the features of each column.

    Attributes:
        x: [rows, n_in] numbers and indicators.
        codes: [rows, n_codes] codes of levels.
        features: of each column, by its name: positions in x and in codes.
    """

    x: NDArray[np.float32]
    codes: NDArray[np.int32]
    features: Mapping[str, Positions]


def permutation_importance(
    predict: Predict,
    table: PreparedTable,
    truth: np.ndarray,
    *,
    task: Task,
    columns: Sequence[str] | None = None,
    permutations: Permutations | None = None,
) -> list[Importance]:
    """Return the importance of columns, the greatest first.

    Every column is shuffled by the same permutations, so that its importance does not
    depend on the other columns in the list.

    Args:
        predict: from x and codes to [rows, n_classes] probabilities or [rows] float.
        table: test rows.
        truth: [rows] integers in 0..n_classes-1, or [rows] float.
        task: "classification" or "regression".
        columns: to shuffle, the first ones first; all by default.
        permutations: how many, of how many rows and columns, and how long; None for the
            defaults.

    Returns:
        Of fewer columns than asked for, if `permutations` bounds them.

    Raises:
        InputError: table and truth do not match, there is no row, or no such column.
    """
    settings = permutations or Permutations()
    repeats = check_whole_number("repeats", settings.repeats, minimum=1)
    names = list(table.features) if columns is None else list(columns)
    _check(table, truth, names)
    until = time.monotonic() + settings.max_seconds
    names = names[: settings.max_columns]
    rng = np.random.default_rng(settings.seed)
    affordable = settings.max_predictions // (repeats * max(len(names), 1))
    n_rows = min(len(table.x), settings.max_rows, max(affordable, _MIN_ROWS))
    rows = np.sort(rng.permutation(len(table.x))[:n_rows])
    base = PreparedTable(table.x[rows], table.codes[rows], table.features)
    loss = _mean_loss(task, losses(task, truth[rows], predict(base.x, base.codes)))
    orders = np.concatenate([rng.permutation(n_rows) for _ in range(repeats)])
    repeated = np.tile(truth[rows], repeats)
    found = []
    for batch in _batches(names, len(orders)):
        if time.monotonic() > until:
            break
        predicted = predict(*_shuffled(base, batch, orders))
        of_rows = losses(task, np.tile(repeated, len(batch)), predicted)
        growth = _mean_loss(task, of_rows.reshape(len(batch), repeats, n_rows)) - loss
        found += [
            Importance(name, float(of_column.mean()), float(of_column.std()))
            for name, of_column in zip(batch, growth, strict=True)
        ]
    return sorted(found, key=lambda column: -column.mean)


def _batches(names: list[str], n_rows: int) -> Iterator[list[str]]:
    size = max(1, _BATCH_ROWS // n_rows)
    for start in range(0, len(names), size):
        yield names[start : start + size]


def _shuffled(
    base: PreparedTable, columns: list[str], orders: NDArray[np.intp]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return x and codes [columns * orders, ...]; each part has one column shuffled."""
    n_base, n_rows = len(base.x), len(orders)
    copies = len(columns) * n_rows // n_base
    x, codes = np.tile(base.x, (copies, 1)), np.tile(base.codes, (copies, 1))
    for i, name in enumerate(columns):
        part = slice(i * n_rows, (i + 1) * n_rows)
        in_x, in_codes = (list(positions) for positions in base.features[name])
        x[part, in_x] = base.x[orders[:, np.newaxis], in_x]
        codes[part, in_codes] = base.codes[orders[:, np.newaxis], in_codes]
    return x, codes


def _mean_loss(task: Task, of_rows: np.ndarray) -> np.ndarray:
    mean = of_rows.mean(axis=-1)
    return np.sqrt(mean) if task == "regression" else mean


def _check(table: PreparedTable, truth: np.ndarray, names: list[str]) -> None:
    if not len(table.x) or len(table.x) != len(truth):
        raise InputError(
            "table and truth must have the same rows, at least one;"
            f" got {len(table.x)} and {len(truth)}"
        )
    absent = [name for name in names if name not in table.features]
    if absent:
        raise InputError(
            f"there is no column {absent[0]!r} to shuffle; the table has"
            f" {', '.join(map(str, table.features))}"
        )
