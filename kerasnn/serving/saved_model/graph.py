"""A loaded SavedModel: its signatures, and calls of them.

The Session loader takes the same graph, restore op and init op as TensorFlow Serving's
C++ runtime, and fails where that fails. It needs neither Keras nor Python objects.
"""

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.protobuf import config_pb2
from tensorflow_serving.apis import get_model_metadata_pb2

from kerasnn.graphs.files import SavedGraph, read_graph
from kerasnn.graphs.loading import WayOut, allow_argument, check_policy, load_into
from kerasnn.graphs.program import GraphProgram, changes_state, node_name
from kerasnn.serving.errors import (
    Code,
    ServingError,
    as_serving_error,
    from_tensorflow,
    invalid,
    name_set,
)
from kerasnn.serving.saved_model.loops import may_never_end
from kerasnn.serving.saved_model.op_costs import (
    elementwise_signatures,
    steady_signatures,
)
from kerasnn.serving.saved_model.ranks import needed_ranks
from kerasnn.serving.saved_model.signatures import (
    Signature,
    find_unusable,
    read_signatures,
)

_MAX_CALLS = 100  # that are kept; requests can ask for any choice of outputs

GraphCall = Any  # from arrays in the order of the feeds to arrays in that of the fetches


class Graph:
    """A loaded SavedModel; the owner closes it.

    Args:
        source: of a version, its folder or the graph as it was read.
        allow: types of unsafe operations that are allowed; see `kerasnn.graphs.policy`.
        way_out: how to allow others, for the message.

    Attributes:
        signatures: by key.
        signature_defs: the same as protobufs.
        steady: keys of the signatures whose time depends only on the sizes of their inputs.
        may_never_end: whether it may loop or wait without an end.
        changing: keys of the signatures that change what later requests read.

    Raises:
        ServingError: it cannot be loaded, with TensorFlow's code; PERMISSION_DENIED, it
            holds unsafe operations.
    """

    def __init__(
        self,
        source: Path | SavedGraph,
        *,
        allow: Collection[str] = (),
        way_out: WayOut = allow_argument,
    ) -> None:
        try:
            saved = read_graph(source) if isinstance(source, Path) else source
            check_policy(saved, allow, way_out)
        except tf.errors.OpError as error:
            raise from_tensorflow(error) from None
        meta_graph = saved.meta_graph
        self.signature_defs: dict[str, Any] = dict(meta_graph.signature_def)
        self.signatures: Mapping[str, Signature] = read_signatures(meta_graph)
        self.steady = steady_signatures(meta_graph)
        self.changing, self._variables = _states(meta_graph)
        self._unusable = find_unusable(meta_graph)
        self._elementwise = elementwise_signatures(meta_graph)
        self._graph = tf.Graph()
        self._ranks = needed_ranks(meta_graph)
        self.may_never_end = may_never_end(meta_graph)
        # Its own threads: its endless calls must not hold those of other models.
        config = tf.compat.v1.ConfigProto(use_per_session_threads=self.may_never_end)
        self._session = tf.compat.v1.Session(graph=self._graph, config=config)
        self._calls: dict[tuple[tuple[str, ...], tuple[str, ...], int], GraphCall] = {}
        self._lock = threading.Lock()
        try:
            load_into(self._session, saved)
        except Exception as error:
            self.close()
            raise _load_error(error) from None

    def run(
        self,
        signature: Signature,
        inputs: Mapping[str, NDArray[Any]],
        outputs: Sequence[str],
        *,
        timeout_seconds: float | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Return the outputs of a signature; thread-safe.

        Args:
            signature: of this graph.
            inputs: its inputs by alias, in any order.
            outputs: aliases; the result has the signature's order.
            timeout_seconds: after about this time a loop without a bound is cancelled.

        Raises:
            ServingError: an operation failed, with its code; INVALID_ARGUMENT, an alias is
                not the signature's, or an input has another rank or size.
        """
        self._check_usable(signature, inputs, outputs)
        self.check_shapes(signature, inputs)
        # In the signature's order: otherwise each order of a client would make a new call.
        feeds = {
            info.tensor: inputs[alias]
            for alias, info in signature.inputs.items()
            if alias in inputs
        }
        names = [alias for alias in signature.outputs if alias in outputs]
        if len(feeds) < len(inputs) or len(names) < len(outputs):
            _check_aliases(signature, inputs, outputs)
        values = self.run_tensors(
            feeds,
            [signature.outputs[name].tensor for name in names],
            timeout_seconds=timeout_seconds,
        )
        return dict(zip(names, values, strict=True))

    def check_shapes(
        self, signature: Signature, inputs: Mapping[str, NDArray[Any]]
    ) -> None:
        """Raise INVALID_ARGUMENT if an input lacks the rank or sizes of its signature.

        TensorFlow does not compare them, and some operations crash the process on others.
        Graphs that only combine elements take any shape, as in TensorFlow Serving, whose
        first example sends [3] for [-1, 1].
        """
        if signature.key in self._elementwise:
            return
        for alias, info in signature.inputs.items():
            if alias not in inputs:
                continue
            if info.shape is None and node_name(info.tensor) in self._ranks:
                shape = (-1,) * self._ranks[node_name(info.tensor)]
                info = replace(info, shape=shape)
            if not info.admits(inputs[alias].shape):
                raise info.shape_error(inputs[alias].shape)

    def _check_usable(
        self, signature: Signature, inputs: Collection[str], outputs: Collection[str]
    ) -> None:
        """Raise INVALID_ARGUMENT if a request has no form for an input or output."""
        for side, alias, kind in self._unusable.get(signature.key, ()):
            if alias in (inputs if side == "input" else outputs):
                raise invalid(
                    f"the {side} {alias} of the signature {signature.key} is {kind}, for"
                    " which requests and answers have no form; ask another signature"
                )

    def run_tensors(
        self,
        feeds: Mapping[str, NDArray[Any]],
        fetches: Sequence[str],
        *,
        timeout_seconds: float | None = None,
    ) -> list[NDArray[Any]]:
        """Return the values of tensors of the graph, by their names there, in one call.

        Args:
            feeds: by name.
            fetches: names.
            timeout_seconds: as in `run`.

        Raises:
            ServingError: an operation failed, with its code.
        """
        try:
            call = self._call(tuple(feeds), tuple(fetches), timeout_seconds)
            return [_array(value) for value in call(*feeds.values())]
        except tf.errors.OpError as error:
            raise from_tensorflow(error) from None
        except UnicodeDecodeError as error:  # TensorFlow's message quotes what it was fed
            message = error.object.decode("utf-8", "replace")
            raise ServingError(Code.INVALID_ARGUMENT, message) from None
        except (TypeError, ValueError, RuntimeError) as error:
            raise ServingError(Code.INVALID_ARGUMENT, str(error)) from None

    def prepare(self, signature: Signature) -> None:
        """Build the callable of a signature, so that its first call is not slow.

        Raises:
            ServingError: the signature refers to tensors that are not in the graph, or to
                what is no tensor of values.
        """
        self._check_usable(signature, signature.inputs, signature.outputs)
        inputs = tuple(info.tensor for info in signature.inputs.values())
        outputs = tuple(info.tensor for info in signature.outputs.values())
        try:
            self._call(inputs, outputs)
        except tf.errors.OpError as error:
            raise from_tensorflow(error) from None

    def unset_variables(self, signature: Signature) -> list[str]:
        """Return the variables that a signature reads but that loading did not set.

        Their handles are in the graph, so that nothing of the model need be run.
        """
        names = self._variables[signature.key]
        if not names:
            return []
        with self._lock, self._graph.as_default():
            handles = [self._graph.get_tensor_by_name(f"{name}:0") for name in names]
            are_set = [tf.raw_ops.VarIsInitializedOp(resource=each) for each in handles]
            given = self._session.run(are_set)
        return [name for name, is_set in zip(names, given, strict=True) if not is_set]

    def signature_def_map(self) -> Any:
        """Return the signatures as a SignatureDefMap, the form of GetModelMetadata."""
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for key, definition in self.signature_defs.items():
            signatures.signature_def[key].CopyFrom(definition)
        return signatures

    def close(self) -> None:
        """Close the session; running calls are cancelled."""
        self._calls.clear()
        self._session.close()

    def _call(
        self,
        feeds: tuple[str, ...],
        fetches: tuple[str, ...],
        timeout_seconds: float | None = None,
    ) -> GraphCall:
        limit = 0
        if self.may_never_end and timeout_seconds is not None:
            limit = _rounded_up(timeout_seconds)
        key = feeds, fetches, limit
        call = self._calls.get(key)
        if call is None:
            with self._lock:
                call = self._calls.get(key) or make_call(
                    self._session, feeds, fetches, limit_seconds=limit
                )
                if len(self._calls) >= _MAX_CALLS:
                    self._calls.pop(next(iter(self._calls)))
                self._calls[key] = call
        return call


def _rounded_up(seconds: float) -> int:
    """Return the next power of two, so that few different limits need a callable."""
    limit = 1
    while limit < seconds:
        limit *= 2
    return limit


def make_call(
    session: Any,
    feeds: Sequence[str],
    fetches: Sequence[str],
    *,
    limit_seconds: int = 0,
) -> GraphCall:
    """Return a function from values in the order of the feeds to those of the fetches.

    `Session.run` parses the names at each call, 0.8 ms; a callable does it once. It is
    made by a private method that Keras used for years; without that, `run` is used.

    The operations run in the calling thread, not in a second pool: one row of a 64-30-10
    network takes 5 us instead of 28, and a tenth of the CPU time. Only heavy branches of
    one call are slower, by a fifth on two cores, since they do not run in parallel. A
    single operation still uses all cores.

    With a limit of time they run in the session's pool, from which TensorFlow cancels what
    runs longer; in the calling thread it cannot.
    """
    options = config_pb2.RunOptions(
        inter_op_thread_pool=0 if limit_seconds else -1,
        timeout_in_ms=limit_seconds * 1000,
    )
    make = getattr(session, "_make_callable_from_options", None)
    if make is None:
        names = list(fetches)
        return lambda *values: session.run(
            names, dict(zip(feeds, values, strict=True)), options=options
        )
    return make(config_pb2.CallableOptions(feed=feeds, fetch=fetches, run_options=options))


def _check_aliases(
    signature: Signature, inputs: Iterable[str], outputs: Iterable[str]
) -> None:
    """Raise if there are inputs or outputs that the signature does not have."""
    for side, given, known in (
        ("inputs", inputs, signature.inputs),
        ("outputs", outputs, signature.outputs),
    ):
        extra = [alias for alias in given if alias not in known]
        if extra:
            raise invalid(
                f"the {side} of the signature {signature.key} are {name_set(known)};"
                f" got {name_set(extra)}"
            )


def _array(value: Any) -> NDArray[Any]:
    """Return a call's value as an array; a scalar comes as a number, or bytes."""
    if isinstance(value, np.ndarray):
        return value
    return np.array(value, object if isinstance(value, bytes) else None)


def _states(meta_graph: Any) -> tuple[frozenset[str], dict[str, list[str]]]:
    """Return which signatures change state, and the handles of variables of each."""
    program = GraphProgram(meta_graph)
    changing, variables = set(), {}
    for key, definition in meta_graph.signature_def.items():
        ends = [info.name for info in definition.outputs.values()]
        reached = list(program.reached(ends))
        if changes_state(node for _, node in reached):
            changing.add(key)
        variables[key] = [
            node.name
            for function, node in reached
            if function is None and node.op == "VarHandleOp"
        ]
    return frozenset(changing), variables


def _load_error(error: Exception) -> ServingError:
    """Return TensorFlow's code, or DATA_LOSS for anything else."""
    if isinstance(error, tf.errors.OpError | ServingError):
        return as_serving_error(error)
    return ServingError(Code.DATA_LOSS, f"the SavedModel cannot be loaded: {error}")
