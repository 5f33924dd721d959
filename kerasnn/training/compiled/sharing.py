"""Traced programs, which later models of the same kind use with Variables of their own.

A traced function holds its Variables as inputs beside its arguments. Models that are traced
to the same graph can therefore share the function, each with its own Variables.
"""

import copy
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import keras
import tensorflow as tf

from kerasnn.training import keras_names
from kerasnn.training.compiled.fingerprint import (
    ELEMENTWISE_OPTIMIZERS,
    NotComparableError,
    model_fingerprint,
    variables_of,
)
from kerasnn.training.compiled.specs import BatchSpec
from kerasnn.training.compiled.tracing import make_variables

MAX_SHARED = 32  # kept in the process; the least recently used one is dropped

_T = TypeVar("_T")
_log = logging.getLogger("kerasnn")
_lock = threading.RLock()  # held while a program is traced: others of its kind wait for it
_shared: OrderedDict[Any, "_Shared"] = OrderedDict()


@dataclass(frozen=True)
class _Shared:
    """A traced program without Variables.

    Attributes:
        program: its functions are attributes.
        places: of each function: its Variables, as numbers in the model's list.
    """

    program: Any
    places: dict[str, list[int]]

    def with_variables_of(self, model: keras.Model) -> Any:
        """Return the program of a model with an equal fingerprint."""
        handles = [variable.handle for variable in variables_of(model)]
        program = copy.copy(self.program)
        for name, places in self.places.items():
            function = copy.copy(getattr(program, name))
            function.set_external_captures([handles[place] for place in places])
            setattr(program, name, function)
        return program


def shared_program(
    model: Any, key: tuple[Any, ...], batch_spec: BatchSpec, make: Callable[[], _T]
) -> _T:
    """Return a program, traced for this model or for an earlier one of its kind.

    Args:
        model: a model or learner.
        key: what else the trace depends on.
        batch_spec: signature of its batches.
        make: traces it. Its attributes that are traced functions are shared.
    """
    predicts = "predict_step" in key
    try:
        kind = _kind_of(model, batch_spec, predicts)
    except NotComparableError as error:
        _log.debug("%s: has its own trace: %s", type(model).__name__, error)
        return make()
    with _lock:
        found = _shared.get((key, kind))
        if found is not None:
            _shared.move_to_end((key, kind))
            return found.with_variables_of(model)
        program = make()
        shared = _without_variables(program, model)
        if shared is None or not _is_of_kind(model, batch_spec, predicts, kind):
            return program
        _shared[key, kind] = shared
        while len(_shared) > MAX_SHARED:
            _shared.popitem(last=False)
        return shared.with_variables_of(model)


def _is_of_kind(
    model: Any, batch_spec: BatchSpec, predicts: bool, kind: tuple[Any, ...]
) -> bool:
    """Return whether a model still has the fingerprint that it had before its trace."""
    try:
        return _kind_of(model, batch_spec, predicts) == kind
    except NotComparableError:
        return False


def _kind_of(model: Any, batch_spec: BatchSpec, predicts: bool) -> tuple[Any, ...]:
    """Return the fingerprint of a model, with the Variables that a trace would make.

    Raises:
        NotComparableError: it has none.
    """
    if getattr(model, "trace_kind", None) is not None:
        return type(model), model.trace_kind
    if not isinstance(model, keras.Model) or not keras_names.is_plain(model):
        raise NotComparableError("it is no Sequential or functional model of Keras")
    if tf.distribute.has_strategy():
        raise NotComparableError("it is distributed")
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and type(optimizer) not in ELEMENTWISE_OPTIMIZERS:
        raise NotComparableError(f"{type(optimizer).__name__} is not elementwise")
    if model.compiled and not predicts:
        make_variables(model, batch_spec.structure.pack(batch_spec.row_specs()))
    if not model.built:
        raise NotComparableError("it is not built")
    nested = any(isinstance(part, dict | list) for part in batch_spec.structure.parts)
    return model_fingerprint(model, names=nested)


def _without_variables(program: Any, model: keras.Model) -> _Shared | None:
    """Return a traced program without its Variables; None if it uses other tensors."""
    numbers = {id(v.handle): i for i, v in enumerate(variables_of(model))}
    functions = {
        name: value
        for name, value in vars(program).items()
        if isinstance(value, tf.types.experimental.ConcreteFunction)
    }
    captured = {
        name: [numbers.get(id(tensor), -1) for tensor in function.captured_inputs]
        for name, function in functions.items()
    }
    if any(-1 in places for places in captured.values()):
        return None
    bare = copy.copy(program)
    for name, function in functions.items():
        bare_function = copy.copy(function)
        bare_function.set_external_captures([])
        setattr(bare, name, bare_function)
        _forget_variables(function.inference_fn)
    return _Shared(bare, captured)


def _forget_variables(function: Any) -> None:
    """Remove the Variables of its trace from a function; each call passes its own."""
    graph = function.graph
    if any(hasattr(tensor, "numpy") for tensor in graph.external_captures):
        graph.function_captures.clear()
        assert not graph.captures  # reading them also renews what the graph has cached
    for inner in function.children:
        _forget_variables(inner)
