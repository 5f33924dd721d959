"""One trace of a step, where `tf.function` would need two.

A step that makes Variables, of layers, metrics or an optimizer, is traced twice by
`tf.function`: the second time to find out whether each call would make new ones. Here most
of them are there before the trace, or are made outside its graph.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from kerasnn.training import keras_names
from kerasnn.training.compiled.errors import UntraceableError
from kerasnn.training.compiled.fingerprint import ELEMENTWISE_OPTIMIZERS

_STEP_METHODS = ("train_step", "compute_loss", "compute_metrics")


def make_variables(learner: Any, data: Any) -> None:
    """Make the Variables of a compiled model whose training step is Keras's own.

    If the model cannot be built, nothing is raised: the trace fails as Keras words it. The
    optimizer waits for the trace if a layer does: some are used in training only.

    Args:
        learner: the model; another learner has its Variables.
        data: the specs of a batch.
    """
    if not isinstance(learner, keras.Model) or tf.distribute.has_strategy():
        return
    methods = [getattr(learner, name) for name in _STEP_METHODS]
    if not all(str(method.__module__).startswith("keras.") for method in methods):
        return
    with contextlib.suppress(Exception):
        keras_names.symbolic_build(learner, data)
        layers = [learner, *keras_names.all_layers(learner)]
        if _is_simple(learner.optimizer) and all(layer.built for layer in layers):
            learner.optimizer.build(learner.trainable_variables)


def trace(
    step: Callable[..., Any],
    specs: Sequence[tf.TensorSpec],
    learner: Any,
    *,
    jit_compile: bool | None = None,
) -> Any:
    """Return the concrete function of a step.

    Variables of the model's metrics and optimizers are made outside of the graph. Any
    others, also of an optimizer that the step makes, lead to a second trace, which sees
    what the first one has built.

    Args:
        step: takes and returns tensors.
        specs: of its tensors.
        learner: owner of the Variables, a `keras.Model` or `Learner`.
        jit_compile: as of `tf.function`.

    Raises:
        UntraceableError: the step cannot be traced.
    """
    try:
        traced = _trace_once(step, specs, learner, jit_compile)
        return _concrete(step, specs, jit_compile) if traced is None else traced
    except Exception as error:  # Keras raises it again, or can trace the step
        raise UntraceableError(f"{type(error).__name__}: {error}") from error


def _trace_once(
    step: Callable[..., Any],
    specs: Sequence[tf.TensorSpec],
    learner: Any,
    jit_compile: bool | None,
) -> Any | None:
    """Return the concrete function of a step; None if one trace is not enough."""
    optimizers = _optimizers(learner)
    if optimizers is None:
        return None
    made: list[Any] = []

    def outside(make: Callable[..., Any], **options: Any) -> Any:
        """Make a Variable outside of the graph, unless its value is computed in it."""
        if tf.is_symbolic_tensor(options.get("initial_value")):
            return make(**options)
        options["experimental_enable_variable_lifting"] = False
        with tf.init_scope():
            made.append(variable := make(**options))
        return variable

    def making_outside(*tensors: tf.Tensor) -> Any:
        with tf.variable_creator_scope(outside):
            return step(*tensors)

    traced = _concrete(making_outside, specs, jit_compile)
    owned = [variable for optimizer in optimizers for variable in optimizer.variables]
    owned += learner.metrics_variables
    values = {id(variable.value) for variable in owned}
    return traced if {id(variable) for variable in made} <= values else None


def _concrete(
    step: Callable[..., Any], specs: Sequence[tf.TensorSpec], jit_compile: bool | None
) -> Any:
    plain = tf.autograph.experimental.do_not_convert(step)  # user code, as in Keras
    return tf.function(plain, jit_compile=jit_compile).get_concrete_function(*specs)


def _optimizers(learner: Any) -> list[keras.optimizers.Optimizer] | None:
    """Return the optimizers of a model for which one trace is enough; None for another.

    What a step computes may depend on what is built: the scale of a `LossScaleOptimizer`
    is a Variable only when it is, and `ScheduleFreeAdamW` assigns values when it is built.
    """
    if not isinstance(learner, keras.Model):
        return None
    values = vars(learner).values()
    optimizers = [v for v in values if isinstance(v, keras.optimizers.Optimizer)]
    if not all(v.built or _is_simple(v) for v in optimizers):
        return None
    built = all(layer.built for layer in keras_names.all_layers(learner))
    return optimizers if built else None


def _is_simple(optimizer: Any) -> bool:
    """Return whether an optimizer is one of Keras's whose `build` only makes Variables."""
    return type(optimizer) in ELEMENTWISE_OPTIMIZERS
