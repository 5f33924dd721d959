"""Loading an exported network: answers for rows, and its manifest."""

from pathlib import Path
from typing import Any

import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

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
        self._loaded = tf.saved_model.load(folder)  # freed with this object
        self._serve = self._loaded.signatures["serving_default"]

    def predict(self, x: ArrayLike) -> dict[str, NDArray[Any]]:
        """The named answers for raw rows.

        Args:
            x: [rows, n_in].

        Returns:
            `class` [rows] and `probabilities` [rows, n_classes], or `value` [rows, n_out].

        Raises:
            InputError: x has not that shape, no rows, or a value that is not finite.
        """
        rows = checked_rows(x, len(self.columns), self.dtype)
        answers = self._serve(x=tf.constant(rows))
        return {name: value.numpy() for name, value in answers.items()}


def load(folder: str | Path) -> SavedNetwork:
    """Load a network that `kerasnn.export` wrote.

    Args:
        folder: a version folder, or the folder above, whose newest version is taken.

    Raises:
        InputError: there is no such folder, or it is no kerasnn export.
    """
    version_folder = find_version(Path(folder))
    return SavedNetwork(version_folder, read_manifest(version_folder))
