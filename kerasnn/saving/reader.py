"""Loads an exported network: its answers for rows, and its manifest."""

from pathlib import Path
from typing import Any

import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from kerasnn.errors import InputError
from kerasnn.manifest import find_version, read_manifest
from kerasnn.saving.signature import load_signature
from kerasnn.saving.table_reader import SavedTable
from kerasnn.training.checks import checked_rows


class SavedNetwork:
    """An exported network; made by `load`.

    Attributes:
        folder: its version folder.
        manifest: what `assets.extra/kerasnn.json` holds.
        columns: names of the input columns, in order.
        dtype: type of the input.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest
        self.columns: list[str] = manifest["inputs"]["x"]["columns"]
        self.dtype: str = manifest["inputs"]["x"]["dtype"]
        self._loaded, self._serve = load_signature(folder)

    def predict(self, x: ArrayLike) -> dict[str, NDArray[Any]]:
        """Compute the named answers for raw rows.

        Args:
            x: [rows, n_in]; a DataFrame may have its columns in any order.

        Returns:
            `class` [rows] and `probabilities` [rows, n_classes], or `value` [rows, n_out].

        Raises:
            InputError: x has another shape, lacks a column, has no rows, or has a value
                that is not finite.
        """
        if hasattr(x, "columns"):
            x = self._in_order(x)
        rows = checked_rows(x, len(self.columns), self.dtype)
        answers = self._serve(x=tf.constant(rows))
        return {name: value.numpy() for name, value in answers.items()}

    def _in_order(self, table: Any) -> Any:
        """Return the columns that the network takes, in its order."""
        missing = [name for name in self.columns if name not in table.columns]
        if missing:
            raise InputError(
                f"x has no column {missing[0]!r} (of {len(missing)} missing);"
                f" it has {', '.join(map(str, table.columns))}"
            )
        return table[self.columns]


def load(folder: str | Path) -> SavedNetwork | SavedTable:
    """Load a network that `kerasnn.export`, or an estimator's `export`, wrote.

    Args:
        folder: a version folder, or the folder above it, for the newest version.

    Returns:
        A `SavedTable` if the network takes the columns of a table, else a `SavedNetwork`.

    Raises:
        InputError: there is no such folder, or it is not a kerasnn export.
    """
    version_folder = find_version(Path(folder))
    manifest = read_manifest(version_folder)
    kind = SavedTable if "schema" in manifest else SavedNetwork
    return kind(version_folder, manifest)
