"""Loading an exported network: answers for rows, and its manifest."""

from pathlib import Path
from typing import Any

import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from kerasnn.errors import InputError
from kerasnn.manifest import find_version, read_manifest
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
        try:
            self._loaded = tf.saved_model.load(folder)  # freed with this object
            self._serve = self._loaded.signatures["serving_default"]
        except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
            raise InputError(f"{folder}: the SavedModel is damaged: {error}") from None

    def predict(self, x: ArrayLike) -> dict[str, NDArray[Any]]:
        """The named answers for raw rows.

        Args:
            x: [rows, n_in]; of a DataFrame, the columns by their names, in any order.

        Returns:
            `class` [rows] and `probabilities` [rows, n_classes], or `value` [rows, n_out].

        Raises:
            InputError: x has not that shape, lacks a column, has no rows, or has a value
                that is not finite.
        """
        if hasattr(x, "columns"):
            x = self._in_order(x)
        rows = checked_rows(x, len(self.columns), self.dtype)
        answers = self._serve(x=tf.constant(rows))
        return {name: value.numpy() for name, value in answers.items()}

    def _in_order(self, table: Any) -> Any:
        """The columns of a DataFrame that the network takes, in its order."""
        missing = [name for name in self.columns if name not in table.columns]
        if missing:
            raise InputError(
                f"x has no column {missing[0]!r} (of {len(missing)} missing);"
                f" it has {', '.join(map(str, table.columns))}"
            )
        return table[self.columns]


def load(folder: str | Path) -> SavedNetwork:
    """Load a network that `kerasnn.export` wrote.

    Args:
        folder: a version folder, or the folder above, whose newest version is taken.

    Raises:
        InputError: there is no such folder, or it is not a kerasnn export.
    """
    version_folder = find_version(Path(folder))
    return SavedNetwork(version_folder, read_manifest(version_folder))
