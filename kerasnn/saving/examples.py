"""The second signature of an export: rows as serialized tf.Examples.

TensorFlow Serving's Classify and Regress, and clients that stream tf.Examples, use it:
`classify` returns `classes` and `scores` [rows, n_classes], `regress` returns `outputs`. It
parses, and calls the same function as `serving_default`.

Features have the names of `serving_default`'s inputs; those of a table are optional,
a row of numbers `x` is not. Numbers are tf.Example's 32-bit floats; JSON clients write 6.0,
not 6, which would be an integer feature and does not parse. Use `serving_default` for
values that 32 bits round: times in seconds, long identifiers.
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
    """The signature for tf.Examples.

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
    """Return the signature for a network whose `serving_default` is `serve`.

    Args:
        serve: maps inputs by name to named answers.
        specs: of the inputs, [rows] or [rows, n].
        classes: texts in the order of the probabilities; empty for a regression.
        outputs: of `serve`, or arrays of the same shapes.

    Returns:
        None for a regression of several values, which Regress cannot express.
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
    """Return the signature's expected outputs, from the answers of `serving_default`."""
    if not classes:
        return {"outputs": answers["value"].astype(np.float32)}
    rows = len(answers["probabilities"])
    labels = np.tile(np.array([text.encode() for text in classes], object), (rows, 1))
    return {"classes": labels, "scores": answers["probabilities"].astype(np.float32)}


def examples_of(inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.object_]:
    """Serialize rows of `serving_default`'s inputs as tf.Examples, [rows].

    Missing values, NaN and "", are omitted.
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
    """Return a feature that is optional if it is one value."""
    shape = spec.shape[1:].as_list()
    if spec.dtype == tf.string:
        return tf.io.FixedLenFeature(shape, tf.string, "")
    return tf.io.FixedLenFeature(shape, tf.float32, None if shape else float("nan"))


def _as_inputs(parsed: Tensors, specs: Mapping[str, tf.TensorSpec]) -> dict[str, tf.Tensor]:
    """Cast features to the types of the inputs.

    64-bit ones, which have one shape, go through `as_written` together: separately, its
    small operations took most of a call for a row of 100 columns.
    """
    wide = [name for name, spec in specs.items() if spec.dtype == tf.float64]
    given = {n: tf.cast(parsed[n], specs[n].dtype) for n in specs if n not in wide}
    if wide:
        written = as_written(tf.stack([parsed[name] for name in wide]))
        given.update(zip(wide, tf.unstack(written, num=len(wide)), strict=True))
    return given


def as_written(numbers: tf.Tensor) -> tf.Tensor:
    """Return float32 numbers as the float64 ones that were probably written.

    0.1 becomes 0.100000001490116 in a tf.Example. The shortest decimal text that reads back
    as the same float32 gives 0.1 again, so that a frequent value of a column is recognised.
    """
    written = tf.cast(numbers, tf.float64)
    for digits in (9, 8, 7, 6):  # 9 always suffice, 6 usually
        text = tf.strings.as_string(numbers, precision=digits, shortest=True)
        read = tf.strings.to_number(text, tf.float64)
        written = tf.where(tf.cast(read, tf.float32) == numbers, read, written)
    return written


def as_carried(inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return rows of `serving_default`'s inputs as tf.Examples carry them, in 32 bits."""
    return {
        name: _narrowed(values) if values.dtype == np.float64 else values
        for name, values in inputs.items()
    }


def _narrowed(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):  # infinite, as in the protobuf
        return as_written(tf.constant(numbers.astype(np.float32))).numpy()
