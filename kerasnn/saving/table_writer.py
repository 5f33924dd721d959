"""Writes a network of tables as a SavedModel that takes the raw columns by name."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.datasets import (
    Column,
    Schema,
    Target,
    checked_table,
    input_names,
    raw_columns,
)
from kerasnn.errors import ExportError, InputError
from kerasnn.layers import raw_variables
from kerasnn.manifest import DESCRIBED, MANIFEST, manifest_text
from kerasnn.preprocessing import Preprocessor
from kerasnn.saving.contents import (
    check_contents,
    check_written,
    described_outputs,
    description,
    write,
)
from kerasnn.saving.examples import examples_signature
from kerasnn.saving.folders import new_version, publish

Answers = Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]
SAMPLE_ROWS = 12


class _ServedTable(tf.Module):
    """The module to write: raw `tf.Variable`s, lookup tables, and the signature.

    The network is only in the closure of `answers`, as in `writer`.
    """

    def __init__(
        self,
        preprocessor: Preprocessor,
        names: Mapping[str, str],
        answers: Answers,
        variables: Iterable[tf.Variable | keras.Variable],
    ) -> None:
        super().__init__()
        self.raw_variables = raw_variables(variables)
        self.preprocessing = preprocessor.graph
        specs = {
            names[column]: tf.TensorSpec(spec.shape, spec.dtype, names[column])
            for column, spec in preprocessor.input_specs().items()
        }

        @tf.function(input_signature=[specs])
        def serve(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return answers(*preprocessor({c: inputs[name] for c, name in names.items()}))

        self.serve = serve
        self.specs = specs


def export_table(
    network: tf.Module | keras.Model,
    preprocessor: Preprocessor,
    schema: Schema,
    folder: str | Path,
    *,
    answers: Answers,
    variables: Iterable[tf.Variable | keras.Variable] | None = None,
    metadata: Mapping[str, Any] | None = None,
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a network of tables as the next version under a folder.

    The signature `serving_default` takes each column of the schema by its name, [rows]: a
    numeric one as float64 with NaN where it is missing, all others as text with "" where
    missing. Names that TensorFlow does not take are changed (`input_names`), as the
    manifest tells. It gives `class` [rows] text and `probabilities` [rows, n_classes], or
    `value` [rows] or [rows, n_out]. A second signature, `classify` or `regress`, takes the
    same as tf.Examples (`saving.examples`); there is none for several values. What is
    written is loaded again through the Session loader, and every signature compared with
    the network, before it gets its number.

    Args:
        network: what is described in the manifest.
        preprocessor: what was fitted on its training rows.
        schema: of the table; its target names the classes.
        folder: for instance "saved_models/adult"; the version is counted up.
        answers: from x and codes, as the preprocessor gives them, to `probabilities` or
            `value`; may use the network.
        variables: all that `answers` reads; those of the network by default.
        metadata: what else to keep in the manifest, as JSON.
        files: what else to keep in `assets.extra`, by name, for instance a report.

    Returns:
        The version folder.

    Raises:
        InputError: the schema has no target, the folder cannot be written, or metadata or
            files cannot be kept as they are. Nothing is written.
        ExportError: what was written does not answer as the network does.
    """
    if schema.target is None:
        raise InputError("the schema must have a target; infer it with target=")
    folder, metadata, files = Path(folder), dict(metadata or {}), dict(files or {})
    described = (*DESCRIBED, "schema", "classes")
    check_contents(folder, metadata, files, described=described)
    answers = _complete(answers, schema.target)
    names = input_names(preprocessor.names)
    kept = network.variables if variables is None else variables
    served = _ServedTable(preprocessor, names, answers, kept)
    sample = checked_table(sample_rows(schema), schema)
    # Prepared in NumPy, as the training rows were, not by the graph that is written.
    given = answers(*map(tf.constant, preprocessor.prepare(sample)))
    expected = {name: value.numpy() for name, value in given.items()}
    files[MANIFEST.name] = manifest_text(
        {
            **metadata,
            **description(network),
            **_described(schema, schema.target, names, preprocessor),
            "outputs": described_outputs(expected),
        }
    ).encode()
    classes = schema.target.classes
    examples = examples_signature(served.serve, served.specs, classes, expected)
    columns = {names[column]: v for column, v in raw_columns(sample).items()}
    with new_version(folder) as beside:
        write(served, beside, files, examples=examples, model=folder.name, sample=columns)
        written = check_written(beside, columns, expected, classes, examples=examples)
        _check_classes(written, classes)
        return publish(beside)


def sample_rows(schema: Schema) -> dict[str, list[Any]]:
    """Return rows to test an export: usual values, missing ones and unknown levels."""
    values = {column.name: _sample_values(column) for column in schema.columns}
    return {
        name: [some[i % len(some)] for i in range(SAMPLE_ROWS)]
        for name, some in values.items()
    }


def _sample_values(column: Column) -> list[Any]:
    if column.kind == "numeric":
        low, high = column.low or 0.0, column.high or 1.0
        return [low, high, low / 2 + high / 2, math.nan]
    if column.kind == "datetime":
        return [column.first or "2000-01-01", column.last or "2000-01-01T12:30", None]
    return [*column.levels[:3], "(a level never seen)", None]


def _complete(answers: Answers, target: Target) -> Answers:
    """Return the answers with the text of the class, and with their shapes checked."""
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


def _check_classes(written: Mapping[str, NDArray[Any]], classes: Sequence[str]) -> None:
    """Check that the texts are those of the most probable classes."""
    if not classes:
        return
    best = written["probabilities"].argmax(axis=1)
    texts = [text.decode() for text in written["class"]]
    if texts != [classes[i] for i in best]:
        raise ExportError(
            f"the SavedModel's classes, {', '.join(texts)}, are not those of its"
            " probabilities; nothing was written"
        )


def _described(
    schema: Schema, target: Target, names: Mapping[str, str], preprocessor: Preprocessor
) -> dict[str, Any]:
    """Return what a reader needs to pass columns to the network."""
    specs = preprocessor.input_specs()
    return {
        "task": target.task,
        "inputs": {
            names[c]: {"dtype": spec.dtype.name, "shape": [None], "column": c}
            for c, spec in specs.items()
        },
        "classes": list(target.classes),
        "schema": schema.to_dict(),
    }
