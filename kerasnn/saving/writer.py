"""Writes a network of rows of numbers as a SavedModel that serves as it is.

`table_writer` does the same for a network of tables.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.errors import InputError
from kerasnn.layers import raw_variables
from kerasnn.manifest import MANIFEST, manifest_text
from kerasnn.models import check_network
from kerasnn.saving.contents import (
    check_contents,
    check_written,
    described_outputs,
    description,
    write,
)
from kerasnn.saving.examples import examples_signature
from kerasnn.saving.folders import new_version, publish

Preprocessing = Callable[[tf.Tensor], tf.Tensor]
SAMPLE_ROWS = 5


class _Served(tf.Module):
    """The module to write: the raw `tf.Variable`s, and the signature that reads them.

    The network is only in the function's closure. A Keras model or Variable held as an
    attribute would be saved twice and fail in the C++ runtime.
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
        self.spec = spec


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
    [batch, n_out]. A second signature, `classify` or `regress`, takes the rows as
    tf.Examples with a feature `x` (`saving.examples`); there is none for several values.
    What is written is loaded again through the Session loader, and every signature
    compared with the network, before it gets its number.

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
    check_contents(folder, metadata, files)
    _check_columns(model, names)
    served = _Served(model, preprocessing)
    sample = _sample_rows(model.n_in, model.dtype)
    answers = {k: v.numpy() for k, v in served.serve(tf.constant(sample)).items()}
    files[MANIFEST.name] = manifest_text(
        {
            **metadata,
            **description(model),
            "task": model.head.task,
            "inputs": {
                "x": {
                    "dtype": model.dtype,
                    "shape": [None, model.n_in],
                    "columns": names,
                }
            },
            "outputs": described_outputs(answers),
        }
    ).encode()
    classes = _classes(answers)
    examples = examples_signature(
        lambda inputs: served.serve(inputs["x"]), {"x": served.spec}, classes, answers
    )
    rows = {"x": sample}
    with new_version(folder) as beside:
        write(served, beside, files, examples=examples, model=folder.name, sample=rows)
        check_written(beside, rows, answers, classes, examples=examples)
        return publish(beside)


def _classes(answers: Mapping[str, NDArray[Any]]) -> list[str]:
    """Return the classes as text: their numbers."""
    probabilities = answers.get("probabilities")
    return [] if probabilities is None else [*map(str, range(probabilities.shape[1]))]


def _check_columns(model: tf.Module | keras.Model, columns: Sequence[str]) -> None:
    if len(columns) != model.n_in:
        raise InputError(
            f"columns must name the {model.n_in} inputs; got {len(columns)} names"
        )
    twice = [name for name in columns if columns.count(name) > 1]
    if twice:
        raise InputError(f"columns must differ; got {twice[0]!r} {len(twice)} times")


def _sample_rows(n_in: int, dtype: str) -> NDArray[Any]:
    return np.random.default_rng(0).normal(size=(SAMPLE_ROWS, n_in)).astype(dtype)
