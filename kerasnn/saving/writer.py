"""Export of a network of rows of numbers as a SavedModel.

`table_writer` does the same for a network of tables.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasnn.errors import InputError
from kerasnn.models import check_network
from kerasnn.saving.version import (
    Sample,
    ServedModule,
    check_contents,
    describe_network,
    write_version,
)

Preprocessing = Callable[[tf.Tensor], tf.Tensor]
_SAMPLE_ROWS = 5


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

    The signature `serving_default` takes `x` [batch, n_in], any batch size, and returns
    `class` [batch] int64 and `probabilities` [batch, n_classes], or `value`
    [batch, n_out]. A second signature, `classify` or `regress`, takes the rows as
    tf.Examples with a feature `x` (`saving.examples`), except for several values. The
    version is loaded through the Session loader, and every signature compared with the
    network, before it is published.

    Args:
        model: a network of `kerasnn.models`, or its Keras twin.
        folder: for instance "saved_models/digits"; versions are numbered 1, 2, ...
        preprocessing: from raw rows to the rows the network was trained on, for instance
            `keras.layers.Rescaling(1 / 16)`; becomes a part of the SavedModel, with its
            Variables. Lookup tables (StringLookup) are not supported.
        columns: names of the input columns, in order; x0, x1, ... by default.
        metadata: other entries of the manifest, as JSON.
        files: other files of `assets.extra`, by name, for instance a report.

    Returns:
        The version folder.

    Raises:
        InputError: the folder cannot be written; the model is not such a network; or
            columns, metadata or files cannot be stored as they are. Nothing is written.
        ExportError: the SavedModel's answers differ from the network's.
    """
    check_network(model)
    folder, metadata, files = Path(folder), metadata or {}, files or {}
    names = [f"x{i}" for i in range(model.n_in)] if columns is None else list(columns)
    check_contents(folder, metadata, files)
    _check_columns(model, names)
    served = _served(model, preprocessing)
    sample = _sample(served, model)
    shape = {"dtype": model.dtype, "shape": [None, model.n_in], "columns": names}
    manifest = {
        **metadata,
        **describe_network(model),
        "task": model.head.task,
        "inputs": {"x": shape},
    }
    return write_version(folder, served, sample, manifest=manifest, files=files)


def _served(
    model: tf.Module | keras.Model, preprocessing: Preprocessing | None
) -> ServedModule:
    def serve(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        x = inputs["x"]
        rows = x if preprocessing is None else preprocessing(x)
        return model.head.answers(model(rows))

    specs = {"x": tf.TensorSpec([None, model.n_in], model.dtype, name="x")}
    variables = [*model.variables, *getattr(preprocessing, "variables", ())]
    return ServedModule(serve, specs, variables)


def _sample(served: ServedModule, model: tf.Module | keras.Model) -> Sample:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(_SAMPLE_ROWS, model.n_in)).astype(model.dtype)
    answers = {k: v.numpy() for k, v in served.serve({"x": tf.constant(x)}).items()}
    n_classes = answers["probabilities"].shape[1] if "probabilities" in answers else 0
    return Sample({"x": x}, answers, [str(i) for i in range(n_classes)])


def _check_columns(model: tf.Module | keras.Model, columns: Sequence[str]) -> None:
    if len(columns) != model.n_in:
        raise InputError(
            f"columns must name the {model.n_in} inputs; got {len(columns)} names"
        )
    twice = [name for name in columns if columns.count(name) > 1]
    if twice:
        raise InputError(f"columns must differ; got {twice[0]!r} {len(twice)} times")
