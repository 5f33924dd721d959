"""The Variables of a model on several replicas: their checks, and their local values.

Trained Variables are equal on all replicas. Metrics, moving averages and random states
differ.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasnn.errors import InputError
from kerasnn.layers import raw_variables
from kerasnn.training import keras_names
from kerasnn.training.compiled.specs import BatchSpec
from kerasnn.training.distribution.workers import WorkerGroup

_MEAN_OVER_ROWS = "sum_over_batch_size"  # Keras's name


class LocalValues:
    """Variables that have a different value on each replica.

    Args:
        workers: the workers.
        variables: made in the scope of the strategy.
    """

    def __init__(self, workers: WorkerGroup, variables: list[tf.Variable]) -> None:
        self._workers = workers
        self._variables = variables

        def gather() -> list[tf.Tensor]:
            def on_replica() -> list[tf.Tensor]:
                context = tf.distribute.get_replica_context()
                return [_one_hot(v, context, workers.replicas) for v in variables]

            return [workers.reduce_sum(part) for part in workers.strategy.run(on_replica)]

        def scatter(values: list[tf.Tensor]) -> None:
            def on_replica() -> None:
                number = tf.distribute.get_replica_context().replica_id_in_sync_group
                for variable, value in zip(variables, values, strict=True):
                    variable.assign(value[number])

            workers.strategy.run(on_replica)

        self._gather = tf.function(gather, autograph=False)
        self._scatter = tf.function(scatter, autograph=False)

    def values(self) -> list[np.ndarray]:
        """Return the values of each variable, [replicas, ...]."""
        with self._workers.reports_lost_workers():
            return [value.numpy() for value in self._gather()]

    def assign(self, values: list[np.ndarray]) -> None:
        """Assign each replica its values."""
        self._scatter([tf.constant(value) for value in values])


def local_variables(learner: Any) -> list[tf.Variable]:
    """Return the Variables that differ between replicas: metrics, and untrained ones."""
    if isinstance(learner, keras.Model):
        metrics = raw_variables(learner.metrics_variables)
    else:
        means = learner.means.values()
        metrics = raw_variables([v for mean in means for v in mean.variables])
    return [*untrained_variables(learner), *metrics]


def untrained_variables(learner: Any) -> list[tf.Variable]:
    """Return the Variables of the network that no gradient changes."""
    network = getattr(learner, "network", learner)
    trained = {id(v) for v in raw_variables(network.trainable_variables)}
    return [v for v in raw_variables(network.variables) if id(v) not in trained]


def check_made_in_scope(learner: Any, strategy: tf.distribute.Strategy) -> None:
    """Check that every Variable was made in the scope of the strategy.

    Raises:
        InputError: one was not; it would differ between replicas.
    """
    network = getattr(learner, "network", learner)
    variables = [*network.variables, *learner.optimizer.variables]
    for variable, raw in zip(variables, raw_variables(variables), strict=True):
        if not strategy.extended.variable_created_in_scope(raw):
            raise InputError(
                f"{getattr(variable, 'path', variable.name)} was made outside of the scope"
                f" of {type(strategy).__name__}: make and compile the model, and the"
                " optimizer, within `with strategy.scope():`"
            )


def check_losses(learner: Any) -> None:
    """Check that every loss is a mean over rows.

    Raises:
        InputError: one is not; the gradients would not be those of the whole batch.
    """
    if not isinstance(learner, keras.Model):
        return
    for loss in keras.tree.flatten(learner.loss):
        reduction = getattr(loss, "reduction", _MEAN_OVER_ROWS)
        if reduction not in (_MEAN_OVER_ROWS, "mean"):
            raise InputError(
                f"on several workers a loss must be a mean over rows, with"
                f" reduction={_MEAN_OVER_ROWS!r}; that of {loss.name} is {reduction!r}"
            )


def build(learner: Any, batch_spec: BatchSpec) -> None:
    """Create all Variables; those made inside the graph would belong to one replica."""
    if isinstance(learner, keras.Model):
        # Keras makes the metrics' Variables in the scope that is open here.
        specs = batch_spec.structure.pack(batch_spec.batch_specs())
        keras_names.symbolic_build(learner, specs)
    learner.optimizer.build(list(learner.trainable_variables))


def _one_hot(variable: tf.Variable, context: Any, replicas: int) -> tf.Tensor:
    """Return zeros [replicas, ...] with this replica's value in its row."""
    value = tf.convert_to_tensor(variable)
    here = tf.one_hot(context.replica_id_in_sync_group, replicas, dtype=value.dtype)
    here = tf.reshape(here, [replicas] + [1] * value.shape.rank)
    # Not a product: 0 times infinity would be NaN.
    return tf.where(here > 0, value[None], tf.zeros_like(value)[None])
