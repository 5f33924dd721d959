"""Export of a network of tables as a SavedModel that takes the raw columns by name."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kerasnn.datasets import (
    Column,
    Schema,
    Target,
    checked_table,
    input_names,
    raw_columns,
)
from kerasnn.errors import InputError
from kerasnn.manifest import DESCRIBED
from kerasnn.preprocessing import Preprocessor
from kerasnn.saving.table_signatures import (
    SignatureSource,
    TableSignature,
    describe_signatures,
)
from kerasnn.saving.version import (
    Sample,
    ServedModule,
    check_contents,
    describe_network,
    write_version,
)

Answers = Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]
_SAMPLE_ROWS = 12
_RESERVED = (*DESCRIBED, "schema", "classes", "signatures")


def export_table(
    network: tf.Module | keras.Model,
    preprocessor: Preprocessor,
    schema: Schema,
    folder: str | Path,
    *,
    answers: Answers,
    metadata: Mapping[str, Any] | None = None,
    files: Mapping[str, bytes] | None = None,
    signatures: Mapping[str, TableSignature] | None = None,
) -> Path:
    """Write a network of tables as the next version under a folder.

    The signature `serving_default` takes each column of the schema by its name, [rows]:
    numeric columns as float64 with NaN for missing values, others as text with "" for
    missing values. Names that TensorFlow does not allow are changed (`input_names`); the
    manifest maps them to columns. It returns `class` [rows] text and `probabilities`
    [rows, n_classes], or `value` [rows] or [rows, n_out]. A second signature, `classify`
    or `regress`, takes the same columns as tf.Examples (`saving.examples`), except for
    several values and more than 1,000 columns. The version is loaded through the Session
    loader, and every signature compared with the network, before it is published.

    Args:
        network: its description goes into the manifest, its Variables into the SavedModel.
        preprocessor: fitted on its training rows.
        schema: of the table; its target names the classes.
        folder: for instance "saved_models/adult"; versions are numbered 1, 2, ...
        answers: from x and codes of the preprocessor to `probabilities` or `value`; may
            use the network.
        metadata: other entries of the manifest, as JSON.
        files: other files of `assets.extra`, by name, for instance a report.
        signatures: further ones, by key.

    Returns:
        The version folder.

    Raises:
        InputError: the schema has no target, the folder cannot be written, or metadata or
            files cannot be stored as they are. Nothing is written.
        ExportError: the SavedModel's answers differ from the network's.
    """
    if schema.target is None:
        raise InputError("the schema must have a target; infer it with target=")
    folder, metadata, files = Path(folder), metadata or {}, files or {}
    signatures = signatures or {}
    check_contents(folder, metadata, files, reserved=_RESERVED)
    answers = _complete(answers, schema.target)
    names = input_names(preprocessor.names)
    specs = preprocessor.input_specs()
    # Traced once, and called by each signature.
    preprocess = tf.function(preprocessor, input_signature=[specs], autograph=False)
    served = ServedModule(
        lambda inputs: answers(*preprocess({c: inputs[n] for c, n in names.items()})),
        {names[c]: tf.TensorSpec(s.shape, s.dtype, names[c]) for c, s in specs.items()},
        [*network.variables, *(v for one in signatures.values() for v in one.variables)],
        tracked=preprocessor.graph,
    )
    rows = checked_table(sample_rows(schema), schema)
    # Prepared by NumPy, as the training rows were, and not by the graph under test.
    prepared = tuple(map(tf.constant, preprocessor.prepare(rows)))
    inputs = SignatureSource(names, preprocess, raw_columns(rows), prepared)
    further = {key: inputs.further(served, one) for key, one in signatures.items()}
    manifest = {
        **metadata,
        **describe_network(network),
        "task": schema.target.task,
        "inputs": {
            names[c]: {"dtype": spec.dtype.name, "shape": [None], "column": c}
            for c, spec in specs.items()
        },
        "classes": list(schema.target.classes),
        "schema": schema.to_dict(),
        "signatures": describe_signatures(signatures, further, names),
    }
    sample = Sample(
        inputs={names[column]: values for column, values in inputs.sample.items()},
        answers={name: value.numpy() for name, value in answers(*prepared).items()},
        classes=schema.target.classes,
    )
    return write_version(
        folder, served, sample, manifest=manifest, files=files, further=further
    )


def sample_rows(schema: Schema) -> dict[str, list[Any]]:
    """Return rows to check an export with: usual values, missing ones, unknown levels."""
    values = {column.name: _sample_values(column) for column in schema.columns}
    return {
        name: [some[i % len(some)] for i in range(_SAMPLE_ROWS)]
        for name, some in values.items()
    }


def _sample_values(column: Column) -> list[Any]:
    if column.kind == "numeric":
        low, high = column.low or 0.0, column.high or 1.0
        return [low, high, low / 2 + high / 2, math.nan]
    if column.kind == "datetime":
        return [column.first or "2000-01-01", column.last or "2000-01-01T12:30", None]
    if column.kind == "text":
        return ["a text of several words", "another text", None]
    return [*column.levels[:3], "(a level never seen)", None]


def _complete(answers: Answers, target: Target) -> Answers:
    """Add the text of the class to the answers, and check their names and shapes."""
    if target.task == "regression":
        return _checked(answers, "value", None)
    probabilities = _checked(answers, "probabilities", len(target.classes))

    def with_class(x: tf.Tensor, codes: tf.Tensor) -> dict[str, tf.Tensor]:
        given = probabilities(x, codes)
        best = tf.argmax(given["probabilities"], axis=1)
        return {"class": tf.gather(tf.constant(target.classes), best), **given}

    return with_class


def _checked(answers: Answers, name: str, width: int | None) -> Answers:
    def given(x: tf.Tensor, codes: tf.Tensor) -> dict[str, tf.Tensor]:
        found = answers(x, codes)
        if name not in found:
            raise InputError(f"answers must give {name!r}; it gives {', '.join(found)}")
        shape = found[name].shape
        if width is not None and (shape.rank != 2 or shape[1] != width):
            raise InputError(
                f"answers must give {name!r} of shape [rows, {width}], a column for each"
                f" class of the schema; got {shape}"
            )
        return found

    return given
