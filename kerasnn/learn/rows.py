"""The rows that a training on the page learns from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn import datasets
from kerasnn.choices import Task
from kerasnn.datasets import checked_table
from kerasnn.errors import InputError
from kerasnn.learn.settings import LearnSettings
from kerasnn.preprocessing import LevelOptions, Preprocessor
from kerasnn.tables.rows import RowsInMemory, read_rows

MAX_TABLE_ROWS = 20_000
MAX_INPUTS = 256
MAX_CLASSES = 20
MIN_TABLE_ROWS = 10

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class LearnRows:
    """Rows as a network takes them.

    Attributes:
        x_train: [rows, n_in] float32.
        y_train: [rows] int32 labels, or [rows, 1] float32.
        x_test: like x_train, of the test rows; for irises the same rows.
        y_test: like y_train.
        inputs: names of the inputs.
        classes: names of the classes; () for numbers.
        task: "classification" for labels, "regression" for [rows, 1].
        notices: what was guessed, repaired or suspected while a table was read.
    """

    x_train: Floats
    y_train: NDArray[Any]
    x_test: Floats
    y_test: NDArray[Any]
    inputs: tuple[str, ...]
    classes: tuple[str, ...]
    task: Task
    notices: tuple[str, ...] = ()

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return self.x_train.shape[1]

    @property
    def n_out(self) -> int:
        """Number of outputs of a network."""
        return 1 if self.task == "regression" else len(self.classes)


def lesson_rows(settings: LearnSettings) -> LearnRows:
    """Return the rows of irises or digits, changed as the settings break them.

    Raises:
        InputError: the settings are for a table.
    """
    if settings.data == "csv":
        raise InputError("data='csv' needs the rows of a table")
    return _iris_rows(settings) if settings.data == "iris" else _digits_rows(settings)


def _iris_rows(settings: LearnSettings) -> LearnRows:
    x, y = datasets.iris_perceptron()
    if settings.broken != "no-scaling":
        x = (x - x.mean(0)) / x.std(0)
    if settings.broken != "signed-labels":
        y = (y + 1) / 2
    rows, labels = x.astype(np.float32), y.astype(np.float32)
    inputs, classes = ("sepal length", "sepal width"), ("setosa", "other")
    return LearnRows(rows, labels, rows, labels, inputs, classes, "regression")


def _digits_rows(settings: LearnSettings) -> LearnRows:
    scaled = settings.broken != "no-scaling"
    (x, y), (x_test, y_test) = datasets.digits(scaled=scaled)
    if settings.broken == "leak":
        x[:, 0], x_test[:, 0] = y, y_test
    classes = tuple(str(digit) for digit in range(datasets.N_CLASSES))
    names = datasets.DIGITS_COLUMNS
    return LearnRows(x, y, x_test, y_test, names, classes, "classification")


def csv_rows(
    source: str | Path, *, target: str, scaled: bool = True, seed: int = 0
) -> LearnRows:
    """Read a table for a small network; a fifth of the rows is kept for the test.

    Numbers get mean 0 and deviation 1, also those of the target; categories become one-hot
    columns.

    Args:
        source: a file that `datasets.as_table` reads.
        target: the column to predict.
        scaled: False leaves the numbers of the inputs as they are.
        seed: decides which rows are test rows.

    Raises:
        InputError: the table cannot be learned from, or is too large for the page.
    """
    rows = read_rows(source, target=target, seed=seed)
    if not MIN_TABLE_ROWS <= rows.n_rows <= MAX_TABLE_ROWS:
        raise InputError(
            f"the page learns from {MIN_TABLE_ROWS} to {MAX_TABLE_ROWS:,} rows with a"
            f" target; the table has {rows.n_rows:,}. For more there is kerasnn train"
        )
    classes = tuple(rows.target.classes or ())
    if len(classes) > MAX_CLASSES:
        raise InputError(
            f"the target {target!r} has {len(classes)} classes; the page shows at most"
            f" {MAX_CLASSES}: choose another column"
        )
    x_train, x_test, inputs = _inputs(rows, scaled=scaled)
    y_train, y_test = rows.targets(tested=False), rows.targets(tested=True)
    if rows.target.task == "classification":
        y_train, y_test = y_train.astype(np.int32), y_test.astype(np.int32)
    else:
        mean, deviation = y_train.mean(), y_train.std() or 1.0
        y_train, y_test = (
            ((y - mean) / deviation).astype(np.float32)[:, np.newaxis]
            for y in (y_train, y_test)
        )
    notices = tuple(notice.message for notice in rows.notices)
    return LearnRows(
        x_train, y_train, x_test, y_test, inputs, classes, rows.target.task, notices
    )


def _inputs(rows: RowsInMemory, *, scaled: bool) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Return the inputs of training and test rows, and their names."""
    tables = [
        checked_table(rows.inputs(tested=tested), rows.schema) for tested in (False, True)
    ]
    levels = LevelOptions(one_hot_levels=MAX_INPUTS)
    fitted = Preprocessor.fit(tables[0], rows.schema, scaling="standard", levels=levels)
    if not 0 < fitted.n_in <= MAX_INPUTS:
        raise InputError(
            f"the columns become {fitted.n_in} inputs; the page shows 1 to {MAX_INPUTS}:"
            " leave out columns with many different texts"
        )
    x_train, x_test = (fitted.prepare(table).x for table in tables)
    if not scaled:
        n, scaling = fitted.n_numeric, fitted.scaling
        factors = np.where(scaling.factors == 0, 1, scaling.factors)
        for x in (x_train, x_test):
            x[:, :n] = np.clip(x[:, :n] / factors + scaling.centers, -1e30, 1e30)
    return x_train, x_test, fitted.feature_names
