"""Free text: which columns hold it, and whether it helps to predict the target."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.choices import Task
from kerasnn.datasets.cells.factorized import FactorizedColumn
from kerasnn.datasets.schema.checking import checked_table
from kerasnn.datasets.schema.schema import Column, LeftOut, Schema

_MIN_ROWS = 20  # with a text
_MIN_DISTINCT = 0.5  # of the rows have a text of their own
_MIN_WORDS = 3  # of a text, on average
_MAX_EXAMINED_ROWS = 2_000
_FOLDS = 3
_MIN_GAIN = 2.0  # of the squared error of left-out rows, in its standard errors
_N_FEATURES = 4_096
ASKED = "as asked"


def is_free_text(column: FactorizedColumn) -> bool:
    """Return whether the texts of a column are mostly different, and of several words."""
    rows = len(column.codes) - column.missing
    if column.content != "text" or rows < _MIN_ROWS:
        return False
    if len(column.values) < _MIN_DISTINCT * rows:
        return False
    words = [len(text.split()) for text in column.values[:_MAX_EXAMINED_ROWS]]
    return float(np.mean(words)) >= _MIN_WORDS


def without_idle_texts(
    schema: Schema, table: Any, values: NDArray[Any], task: Task
) -> Schema:
    """Return the schema without free text that does not help to predict the target.

    Args:
        schema: of the table.
        table: the rows; anything that `as_table` accepts.
        values: [rows] class indices, or float64.
        task: of the values.
    """
    found = [c for c in schema.columns if c.kind == "text" and c.reason != ASKED]
    texts = checked_table(table, Schema(tuple(found)))
    idle = {c for c in texts if not _tells_target(texts[c], values, task)}
    columns = tuple(c for c in schema.columns if c.name not in idle)
    if not idle or not columns:
        return schema
    left_out = tuple(_left_out(c) for c in schema.columns if c.name in idle)
    return dataclasses.replace(schema, columns=columns, left_out=schema.left_out + left_out)


def _tells_target(texts: pd.Series, values: NDArray[Any], task: Task) -> bool:
    """Return whether a linear model of the texts beats the mean on left-out rows."""
    # Imported here: the client of a server checks rows without scikit-learn.
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.pipeline import make_pipeline

    rows = np.random.default_rng(0).permutation(len(texts))[:_MAX_EXAMINED_ROWS]
    known = texts.iloc[rows].to_numpy(object, na_value="")
    truth = values[rows].astype(np.float64)[:, None]
    if task == "classification":
        truth = np.eye(int(values.max()) + 1)[values[rows]]
    grams = HashingVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), n_features=_N_FEATURES, alternate_sign=False
    )
    model = make_pipeline(grams, TfidfTransformer(), Ridge())
    predicted = cross_val_predict(model, known, truth, cv=KFold(_FOLDS))
    predicted = predicted.reshape(truth.shape)
    gain = ((truth - truth.mean(axis=0)) ** 2 - (truth - predicted) ** 2).sum(axis=1)
    return bool(gain.mean() > _MIN_GAIN * gain.std() / np.sqrt(len(gain)))


def _left_out(column: Column) -> LeftOut:
    return LeftOut(
        column.name,
        "free text that tells nothing about the target on left-out rows;"
        f" text=[{column.name!r}] keeps it",
    )
