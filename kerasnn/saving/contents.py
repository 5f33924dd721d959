"""What stands in a version folder, for every kind of network, and the checks of it."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

import kerasnn
from kerasnn.errors import ExportError, InputError
from kerasnn.manifest import DESCRIBED, MANIFEST
from kerasnn.saving.session import quiet_logger


def check_contents(
    folder: Path,
    metadata: Mapping[str, Any],
    files: Mapping[str, bytes],
    *,
    described: Collection[str] = DESCRIBED,
) -> None:
    """What can be refused before anything is written.

    Args:
        folder: of the model.
        metadata: of the user.
        files: of the user.
        described: what the writer itself puts into the manifest.

    Raises:
        InputError: one of them cannot be kept.
    """
    if (folder / "saved_model.pb").exists():
        raise InputError(
            f"{folder}: is itself a version; give the folder above it, {folder.parent}"
        )
    taken = sorted({*described, "format"} & metadata.keys())
    if taken:
        raise InputError(f"metadata must not have {taken[0]!r}: export writes it")
    for name in files:
        if name != Path(name).name or name == MANIFEST.name:
            raise InputError(f"files must have plain names of their own; got {name!r}")


def write(served: tf.Module, beside: Path, files: Mapping[str, bytes]) -> None:
    """A SavedModel of what `served.serve` does, with files beside it.

    Raises:
        InputError: the disk does not take it.
    """
    try:
        with quiet_logger():
            tf.saved_model.save(served, beside, {"serving_default": served.serve})
        extra = beside / MANIFEST.parent
        extra.mkdir()
        for name, content in files.items():
            (extra / name).write_bytes(content)
    except (OSError, tf.errors.OpError) as error:
        raise InputError(f"{beside.parent}: cannot be written: {error}") from None


def check_answers(
    expected: Mapping[str, NDArray[Any]], written: Mapping[str, NDArray[Any]]
) -> None:
    """What was written answers as the network does.

    Raises:
        ExportError: it does not.
    """
    for name, value in expected.items():
        if value.dtype == object:
            continue  # text, made of the numbers
        # Grappler may fuse what eager does not: equal to rounding, not to the bit; a value
        # near 0 that was computed from large ones is rounded as they are.
        size = max(1.0, float(np.abs(value).max()))
        if not np.allclose(value, written[name], rtol=1e-5, atol=1e-6 * size):
            worst = float(np.abs(value - written[name]).max())
            raise ExportError(
                f"the SavedModel's {name!r} differs from the network's by {worst:.3g};"
                " nothing was written"
            )


def description(model: tf.Module | keras.Model) -> dict[str, Any]:
    """When and with what an export was made, and of what network."""
    config = {"config": model.get_config()} if hasattr(model, "get_config") else {}
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "kerasnn": kerasnn.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
        "network": {
            "class": type(model).__name__,
            **config,
            "weights": sum(int(np.prod(v.shape)) for v in model.trainable_variables),
        },
    }


def described_outputs(answers: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Type and shape of each answer."""
    return {
        name: {
            "dtype": "string" if value.dtype == object else str(value.dtype),
            "shape": [None, *value.shape[1:]],
        }
        for name, value in answers.items()
    }
