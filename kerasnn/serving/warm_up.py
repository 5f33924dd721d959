"""Requests that a version answers before it is published, so that no client is first.

They lie in `assets.extra/tf_serving_warmup_requests`, a TFRecord file of PredictionLogs,
as TensorFlow Serving has it. Without the file the calls are made ready, and not run.
"""

import itertools
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from kerasnn.serving.graph import Graph
from kerasnn.serving.grpc_examples import examples_of
from kerasnn.serving.signatures import DEFAULT_SIGNATURE, Signature
from kerasnn.serving.statuses import Code, ServingError, invalid
from kerasnn.serving.tensors import array_of

WARM_UP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
MOST_RECORDS = 1000
MOST_ROWS = 1_000_000  # of one request


def warm_up(graph: Graph, folder: Path) -> int:
    """Play the requests; how many there were.

    Raises:
        ServingError: one of them fails, or the file cannot be read.
    """
    path = folder / WARM_UP_FILE
    if not path.exists():
        for key, signature in graph.signatures.items():
            if signature.outputs and not key.startswith("__"):
                graph.prepare(signature)
        return 0
    count = 0
    try:
        records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
        for count, record in enumerate(itertools.islice(records, MOST_RECORDS + 1), 1):
            if count > MOST_RECORDS:
                raise invalid(
                    f"Number of warmup records exceeds the maximum ({MOST_RECORDS}) at"
                    f" {path}"
                )
            _play(graph, prediction_log_pb2.PredictionLog.FromString(record))
    except tf.errors.OpError as error:
        raise ServingError(
            Code.DATA_LOSS, f"{path} cannot be read after {count} records: {error.message}"
        ) from None
    return count


def _play(graph: Graph, log: Any) -> None:
    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        request = log.predict_log.request
        signature = _signature(graph, request.model_spec.signature_name)
        inputs = {
            alias: array_of(alias, tensor, most_rows=MOST_ROWS)
            for alias, tensor in request.inputs.items()
        }
        if inputs.keys() != signature.inputs.keys():
            raise invalid(
                f"a warmup request has the inputs {', '.join(inputs)}; the signature"
                f" {signature.key} takes {', '.join(signature.inputs)}"
            )
        graph.run(signature, inputs, list(signature.outputs))
    elif kind in ("classify_log", "regress_log"):
        request = getattr(log, kind).request
        _play_examples(graph, request.model_spec.signature_name, request.input)
    elif kind == "multi_inference_log":
        request = log.multi_inference_log.request
        for task in request.tasks:
            _play_examples(graph, task.model_spec.signature_name, request.input)
    else:
        raise ServingError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")


def _play_examples(graph: Graph, name: str, given: Any) -> None:
    signature = _signature(graph, name)
    if len(signature.inputs) != 1:
        raise invalid(f"the signature {signature.key} does not take tf.Examples")
    (alias,) = signature.inputs
    graph.run(signature, {alias: examples_of(given)}, list(signature.outputs))


def _signature(graph: Graph, name: str) -> Signature:
    signature = graph.signatures.get(name or DEFAULT_SIGNATURE)
    if signature is None:
        raise invalid(f"a warmup request is for the signature {name!r}, which is not there")
    return signature
