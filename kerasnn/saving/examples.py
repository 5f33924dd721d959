"""The second signature of an export, which takes rows as serialized tf.Examples.

TensorFlow Serving's Classify and Regress use it, and clients that stream tf.Examples:
`classify` returns `classes` and `scores` [rows, n_classes], `regress` returns `outputs`. It
parses the examples and calls the function of `serving_default`.

Features have the names of `serving_default`'s inputs. The features of a table are
optional, a row of numbers `x` is required. Numbers are tf.Example's floats, 32 bits wide;
JSON clients must write 6.0 instead of 6, which would be an integer feature and fail to
parse. Values that 32 bits would round, such as times in seconds or long identifiers, should
be sent to `serving_default`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.manifest import EXAMPLES_INPUT
from kerasnn.saving.session import Arrays

CLASSIFY, REGRESS = "classify", "regress"
METHOD_NAMES = {
    CLASSIFY: "tensorflow/serving/classify",
    REGRESS: "tensorflow/serving/regress",
}

_Tensors = Mapping[str, tf.Tensor]


class ExamplesSignature(NamedTuple):
    """The signature for tf.Examples.

    Attributes:
        key: "classify" or "regress".
        function: takes `inputs`, serialized tf.Examples [rows].
    """

    key: str
    function: Any


def make_examples_signature(
    serve: Callable[[dict[str, tf.Tensor]], _Tensors],
    specs: Mapping[str, tf.TensorSpec],
    classes: Sequence[str],
    outputs: Arrays,
) -> ExamplesSignature | None:
    """Make the signature for a network whose `serving_default` is `serve`.

    Args:
        serve: from inputs by name to named answers.
        specs: of the inputs, [rows] or [rows, n].
        classes: their texts, in the order of the probabilities; none for a regression.
        outputs: answers of `serve` for some rows.

    Returns:
        None for a regression with several values: Regress returns one value a row.
    """
    if not classes and np.prod(outputs["value"].shape[1:], dtype=int) != 1:
        return None
    features = {name: _feature(spec) for name, spec in specs.items()}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, EXAMPLES_INPUT)])
    def answer(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(inputs, features)
        given = serve(_as_inputs(parsed, specs))
        if not classes:
            return {"outputs": tf.cast(given["value"], tf.float32)}
        labels = tf.tile([list(classes)], [tf.size(inputs), 1])
        return {"classes": labels, "scores": tf.cast(given["probabilities"], tf.float32)}

    return ExamplesSignature(CLASSIFY if classes else REGRESS, answer)


def expected_outputs(answers: Arrays, classes: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return the signature's outputs for rows whose `serving_default` answers are given."""
    if not classes:
        return {"outputs": answers["value"].astype(np.float32)}
    rows = len(answers["probabilities"])
    labels = np.tile(np.array([text.encode() for text in classes], object), (rows, 1))
    return {"classes": labels, "scores": answers["probabilities"].astype(np.float32)}


def serialize_examples(inputs: Arrays) -> NDArray[np.object_]:
    """Return rows of `serving_default`'s inputs as serialized tf.Examples, [rows].

    Missing values, NaN and "", are omitted.
    """
    rows = len(next(iter(inputs.values())))
    examples = np.empty(rows, object)
    for row in range(rows):
        example = tf.train.Example()
        for name, values in inputs.items():
            _set_feature(example.features.feature[name], values[row])
        examples[row] = example.SerializeToString()
    return examples


def _set_feature(feature: Any, value: Any) -> None:
    if isinstance(value, bytes):
        if value:
            feature.bytes_list.value.append(value)
        return
    numbers = np.atleast_1d(value)
    if not np.isnan(numbers).all():
        feature.float_list.value.extend(numbers.tolist())


def _feature(spec: tf.TensorSpec) -> tf.io.FixedLenFeature:
    """Describe a feature; it is optional if it is a single value."""
    shape = spec.shape[1:].as_list()
    if spec.dtype == tf.string:
        return tf.io.FixedLenFeature(shape, tf.string, "")
    return tf.io.FixedLenFeature(shape, tf.float32, None if shape else float("nan"))


def _as_inputs(
    parsed: _Tensors, specs: Mapping[str, tf.TensorSpec]
) -> dict[str, tf.Tensor]:
    """Convert features to the dtypes of the inputs.

    All float64 inputs have one shape and are converted in one call: converting each alone
    took most of the time of a call with one row of 100 columns.
    """
    wide = [name for name, spec in specs.items() if spec.dtype == tf.float64]
    given = {n: tf.cast(parsed[n], specs[n].dtype) for n in specs if n not in wide}
    if wide:
        converted = shortest_float64(tf.stack([parsed[name] for name in wide]))
        given.update(zip(wide, tf.unstack(converted, num=len(wide)), strict=True))
    return given


def shortest_float64(numbers: tf.Tensor) -> tf.Tensor:
    """Return for float32 numbers the float64 number with the shortest decimal text.

    A tf.Example stores 0.1 as 0.100000001490116. The shortest decimal text that reads back
    as this float32 is 0.1, and its float64 equals the value that the client had: a value
    that the network has a code for is matched exactly.
    """
    shortest = tf.cast(numbers, tf.float64)
    for digits in (9, 8, 7, 6):  # 9 are always enough, 6 mostly
        text = tf.strings.as_string(numbers, precision=digits, shortest=True)
        parsed = tf.strings.to_number(text, tf.float64)
        shortest = tf.where(tf.cast(parsed, tf.float32) == numbers, parsed, shortest)
    return shortest


def as_examples_carry(inputs: Arrays) -> dict[str, NDArray[Any]]:
    """Return rows of `serving_default`'s inputs as they arrive through tf.Examples."""
    return {
        name: _through_float32(values) if values.dtype == np.float64 else values
        for name, values in inputs.items()
    }


def _through_float32(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):  # infinite, as in the protobuf
        return shortest_float64(tf.constant(numbers.astype(np.float32))).numpy()
