"""Loads the function that a SavedModel serves."""

from pathlib import Path
from typing import Any

import tensorflow as tf

from kerasnn.errors import InputError


def load_signature(folder: Path) -> tuple[Any, Any]:
    """Return the loaded object, to which a reference must be kept, and `serving_default`.

    Raises:
        InputError: the SavedModel is damaged.
    """
    try:
        loaded = tf.saved_model.load(folder)
        return loaded, loaded.signatures["serving_default"]
    except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
        raise InputError(f"{folder}: the SavedModel is damaged: {error}") from None
