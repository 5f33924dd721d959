"""Loading an exported network: answers for rows, and its manifest."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from kerasnn.errors import InputError
from kerasnn.manifest import find_version, read_manifest


class SavedNetwork:
    """An exported network; made by `load`.

    Attributes:
        folder: its version folder.
        manifest: what `assets.extra/kerasnn.json` holds.
        columns: names of the input columns, in order.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest
        self.columns: list[str] = manifest["inputs"]["x"]["columns"]
        self._loaded = tf.saved_model.load(folder)  # freed with this object
        self._serve = self._loaded.signatures["serving_default"]

    def predict(self, x: ArrayLike) -> dict[str, NDArray[Any]]:
        """The named answers for raw rows.

        Args:
            x: [rows, n_in].

        Returns:
            `class` [rows] and `probabilities` [rows, n_classes], or `value` [rows, n_out].

        Raises:
            InputError: x has not that shape.
        """
        rows = np.asarray(x, dtype=self.manifest["inputs"]["x"]["dtype"])
        if rows.ndim != 2 or rows.shape[1] != len(self.columns):
            raise InputError(
                f"x must be [rows, {len(self.columns)}]; got shape {rows.shape}"
            )
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
