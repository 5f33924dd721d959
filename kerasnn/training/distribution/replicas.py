"""The Variables of a model on several replicas: what must hold of them, and whose they are.

Trained ones are the same on all. Metrics, moving averages and the states of random numbers
are each replica's own.
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

MEAN_OVER_ROWS = "sum_over_batch_size"  # as Keras calls it


class LocalValues:
    """Variables of which each replica has its own value.

    Args:
        workers: the workers.
        variables: each made in the scope of their strategy.
    """

    def __init__(self, workers: WorkerGroup, variables: list[tf.Variable]) -> None:
        self._workers = workers
        self._variables = variables

        def gather() -> list[tf.Tensor]:
            def of_replica() -> list[tf.Tensor]:
                context = tf.distribute.get_replica_context()
                return [_at(v, context, workers.replicas) for v in variables]

            return [workers.reduce_sum(part) for part in workers.strategy.run(of_replica)]

        def deal(values: list[tf.Tensor]) -> None:
            def of_replica() -> None:
                number = tf.distribute.get_replica_context().replica_id_in_sync_group
                for variable, value in zip(variables, values, strict=True):
                    variable.assign(value[number])

            workers.strategy.run(of_replica)

        self._gather = tf.function(gather, autograph=False)
        self._deal = tf.function(deal, autograph=False)

    def values(self) -> list[np.ndarray]:
        """Of each variable, [replicas, ...]."""
        with self._workers.reports_lost_workers():
            return [value.numpy() for value in self._gather()]

    def assign(self, values: list[np.ndarray]) -> None:
        """Give each replica its own again."""
        self._deal([tf.constant(value) for value in values])


def local_variables(learner: Any) -> list[tf.Variable]:
    """Those of which each replica has its own value: metrics, and what is not trained."""
    if isinstance(learner, keras.Model):
        metrics = raw_variables(learner.metrics_variables)
    else:
        means = learner.means.values()
        metrics = raw_variables([v for mean in means for v in mean.variables])
    return [*untrained_variables(learner), *metrics]


def untrained_variables(learner: Any) -> list[tf.Variable]:
    """Those of the network that no gradient changes."""
    network = getattr(learner, "network", learner)
    trained = {id(v) for v in raw_variables(network.trainable_variables)}
    return [v for v in raw_variables(network.variables) if id(v) not in trained]


def check_made_in_scope(learner: Any, strategy: tf.distribute.Strategy) -> None:
    """Every Variable was made in the scope of the strategy.

    Raises:
        InputError: one was not: it would be another in every replica.
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
    """Every loss is a mean over rows.

    Raises:
        InputError: one is not: the gradients would not be those of the joined batch.
    """
    if not isinstance(learner, keras.Model):
        return
    for loss in keras.tree.flatten(learner.loss):
        reduction = getattr(loss, "reduction", MEAN_OVER_ROWS)
        if reduction not in (MEAN_OVER_ROWS, "mean"):
            raise InputError(
                f"on several workers a loss must be a mean over rows, with"
                f" reduction={MEAN_OVER_ROWS!r}; that of {loss.name} is {reduction!r}"
            )


def build(learner: Any, batches: BatchSpec) -> None:
    """Make all Variables: within the graph they would be those of one replica."""
    if isinstance(learner, keras.Model):
        keras_names.symbolic_build(learner, batches.structure.pack(batches.batch_specs()))
        # Keras made the metrics' Variables within the scope that is open here.
    learner.optimizer.build(list(learner.trainable_variables))


def _at(variable: tf.Variable, context: Any, replicas: int) -> tf.Tensor:
    """Zeros [replicas, ...], with the replica's value in its place."""
    value = tf.convert_to_tensor(variable)
    here = tf.one_hot(context.replica_id_in_sync_group, replicas, dtype=value.dtype)
    here = tf.reshape(here, [replicas] + [1] * value.shape.rank)
    # Not a product: 0 times infinity would be NaN.
    return tf.where(here > 0, value[None], tf.zeros_like(value)[None])
