"""The trace of a step that may make Variables: of layers, metrics or an optimizer."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from kerasnn.training.compiled.errors import UntraceableError


def trace(
    step: Callable[..., Any],
    specs: Sequence[tf.TensorSpec],
    learner: Any,
    *,
    jit_compile: bool | None = None,
) -> Any:
    """Return the concrete function of a step.

    `tf.function` traces a step that makes Variables a second time, to find out whether
    every call would make new ones. Here they are made outside the graph; if all of them
    belong to layers, metrics or optimizers made before, no second trace is needed.

    Args:
        step: takes and returns tensors.
        specs: of its tensors.
        learner: owner of the Variables, a `keras.Model` or `Learner`.
        jit_compile: as of `tf.function`.

    Raises:
        UntraceableError: the step cannot be traced.
    """
    owners = _owners(learner)
    made: list[Any] = []

    def outside(make: Callable[..., Any], **options: Any) -> Any:
        if tf.is_symbolic_tensor(options.get("initial_value")):
            return make(**options)
        options["experimental_enable_variable_lifting"] = False
        with tf.init_scope():
            made.append(variable := make(**options))
        return variable

    def making_outside(*tensors: tf.Tensor) -> Any:
        with tf.variable_creator_scope(outside):
            return step(*tensors)

    try:
        traced = _concrete(making_outside, specs, jit_compile)
        if not {id(variable) for variable in made} <= _variables(owners, learner):
            traced = _concrete(step, specs, jit_compile)
    except Exception as error:  # Keras raises it again, or can trace the step
        raise UntraceableError(f"{type(error).__name__}: {error}") from error
    return traced


def _concrete(
    step: Callable[..., Any], specs: Sequence[tf.TensorSpec], jit_compile: bool | None
) -> Any:
    plain = tf.autograph.experimental.do_not_convert(step)  # user code, as in Keras
    return tf.function(plain, jit_compile=jit_compile).get_concrete_function(*specs)


def _owners(learner: Any) -> list[Any]:
    """Return the layers and optimizers that a learner has before it is traced."""
    if not isinstance(learner, keras.Model):
        return []
    values = list(vars(learner).values())
    optimizers = [v for v in values if isinstance(v, keras.optimizers.Optimizer)]
    return [*learner.layers, *optimizers]


def _variables(owners: Sequence[Any], learner: Any) -> set[int]:
    """Return the ids of the TensorFlow Variables of owners and of the metrics."""
    variables = [variable for owner in owners for variable in owner.variables]
    variables += getattr(learner, "metrics_variables", [])
    return {id(variable.value) for variable in variables}
