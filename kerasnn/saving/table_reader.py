"""Answers of an exported network for the rows of a table."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.datasets import Schema, checked_table, raw_columns
from kerasnn.saving.signature import load_signature

ROWS_AT_ONCE = 8192  # the layers of an ensemble would not fit in memory for more


class SavedTable:
    """An exported network that takes the columns of a table; made by `load`.

    Attributes:
        folder: its version folder.
        manifest: what `assets.extra/kerasnn.json` holds.
        schema: of the tables.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest
        self.schema = Schema.from_dict(manifest["schema"])
        # The input of each column.
        self._inputs = {i["column"]: name for name, i in manifest["inputs"].items()}
        self._loaded, self._serve = load_signature(folder)

    def predict(self, table: Any) -> dict[str, NDArray[Any]]:
        """Compute the named answers for the rows of a table.

        Args:
            table: anything that `datasets.as_table` takes, with the columns of the schema
                in any order; there may be others, missing values and unknown categories.

        Returns:
            `class` [rows] text and `probabilities` [rows, n_classes], in the order of
            `schema.target.classes`; or `value` [rows] or [rows, n_out].

        Raises:
            InputError: the table does not fit the schema.
        """
        rows = checked_table(table, self.schema)
        starts = range(0, max(len(rows), 1), ROWS_AT_ONCE)
        parts = [self._answers(rows.iloc[i : i + ROWS_AT_ONCE]) for i in starts]
        return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}

    def _answers(self, rows: pd.DataFrame) -> dict[str, NDArray[Any]]:
        columns = raw_columns(rows)
        inputs = {self._inputs[name]: tf.constant(columns[name]) for name in columns}
        given = self._serve(**inputs)
        answers = {name: given[name].numpy() for name in self.manifest["outputs"]}
        return {n: _text(v) if v.dtype == object else v for n, v in answers.items()}


def _text(values: NDArray[Any]) -> NDArray[np.object_]:
    texts = np.empty(values.shape, object)
    texts[:] = [value.decode() for value in values]
    return texts
