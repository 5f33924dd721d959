"""Warm-up requests in a version folder, in TensorFlow Serving's format.

The first calls of a graph are slow. A server that runs these requests before it publishes
the version answers its first client quickly.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_serving.apis import prediction_log_pb2

from kerasnn.manifest import EXAMPLES_INPUT, WARM_UP_FILE
from kerasnn.saving.examples import CLASSIFY, REGRESS
from kerasnn.saving.session import Arrays


def write_warm_up(folder: Path, model: str, requests: Mapping[str, Arrays]) -> None:
    """Write the file: for each signature a request of one row, and one of all rows.

    Args:
        folder: of the version.
        model: the name of the model.
        requests: rows for each signature, inputs by name.
    """
    with tf.io.TFRecordWriter(str(folder / WARM_UP_FILE)) as writer:
        for signature, inputs in requests.items():
            for rows in (slice(0, 1), slice(None)):
                some = {name: values[rows] for name, values in inputs.items()}
                log = _prediction_log(model, signature, some)
                writer.write(log.SerializeToString())


def read_warm_up(version_folder: Path) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
    """Yield the requests of a version's file: signature, and inputs by name."""
    path = version_folder / WARM_UP_FILE
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        request = getattr(log, log.WhichOneof("log_type")).request
        if log.WhichOneof("log_type") == "predict_log":
            inputs = {name: tf.make_ndarray(t) for name, t in request.inputs.items()}
        else:
            examples = request.input.example_list.examples
            serialized = [example.SerializeToString() for example in examples]
            inputs = {EXAMPLES_INPUT: tf.constant(serialized).numpy()}
        yield request.model_spec.signature_name, inputs


def _prediction_log(model: str, signature: str, inputs: Arrays) -> Any:
    log = prediction_log_pb2.PredictionLog()
    kind = {CLASSIFY: log.classify_log, REGRESS: log.regress_log}.get(signature)
    request = (log.predict_log if kind is None else kind).request
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if kind is None:
        for name, values in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    else:
        for example in inputs[EXAMPLES_INPUT]:
            request.input.example_list.examples.add().MergeFromString(example)
    return log
