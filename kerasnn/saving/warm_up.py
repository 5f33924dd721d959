"""Warm-up requests, which a server replays before it publishes a version.

The first calls of a graph are slow; after the warm-up the first client is answered at once.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_serving.apis import prediction_log_pb2

from kerasnn.manifest import WARM_UP_FILE
from kerasnn.saving.examples import CLASSIFY, INPUTS, REGRESS

Arrays = Mapping[str, NDArray[Any]]


def write_warm_up(beside: Path, model: str, requests: Mapping[str, Arrays]) -> None:
    """Write the file: for each signature a request of one row and one of all rows.

    Args:
        beside: folder of the version.
        model: the name of the model.
        requests: rows for each signature, inputs by name.
    """
    with tf.io.TFRecordWriter(str(beside / WARM_UP_FILE)) as writer:
        for signature, inputs in requests.items():
            for rows in (slice(0, 1), slice(None)):
                some = {name: values[rows] for name, values in inputs.items()}
                log = _log(model, signature, some)
                writer.write(log.SerializeToString())


def recorded(version_folder: Path) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
    """Yield the requests of a file: signature, and inputs by name."""
    path = version_folder / WARM_UP_FILE
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        if log.WhichOneof("log_type") == "predict_log":
            request = log.predict_log.request
            inputs = {name: tf.make_ndarray(t) for name, t in request.inputs.items()}
        else:
            request = getattr(log, log.WhichOneof("log_type")).request
            examples = request.input.example_list.examples
            serialized = [example.SerializeToString() for example in examples]
            inputs = {INPUTS: tf.constant(serialized).numpy()}
        yield request.model_spec.signature_name, inputs


def _log(model: str, signature: str, inputs: Arrays) -> Any:
    log = prediction_log_pb2.PredictionLog()
    kind = {CLASSIFY: log.classify_log, REGRESS: log.regress_log}.get(signature)
    request = (log.predict_log if kind is None else kind).request
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if kind is None:
        for name, values in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    else:
        for example in inputs[INPUTS]:
            request.input.example_list.examples.add().MergeFromString(example)
    return log
