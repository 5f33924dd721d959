"""Warm-up: requests that a version answers before clients reach it.

They are stored in `assets.extra/tf_serving_warmup_requests`, a TFRecord file of
PredictionLogs, as in TensorFlow Serving. Without the file each signature gets one made-up
request, to find the models that load and then fail at every request.
"""

import contextlib
import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from tensorflow_serving.apis import prediction_log_pb2

from kerasnn.graphs.program import INIT_SIGNATURE
from kerasnn.manifest import EXAMPLES_INPUT, WARM_UP_FILE
from kerasnn.serving.errors import Code, ServingError, invalid, name_set
from kerasnn.serving.saved_model.examples import serialized_examples
from kerasnn.serving.saved_model.graph import Graph
from kerasnn.serving.saved_model.signatures import (
    Signature,
    find_signature,
)
from kerasnn.serving.saved_model.tensors import array_from_proto

MAX_RECORDS = 1000
MAX_WARM_UP_BYTES = 2**30
_MAX_ROWS = 1_000_000  # of one request
_MAX_MADE_UP = 10_000_000  # values of a made-up request
_WAY_OUT = (
    ", which the SavedModel does not hold where it is read. So it is if Keras 3 was saved"
    " with tf.saved_model.save, or held by a tf.Module: use model.export(folder)"
)

_log = logging.getLogger("kerasnn.serving")


def prepare(graph: Graph) -> None:
    """Build the callables of all signatures, without running them.

    Signatures that refer to missing tensors are skipped; requests for them get an error.
    """
    for key, signature in graph.signatures.items():
        if key != INIT_SIGNATURE:
            with contextlib.suppress(ServingError):
                graph.prepare(signature)


def warm_up(graph: Graph, folder: Path) -> int:
    """Replay the requests of a version's file; return their number, 0 without a file.

    Raises:
        ServingError: a request fails, or the file cannot be read.
    """
    path = folder / WARM_UP_FILE
    count = 0
    for record in _records(path):
        count += 1
        if count > MAX_RECORDS:
            raise invalid(
                f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {path}"
            )
        try:
            _play(graph, prediction_log_pb2.PredictionLog.FromString(record))
        except DecodeError:
            raise invalid(f"Failed to parse warmup record {count} from {path}") from None
        except ServingError as error:
            raise ServingError(
                error.code, f"warmup record {count} of {path}: {error.message}"
            ) from None
    return count


def try_signatures(graph: Graph) -> None:
    """Make up one request for each signature, and check that any can be answered.

    An error that such values cause proves nothing. Signatures that change state, and graphs
    that may loop, are not run: only the variables that they read are checked.

    Raises:
        ServingError: FAILED_PRECONDITION, all signatures would fail at every request.
    """
    tried = [s for key, s in graph.signatures.items() if key != INIT_SIGNATURE]
    whys = {signature.key: _failure(graph, signature) for signature in tried}
    failures = [f"the signature {k} cannot work: {why}" for k, why in whys.items() if why]
    if failures and len(failures) == len(tried):
        raise ServingError(Code.FAILED_PRECONDITION, "; ".join(failures))
    for failure in failures:
        _log.warning("%s", failure)


def _failure(graph: Graph, signature: Signature) -> str:
    """Return why a signature would fail at every request; "" if it may answer."""
    inputs = _made_up(signature)
    if inputs is None or signature.key in graph.changing or graph.may_never_end:
        names = graph.unset_variables(signature)
        return f"Could not find variable {names[0]}{_WAY_OUT}" if names else ""
    try:
        graph.run(signature, inputs, tuple(signature.outputs))
    except ServingError as error:
        if error.code is Code.FAILED_PRECONDITION:
            first = error.message.split("\n")[0].split(". ")[0]
            return first + (_WAY_OUT if "variable" in first else "")
    return ""


def _made_up(signature: Signature) -> dict[str, NDArray[Any]] | None:
    """Return zeros and empty texts of the signature's shapes, with 1 for each open size.

    None if there are none: an input of any rank, of another type, or of gigabytes.
    """
    inputs, size = {}, 0
    for alias, info in signature.inputs.items():
        if info.shape is None:  # TensorFlow may abort on another rank than it expects
            return None
        shape = [1 if each == -1 else each for each in info.shape]
        size += math.prod(shape)
        if size > _MAX_MADE_UP or info.dtype in (tf.resource, tf.variant):
            return None
        is_text = info.dtype == tf.string
        inputs[alias] = np.full(
            shape, b"" if is_text else 0, object if is_text else info.dtype.as_numpy_dtype
        )
    return inputs


def _records(path: Path) -> Iterator[bytes]:
    """Yield the records of a TFRecord file; none if it does not exist."""
    if not path.exists():
        return
    if path.stat().st_size > MAX_WARM_UP_BYTES:
        raise invalid(f"{path}: it may have at most {MAX_WARM_UP_BYTES:,} bytes")
    try:
        yield from tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    except tf.errors.OpError as error:
        raise ServingError(
            Code.DATA_LOSS, f"{path} cannot be read: {error.message}"
        ) from None


def _play(graph: Graph, log: Any) -> None:
    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        _play_predict(graph, log.predict_log.request)
    elif kind in ("classify_log", "regress_log"):
        request = getattr(log, kind).request
        _play_examples(graph, [request.model_spec], request.input)
    elif kind == "multi_inference_log":
        request = log.multi_inference_log.request
        _play_examples(graph, [task.model_spec for task in request.tasks], request.input)
    elif kind is not None:  # an empty record counts as replayed, as in TensorFlow Serving
        raise ServingError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")


def _play_predict(graph: Graph, request: Any) -> None:
    signature = find_signature(graph.signatures, request.model_spec.signature_name)
    inputs = {
        alias: array_from_proto(alias, tensor, max_rows=_MAX_ROWS)
        for alias, tensor in request.inputs.items()
    }
    if inputs.keys() != signature.inputs.keys():
        raise invalid(
            f"the inputs of the signature {signature.key} are {name_set(signature.inputs)};"
            f" got {name_set(inputs)}"
        )
    graph.run(signature, inputs, tuple(signature.outputs))


def _play_examples(graph: Graph, specs: Sequence[Any], given: Any) -> None:
    """Call all signatures at once, as MultiInference does."""
    examples = serialized_examples(given)
    feeds, fetches = {}, set()
    for spec in specs:
        signature = find_signature(graph.signatures, spec.signature_name)
        if EXAMPLES_INPUT not in signature.inputs or len(signature.inputs) > 1:
            raise invalid(
                f"the signature {signature.key} must have the one input {EXAMPLES_INPUT}"
                f" to take tf.Examples; got {name_set(signature.inputs)}"
            )
        feeds[signature.inputs[EXAMPLES_INPUT].tensor] = examples
        fetches |= {info.tensor for info in signature.outputs.values()}
    graph.run_tensors(feeds, sorted(fetches))
