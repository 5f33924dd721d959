"""Writing a trained network as a SavedModel that serves as it is."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

import kerasnn
from kerasnn.errors import ExportError, InputError
from kerasnn.layers import raw_variables
from kerasnn.manifest import DESCRIBED, MANIFEST, manifest_text
from kerasnn.models import check_network
from kerasnn.saving.folders import new_version, publish
from kerasnn.saving.session import quiet_logger, session_answers

Preprocessing = Callable[[tf.Tensor], tf.Tensor]
SAMPLE_ROWS = 5


class _Served(tf.Module):
    """What is written: the raw `tf.Variable`s, and the signature that reads them.

    The network itself is only in the function's closure. A Keras model, or a Keras
    Variable, held as an attribute would be saved twice and be dead in the C++ runtime.
    """

    def __init__(
        self, model: tf.Module | keras.Model, preprocessing: Preprocessing | None
    ) -> None:
        super().__init__()
        self.raw_variables = raw_variables(
            [*model.variables, *getattr(preprocessing, "variables", ())]
        )
        spec = tf.TensorSpec([None, model.n_in], model.dtype, name="x")

        @tf.function(input_signature=[spec])
        def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
            rows = x if preprocessing is None else preprocessing(x)
            return model.head.answers(model(rows))

        self.serve = serve


def export(
    model: tf.Module | keras.Model,
    folder: str | Path,
    *,
    preprocessing: Preprocessing | None = None,
    columns: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a network as the next version under a folder.

    The signature `serving_default` takes `x` [batch, n_in], any batch size, and gives
    `class` [batch] int64 and `probabilities` [batch, n_classes], or `value`
    [batch, n_out]. What is written is loaded again through the Session loader and
    compared with the network before it gets its number.

    Args:
        model: a network of `kerasnn.models`, or its Keras twin.
        folder: for instance "saved_models/digits"; the version is counted up.
        preprocessing: from raw rows to the rows the network was trained on, for instance
            `keras.layers.Rescaling(1 / 16)`; becomes a part of the SavedModel. Its
            Variables are kept; lookup tables (StringLookup and the like) are not yet.
        columns: names of the input columns, in order; x0, x1, ... by default.
        metadata: what else to keep in the manifest, as JSON.
        files: what else to keep in `assets.extra`, by name, for instance a report.

    Returns:
        The version folder.

    Raises:
        InputError: the folder cannot be written; the model is not such a network; or
            columns, metadata or files cannot be kept as they are. Nothing is written.
        ExportError: what was written does not answer as the network does.
    """
    check_network(model)
    folder, metadata, files = Path(folder), dict(metadata or {}), dict(files or {})
    names = [f"x{i}" for i in range(model.n_in)] if columns is None else list(columns)
    _check_contents(model, folder, names, metadata, files)
    served = _Served(model, preprocessing)
    sample = _sample_rows(model.n_in, model.dtype)
    answers = {k: v.numpy() for k, v in served.serve(tf.constant(sample)).items()}
    files[MANIFEST.name] = manifest_text(
        {**metadata, **_description(model, answers, names)}
    ).encode()
    with new_version(folder) as beside:
        _write(served, beside, files)
        _check_answers(answers, session_answers(beside, {"x": sample}))
        return publish(beside)


def _check_contents(
    model: tf.Module | keras.Model,
    folder: Path,
    columns: Sequence[str],
    metadata: Mapping[str, Any],
    files: Mapping[str, bytes],
) -> None:
    """What can be refused before anything is written."""
    if (folder / "saved_model.pb").exists():
        raise InputError(
            f"{folder}: is itself a version; give the folder above it, {folder.parent}"
        )
    if len(columns) != model.n_in:
        raise InputError(
            f"columns must name the {model.n_in} inputs; got {len(columns)} names"
        )
    twice = [name for name in columns if columns.count(name) > 1]
    if twice:
        raise InputError(f"columns must differ; got {twice[0]!r} {len(twice)} times")
    taken = sorted({*DESCRIBED, "format"} & metadata.keys())
    if taken:
        raise InputError(f"metadata must not have {taken[0]!r}: export writes it")
    for name in files:
        if name != Path(name).name or name == MANIFEST.name:
            raise InputError(f"files must have plain names of their own; got {name!r}")


def _write(served: _Served, beside: Path, files: Mapping[str, bytes]) -> None:
    try:
        with quiet_logger():
            tf.saved_model.save(served, beside, {"serving_default": served.serve})
        extra = beside / MANIFEST.parent
        extra.mkdir()
        for name, content in files.items():
            (extra / name).write_bytes(content)
    except (OSError, tf.errors.OpError) as error:
        raise InputError(f"{beside.parent}: cannot be written: {error}") from None


def _sample_rows(n_in: int, dtype: str) -> NDArray[Any]:
    return np.random.default_rng(0).normal(size=(SAMPLE_ROWS, n_in)).astype(dtype)


def _check_answers(
    expected: Mapping[str, NDArray[Any]], written: Mapping[str, NDArray[Any]]
) -> None:
    for name, value in expected.items():
        # Grappler may fuse what eager does not: equal to rounding, not to the bit.
        if not np.allclose(value, written[name], rtol=1e-5, atol=1e-6):
            worst = float(np.abs(value - written[name]).max())
            raise ExportError(
                f"the SavedModel's {name!r} differs from the network's by {worst:.3g};"
                " nothing was written"
            )


def _description(
    model: tf.Module | keras.Model,
    answers: Mapping[str, NDArray[Any]],
    columns: Sequence[str],
) -> dict[str, Any]:
    """What a reader needs to use the network without its code: `DESCRIBED`."""
    config = {"config": model.get_config()} if hasattr(model, "get_config") else {}
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "kerasnn": kerasnn.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
        "task": model.head.task,
        "network": {
            "class": type(model).__name__,
            **config,
            "weights": sum(int(np.prod(v.shape)) for v in model.trainable_variables),
        },
        "inputs": {
            "x": {
                "dtype": model.dtype,
                "shape": [None, model.n_in],
                "columns": list(columns),
            }
        },
        "outputs": {
            name: {"dtype": str(value.dtype), "shape": [None, *value.shape[1:]]}
            for name, value in answers.items()
        },
    }
