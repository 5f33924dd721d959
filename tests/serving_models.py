"""Small SavedModels for the tests of the server: each maker writes one version.

`make_x(folder)` writes `folder/1` and returns it; `folder` is the model's, which holds
versions. Two of them are made with TensorFlow 1's builder, because no `tf.Module` can say
the same: a signature without inputs that counts, and method names of each kind.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from kerasnn import saving
from kerasnn.datasets import Column, Schema, Target, checked_table
from kerasnn.preprocessing import Preprocessor
from kerasnn.serving.saved_model.signatures import CLASSIFY, PREDICT, REGRESS

WARM_UP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
DTYPES = {
    "bool": tf.bool,
    "uint8": tf.uint8,
    "uint16": tf.uint16,
    "uint32": tf.uint32,
    "uint64": tf.uint64,
    "int8": tf.int8,
    "int16": tf.int16,
    "int32": tf.int32,
    "int64": tf.int64,
    "half": tf.half,
    "bfloat16": tf.bfloat16,
    "float": tf.float32,
    "double": tf.float64,
    "complex64": tf.complex64,
    "complex128": tf.complex128,
    "string": tf.string,
}


def save(module: tf.Module, folder: Path, version: int, **signatures: Any) -> Path:
    """Write a module as a version, without TensorFlow's log of it."""
    path = folder / str(version)
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        tf.saved_model.save(module, path, signatures=signatures)
    finally:
        logger.setLevel(level)
    return path


# --- y = x / 2 + 2, and what Classify and Regress make of it ------------------------


def make_half_plus_two(
    folder: Path, version: int = 1, *, half: float = 0.5, two: float = 2.0
) -> Path:
    """`serving_default`: x [n] to y [n] = x / 2 + 2.

    Of tf.Examples with the float feature x and, 0 by default, x2, all [n, 1]:
    `regress_x_to_y`, `regress_x_to_y2` (+ 3 for + 2), `classify_x_to_y`. Of a float vector
    [n] named `inputs`: `regress_x2_to_y3`, `classify_x2_to_y3` (+ 3).
    """
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        a, b, c = (_variable(value) for value in (half, two, two + 1))
        examples = tf.compat.v1.placeholder(tf.string, [None], name="examples")
        features = tf.io.parse_example(
            examples,
            {
                "x": tf.io.FixedLenFeature([1], tf.float32),
                "x2": tf.io.FixedLenFeature([1], tf.float32, default_value=[0.0]),
            },
        )
        x = tf.compat.v1.placeholder(tf.float32, [None], name="x")
        x2 = tf.compat.v1.placeholder(tf.float32, [None], name="x2")
        from_examples = tf.add(a * features["x"], b, name="y_of_examples")
        y2 = tf.add(a * features["x"], c, name="y2")
        y3 = tf.add(a * x2, c, name="y3")
        signatures = {
            "serving_default": (PREDICT, {"x": x}, {"y": a * x + b}),
            "regress_x_to_y": (REGRESS, {"inputs": examples}, {"outputs": from_examples}),
            "regress_x_to_y2": (REGRESS, {"inputs": examples}, {"outputs": y2}),
            "regress_x2_to_y3": (REGRESS, {"inputs": x2}, {"outputs": y3}),
            "classify_x_to_y": (CLASSIFY, {"inputs": examples}, {"scores": from_examples}),
            "classify_x2_to_y3": (
                CLASSIFY,
                {"inputs": x2},
                {"scores": tf.reshape(y3, [-1, 1])},
            ),
        }
        return _build(session, folder, version, signatures)


def make_classifier(folder: Path, version: int = 1) -> Path:
    """Classes with names: `classify` of the float feature x [2] to "low" and "high".

    Its scores are softmax(x). `regress` gives the sum of x; `scores_only` and
    `classes_only` leave one of both out; `serving_default` takes x [n, 2].
    """
    module = tf.Module()

    def parse(examples: tf.Tensor) -> tf.Tensor:
        features = {"x": tf.io.FixedLenFeature([2], tf.float32)}
        return tf.io.parse_example(examples, features)["x"]

    def labels(x: tf.Tensor) -> tf.Tensor:
        return tf.tile(tf.constant([["low", "high"]]), [tf.shape(x)[0], 1])

    def of_examples(give: Any) -> Any:
        spec = tf.TensorSpec([None], tf.string, name="inputs")
        return tf.function(lambda inputs: give(parse(inputs)), input_signature=[spec])

    spec = tf.TensorSpec([None, 2], tf.float32, name="x")
    predict = tf.function(lambda x: {"y": tf.nn.softmax(x)}, input_signature=[spec])
    return save(
        module,
        folder,
        version,
        serving_default=predict,
        classify=of_examples(lambda x: {"classes": labels(x), "scores": tf.nn.softmax(x)}),
        classes_only=of_examples(lambda x: {"classes": labels(x)}),
        scores_only=of_examples(lambda x: {"scores": tf.nn.softmax(x)}),
        regress=of_examples(lambda x: {"outputs": tf.reduce_sum(x, axis=1)}),
    )


# --- other forms of signatures ------------------------------------------------------


def make_counter(folder: Path, version: int = 1) -> Path:
    """State, and signatures without inputs.

    `get_counter` and `incr_counter` take nothing, `incr_counter_by` a scalar `delta`,
    `reset_counter` nothing; each gives the scalar `output`.
    """
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        counter = tf.compat.v1.get_variable("counter", initializer=0.0, use_resource=True)
        delta = tf.compat.v1.placeholder(tf.float32, [], name="delta")
        outputs = {
            "get_counter": ({}, tf.identity(counter.read_value(), name="count")),
            "incr_counter": ({}, counter.assign_add(1.0, read_value=True).read_value()),
            "incr_counter_by": (
                {"delta": delta},
                counter.assign_add(delta, read_value=True).read_value(),
            ),
            "reset_counter": ({}, counter.assign(0.0, read_value=True).read_value()),
        }
        signatures = {
            key: (PREDICT, inputs, {"output": output})
            for key, (inputs, output) in outputs.items()
        }
        return _build(session, folder, version, signatures)


class Dense(tf.Module):
    """softmax(relu(x @ w1) @ w2), of static width; its weights are always the same."""

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        rng = np.random.default_rng(0)
        self.kernels = [
            tf.Variable(rng.normal(0, n_in**-0.5, (n_in, n_out)), dtype=tf.float32)
            for n_in, n_out in itertools.pairwise(sizes)
        ]

    def __call__(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        for kernel in self.kernels[:-1]:
            x = tf.nn.relu(x @ kernel)
        return {"probabilities": tf.nn.softmax(x @ self.kernels[-1])}


def make_dense(
    folder: Path, version: int = 1, *, sizes: Sequence[int] = (64, 30, 10)
) -> Path:
    """x [n, 64] to probabilities [n, 10]."""
    module = Dense(*sizes)
    spec = tf.TensorSpec([None, sizes[0]], tf.float32, name="x")
    return save(
        module,
        folder,
        version,
        serving_default=tf.function(module.__call__, input_signature=[spec]),
    )


def make_columns(folder: Path, version: int = 1) -> Path:
    """Several inputs and outputs, of each kind.

    `age` float [n], `city` string [n], `count` int64 [n] to `label` string [n] (city and
    count), `score` float [n, 2] (age, count) and `raw_bytes` string [n] (the city).
    """
    module = tf.Module()

    def serve(age: tf.Tensor, city: tf.Tensor, count: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "label": tf.strings.join([city, tf.strings.as_string(count)], separator=" "),
            "score": tf.stack([age, tf.cast(count, tf.float32)], axis=1),
            "raw_bytes": tf.identity(city),
        }

    specs = [
        tf.TensorSpec([None], dtype, name=name)
        for name, dtype in (("age", tf.float32), ("city", tf.string), ("count", tf.int64))
    ]
    return save(
        module, folder, version, serving_default=tf.function(serve, input_signature=specs)
    )


class RandomLayer(tf.Module):
    """A layer of fixed random weights."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        rng = np.random.default_rng(0)
        self.kernel = tf.Variable(rng.normal(size=(n_in, n_out)), dtype=tf.float32)

    def __call__(self, x: Any, codes: Any) -> dict[str, Any]:
        return {"probabilities": tf.nn.softmax(x @ self.kernel)}


def make_picture(folder: Path, version: int = 1) -> Path:
    """`serving_default`: pictures [n, 32, 32, 3] to the sum of their mean colours [n]."""
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None, 32, 32, 3], name="picture")])
    def serve(picture):
        return {"sum": tf.reduce_sum(tf.reduce_mean(picture, [1, 2]), 1)}

    module.serve = serve
    return save(module, folder, version, serving_default=serve)


def make_table(folder: Path, *, cities: int = 2) -> Path:
    """A table's network without training; `serving_default`: age, city, member."""
    names = ("Lyon", "Oslo") if cities == 2 else tuple(f"city {i}" for i in range(cities))
    counts = [30] * cities
    if cities > 7:
        counts[7] = 31
    schema = Schema(
        (
            Column("age", "numeric", low=17.0, high=91.0),
            Column("city", "categorical", levels=names, counts=tuple(counts)),
            Column("member", "boolean", levels=("False", "True"), counts=(30, 30)),
        ),
        target=Target("bought", "classification", classes=("no", "yes")),
    )
    rows = {
        "age": np.linspace(17, 91, 60),
        "city": list(itertools.islice(itertools.cycle(names), 60)),
        "member": [False, True, True] * 20,
    }
    preprocessor = Preprocessor.fit(checked_table(rows, schema), schema)
    network = RandomLayer(preprocessor.n_in, 2)
    return saving.export_table(network, preprocessor, schema, folder, answers=network)


def make_types(folder: Path, version: int = 1) -> Path:
    """Each type as it came: a signature by its name, `x` of any shape to `y`."""
    module = tf.Module()
    signatures = {
        name: tf.function(
            lambda x: {"y": tf.identity(x)},
            input_signature=[tf.TensorSpec(None, dtype, name="x")],
        )
        for name, dtype in DTYPES.items()
    }
    return save(module, folder, version, **signatures)


def make_slow(folder: Path, version: int = 1) -> Path:
    """y = x, after max(`steps`) steps of a loop: `steps` int32 [n] and `x` float [n].

    A step takes 1 to 3 microseconds; a call of a million steps is slow, one of 0 is not.
    """
    module = tf.Module()

    def serve(steps: tf.Tensor, x: tf.Tensor) -> dict[str, tf.Tensor]:
        most = tf.reduce_max(steps)
        # A sum that is used, or the loop would be left out.
        _, total = tf.while_loop(
            lambda i, _: i < most, lambda i, total: (i + 1, total + 1.0), (0, 0.0)
        )
        return {"y": x + 0.0 * total}

    specs = [
        tf.TensorSpec([None], tf.int32, name="steps"),
        tf.TensorSpec([None], tf.float32, name="x"),
    ]
    return save(
        module, folder, version, serving_default=tf.function(serve, input_signature=specs)
    )


# --- what must not be served ------------------------------------------------------------


def make_broken(folder: Path, version: int = 1) -> Path:
    """Half of a SavedModel's file."""
    path = make_half_plus_two(folder, version)
    file = path / "saved_model.pb"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    return path


def make_failing_warm_up(folder: Path, version: int = 1) -> Path:
    """A good model, whose warm-up request names an input that it has not."""
    path = make_half_plus_two(folder, version)
    write_warm_up(path, predict_log("half_plus_two", no_such_input=[1.0]))
    return path


def make_writing(folder: Path, version: int = 1, *, target: str = "/tmp/never") -> Path:
    """x [n] to y [n], and writes a file meanwhile."""

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.control_dependencies([tf.io.write_file(target, "written")]):
            return {"y": tf.identity(x)}

    spec = tf.TensorSpec([None], tf.float32, name="x")
    function = tf.function(serve, input_signature=[spec])
    return save(tf.Module(), folder, version, serving_default=function)


# --- warm-up requests -----------------------------------------------------------------


def predict_log(
    model: str, signature: str = "", **inputs: Any
) -> prediction_log_pb2.PredictionLog:
    """A Predict request in the form of a warm-up file; values of inputs by alias."""
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    for alias, values in inputs.items():
        request.inputs[alias].CopyFrom(tf.make_tensor_proto(values))
    return log


def write_warm_up(version: Path, *logs: prediction_log_pb2.PredictionLog) -> Path:
    """The warm-up file of a version."""
    path = version / WARM_UP_FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in logs:
            writer.write(log.SerializeToString())
    return path


def example(**features: Any) -> bytes:
    """A serialized tf.Example: floats, integers or bytes, one or a list of them."""
    message = tf.train.Example()
    for name, values in features.items():
        several = values if isinstance(values, list) else [values]
        feature = message.features.feature[name]
        if isinstance(several[0], bytes):
            feature.bytes_list.value.extend(several)
        elif isinstance(several[0], float):
            feature.float_list.value.extend(several)
        else:
            feature.int64_list.value.extend(several)
    return message.SerializeToString()


# --- the builder ------------------------------------------------------------------------


def _variable(value: float) -> Any:
    return tf.compat.v1.Variable(value, use_resource=True)


def _build(session: Any, folder: Path, version: int, signatures: Any) -> Path:
    """Write the session's graph; signatures are (method name, inputs, outputs) by key."""
    path = folder / str(version)
    v1 = tf.compat.v1
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(path))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            signature_def_map={
                key: v1.saved_model.build_signature_def(
                    _infos(inputs), _infos(outputs), method
                )
                for key, (method, inputs, outputs) in signatures.items()
            },
        )
        builder.save()
    finally:
        logger.setLevel(level)
    return path


def _infos(tensors: Any) -> dict[str, Any]:
    build = tf.compat.v1.saved_model.build_tensor_info
    return {alias: build(tensor) for alias, tensor in tensors.items()}
