"""The second signature of an export: rows as serialized tf.Examples.

TensorFlow Serving's Classify and Regress, and who streams tf.Examples, ask this one:
`classify` gives `classes` and `scores` [rows, n_classes], `regress` gives `outputs`. It
parses, and asks the function that `serving_default` asks.

Features have the names of `serving_default`'s inputs; those of a table may be left out, a
row of numbers `x` may not. Numbers are tf.Example's floats, 32 bits wide; JSON clients
write 6.0, not 6, or the number becomes an integer feature, which does not parse. What 32
bits round, times in seconds or long identifiers, is better asked by `serving_default`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

CLASSIFY, REGRESS = "classify", "regress"
METHOD_NAMES = {
    CLASSIFY: "tensorflow/serving/classify",
    REGRESS: "tensorflow/serving/regress",
}
INPUTS = "inputs"

Tensors = Mapping[str, tf.Tensor]


class ExamplesSignature(NamedTuple):
    """What is served of tf.Examples.

    Attributes:
        key: "classify" or "regress".
        function: from `inputs`, serialized tf.Examples [rows].
    """

    key: str
    function: Any


def examples_signature(
    serve: Callable[[dict[str, tf.Tensor]], Tensors],
    specs: Mapping[str, tf.TensorSpec],
    classes: Sequence[str],
    outputs: Tensors,
) -> ExamplesSignature | None:
    """The signature for a network whose `serving_default` is `serve`.

    Args:
        serve: from its inputs by name to its named answers.
        specs: of the inputs, [rows] or [rows, n].
        classes: their texts, in the order of the probabilities; none for a regression.
        outputs: of `serve`, or like them.

    Returns:
        None for a regression of several values, for which there is no form.
    """
    if not classes and np.prod(outputs["value"].shape[1:], dtype=int) != 1:
        return None
    features = {name: _feature(spec) for name, spec in specs.items()}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, INPUTS)])
    def answer(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(inputs, features)
        given = serve(_as_inputs(parsed, specs))
        if not classes:
            return {"outputs": tf.cast(given["value"], tf.float32)}
        labels = tf.tile([list(classes)], [tf.size(inputs), 1])
        return {"classes": labels, "scores": tf.cast(given["probabilities"], tf.float32)}

    return ExamplesSignature(CLASSIFY if classes else REGRESS, answer)


def expected_of_examples(
    answers: Mapping[str, NDArray[Any]], classes: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """What the signature must give for rows whose answers these are."""
    if not classes:
        return {"outputs": answers["value"].astype(np.float32)}
    rows = len(answers["probabilities"])
    labels = np.tile(np.array([text.encode() for text in classes], object), (rows, 1))
    return {"classes": labels, "scores": answers["probabilities"].astype(np.float32)}


def examples_of(inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.object_]:
    """Rows of `serving_default`'s inputs as serialized tf.Examples, [rows].

    Missing values, NaN and "", are left out.
    """
    rows = len(next(iter(inputs.values())))
    examples = np.empty(rows, object)
    for row in range(rows):
        example = tf.train.Example()
        for name, values in inputs.items():
            _write(example.features.feature[name], values[row])
        examples[row] = example.SerializeToString()
    return examples


def _write(feature: Any, value: Any) -> None:
    if isinstance(value, bytes):
        if value:
            feature.bytes_list.value.append(value)
        return
    numbers = np.atleast_1d(value)
    if not np.isnan(numbers).all():
        feature.float_list.value.extend(numbers.tolist())


def _feature(spec: tf.TensorSpec) -> tf.io.FixedLenFeature:
    """A feature that may be left out if it is one value."""
    shape = spec.shape[1:].as_list()
    if spec.dtype == tf.string:
        return tf.io.FixedLenFeature(shape, tf.string, "")
    return tf.io.FixedLenFeature(shape, tf.float32, None if shape else float("nan"))


def _as_inputs(parsed: Tensors, specs: Mapping[str, tf.TensorSpec]) -> dict[str, tf.Tensor]:
    """Features in the types of the inputs.

    Those of 64 bits, which have one shape, go through `as_written` together: its many
    small operations for each alone took most of a call for a row of 100 columns.
    """
    wide = [name for name, spec in specs.items() if spec.dtype == tf.float64]
    given = {n: tf.cast(parsed[n], specs[n].dtype) for n in specs if n not in wide}
    if wide:
        written = as_written(tf.stack([parsed[name] for name in wide]))
        given.update(zip(wide, tf.unstack(written, num=len(wide)), strict=True))
    return given


def as_written(numbers: tf.Tensor) -> tf.Tensor:
    """Float32 numbers as the float64 ones that somebody probably wrote.

    0.1 became 0.100000001490116 on its way through a tf.Example. Of the decimal texts that
    read back as the same float32 the shortest is taken, whose float64 is 0.1 again: a
    column's value that the network knows by heart is met exactly.
    """
    written = tf.cast(numbers, tf.float64)
    for digits in (9, 8, 7, 6):  # 9 are always enough, 6 mostly
        text = tf.strings.as_string(numbers, precision=digits, shortest=True)
        read = tf.strings.to_number(text, tf.float64)
        written = tf.where(tf.cast(read, tf.float32) == numbers, read, written)
    return written


def as_carried(inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Rows of `serving_default`'s inputs as their tf.Examples carry them, in 32 bits."""
    return {
        name: _narrowed(values) if values.dtype == np.float64 else values
        for name, values in inputs.items()
    }


def _narrowed(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):  # infinite, as in the protobuf
        return as_written(tf.constant(numbers.astype(np.float32))).numpy()
