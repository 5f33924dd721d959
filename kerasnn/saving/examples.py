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

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.manifest import EXAMPLES_INPUT
from kerasnn.saving.session import Arrays

CLASSIFY, REGRESS = "classify", "regress"
MAX_FEATURES = 1000  # each takes 2 ms of the export and of the start of a server
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
        None for a regression with several values, since Regress returns one value a row,
        and for more than `MAX_FEATURES` inputs.
    """
    if not classes and np.prod(outputs["value"].shape[1:], dtype=int) != 1:
        return None
    if len(specs) > MAX_FEATURES:
        return None

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, EXAMPLES_INPUT)], autograph=False
    )
    def answer(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        given = serve(_as_inputs(_parsed(inputs, specs), specs))
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


def _parsed(
    examples: tf.Tensor, specs: Mapping[str, tf.TensorSpec]
) -> dict[str, tf.Tensor]:
    """Parse serialized tf.Examples; a feature is optional if it is a single value.

    `tf.io.parse_example` makes three operations for each feature, this makes one for all.
    """
    defaults = {
        (tf.string, True): tf.constant(""),
        (tf.float32, True): tf.constant(math.nan),
        (tf.float32, False): tf.constant([], tf.float32),  # required
    }
    shapes = [spec.shape[1:] for spec in specs.values()]
    kinds = [tf.string if s.dtype == tf.string else tf.float32 for s in specs.values()]
    parsed = tf.raw_ops.ParseExampleV2(
        serialized=examples,
        names=tf.constant([], tf.string),
        sparse_keys=tf.constant([], tf.string),
        dense_keys=tf.constant([*specs]),
        ragged_keys=tf.constant([], tf.string),
        dense_defaults=[
            defaults[kind, shape.rank == 0]
            for kind, shape in zip(kinds, shapes, strict=True)
        ],
        num_sparse=0,
        sparse_types=[],
        ragged_value_types=[],
        ragged_split_types=[],
        dense_shapes=shapes,
    )
    return dict(zip(specs, parsed.dense_values, strict=True))


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
    wide = [name for name, values in inputs.items() if values.dtype == np.float64]
    if not wide:
        return dict(inputs)
    with np.errstate(over="ignore"):  # infinite, as in the protobuf
        narrow = np.stack([inputs[name] for name in wide]).astype(np.float32)
    carried = shortest_float64(tf.constant(narrow)).numpy()
    return {**inputs, **dict(zip(wide, carried, strict=True))}
