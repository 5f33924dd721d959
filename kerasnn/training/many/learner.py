"""Models of one kind as one learner: each Variable holds those of all models, stacked.

A step computes the gradients of every model with `tf.vectorized_map`, which makes one
batched product of the products of all models. Keras's optimizer then changes the stacked
Variables: its formulas are elementwise, so one call serves all models.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasnn.training import keras_names
from kerasnn.training.compiled.loop import Logs
from kerasnn.training.compiled.specs import DataStructure, Tensors


class StackedLearner:
    """Several compiled models, trained by the loop as if they were one.

    A batch of `train_step` has the rows of the first model, then those of the second, and
    so on; that of `test_step` has rows for all. Logs have one number for each model.

    Args:
        models: of one kind, built; the first one computes for all. They do not change until
            `unstack`.
    """

    def __init__(self, models: Sequence[keras.Model]) -> None:
        self.models = list(models)
        self.first = models[0]
        self.name = f"{len(models)} models like {self.first.name}"
        self.stop_training = self.stop_evaluating = False
        self.history: Any = None
        # Without an optimizer: its place is taken by the one of the stacked Variables.
        trained = [model.trainable_variables for model in models]
        self._trained = trained[0]
        self.trainable_variables = [
            keras.Variable(np.stack([v.numpy() for v in same]), name=same[0].name)
            for same in zip(*trained, strict=True)
        ]
        others = [_untrained(model) for model in models]
        self._metrics = self.first.metrics_variables
        self._others = others[0] + self._metrics
        self._stacked = [
            tf.Variable(np.stack([v.numpy() for v in same]), trainable=False)
            for same in zip(*others, strict=True)
        ]
        self._stacked_metrics = [
            tf.Variable(np.stack([v.numpy()] * len(models)), trainable=False)
            for v in self._metrics
        ]
        self.optimizer = _stacked_optimizer(models, self.trainable_variables)

    def train_step(self, data: Any) -> Logs:
        """Train each model on its rows; return the running metrics of each."""
        structure = DataStructure(data)
        rows = [
            tf.reshape(leaf, tf.concat([[len(self.models), -1], tf.shape(leaf)[1:]], 0))
            for leaf in DataStructure.flatten(data)
        ]
        known: list[bool] = []

        def one(tensors: tuple[Tensors, Tensors, Tensors]) -> tuple[Tensors, Tensors]:
            trained, others, leaves = tensors
            with tf.GradientTape() as tape:
                tape.watch(trained)
                with self._scope(trained, others) as scope:
                    loss = self._loss_and_metrics(structure.pack(leaves), training=True)
            gradients = tape.gradient(loss, trained)
            known[:] = [gradient is not None for gradient in gradients]
            dense = [tf.convert_to_tensor(g) for g in gradients if g is not None]
            return dense, self._values(scope)

        trained = [tf.convert_to_tensor(v.value) for v in self.trainable_variables]
        dense, values = tf.vectorized_map(one, (trained, self._read(), rows), warn=False)
        self._assign(values)
        given = iter(dense)
        gradients = [next(given) if there else None for there in known]
        self.optimizer.apply(gradients, self.trainable_variables)
        return self.get_metrics_result()

    def test_step(self, data: Any) -> Logs:
        """Evaluate each model on all rows; return the running metrics of each."""

        def one(tensors: tuple[Tensors, Tensors]) -> Tensors:
            with self._scope(*tensors) as scope:
                self._loss_and_metrics(data, training=False)
            return self._values(scope)

        trained = [tf.convert_to_tensor(v.value) for v in self.trainable_variables]
        self._assign(tf.vectorized_map(one, (trained, self._read()), warn=False))
        return self.get_metrics_result()

    def get_metrics_result(self) -> Logs:
        """Return the running metrics, each [models]."""

        def one(values: Tensors) -> Logs:
            with keras.StatelessScope(list(zip(self._metrics, values, strict=True))):
                return dict(self.first.get_metrics_result())

        return tf.vectorized_map(
            one, list(map(tf.convert_to_tensor, self._stacked_metrics))
        )

    def reset_metrics(self) -> None:
        """Restart the running metrics."""
        with keras.StatelessScope() as scope:
            self.first.reset_metrics()
        for variable, stacked in zip(self._metrics, self._stacked_metrics, strict=True):
            value = tf.cast(scope.get_current_value(variable), stacked.dtype)
            stacked.assign(tf.broadcast_to(value, stacked.shape))

    def unstack(self) -> None:
        """Assign to each model, and to its optimizer, what it has learned."""
        for i, model in enumerate(self.models):
            pairs = [
                *zip(model.trainable_variables, self.trainable_variables, strict=True),
                *zip(_untrained(model), self._stacked, strict=True),
                *zip(model.optimizer.variables, self.optimizer.variables, strict=True),
            ]
            for variable, stacked in pairs:
                if variable is not model.optimizer.learning_rate:
                    value = stacked.numpy()
                    variable.assign(value if value.shape == variable.shape else value[i])

    def _loss_and_metrics(self, data: Any, *, training: bool) -> tf.Tensor:
        """Do what Keras's steps do, but for the gradients; return the scalar loss."""
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        outputs = self.first(x, training=training)
        loss = self.first.compute_loss(x, y, outputs, weights, training=training)
        n_rows = tf.shape(DataStructure.flatten(x)[0])[0]
        keras_names.loss_tracker(self.first).update_state(loss, sample_weight=n_rows)
        self.first.compute_metrics(x, y, outputs, weights)
        return loss

    def _scope(self, trained: Tensors, others: Tensors) -> Any:
        variables = [*self._trained, *self._others]
        values = [*trained, *others]
        return keras.StatelessScope(list(zip(variables, values, strict=True)))

    def _values(self, scope: Any) -> Tensors:
        return [
            tf.convert_to_tensor(scope.get_current_value(variable), variable.dtype)
            for variable in self._others
        ]

    def _read(self) -> Tensors:
        return [tf.convert_to_tensor(v) for v in (*self._stacked, *self._stacked_metrics)]

    def _assign(self, values: Tensors) -> None:
        stacked = (*self._stacked, *self._stacked_metrics)
        for variable, value in zip(stacked, values, strict=True):
            variable.assign(tf.reshape(value, variable.shape))


def _untrained(model: keras.Model) -> list[keras.Variable]:
    """Return moving averages, frozen weights and states of seeds."""
    trained = {id(variable) for variable in model.trainable_variables}
    return [variable for variable in model.variables if id(variable) not in trained]


def _stacked_optimizer(models: Sequence[keras.Model], variables: list[Any]) -> Any:
    """Return an optimizer of stacked Variables, in the state of the models'."""
    own = [model.optimizer for model in models]
    optimizer = own[0].__class__.from_config(own[0].get_config())
    optimizer.build(variables)
    for model in models:
        model.optimizer.build(model.trainable_variables)
    for i, variable in enumerate(optimizer.variables):
        values = np.stack([one.variables[i].numpy() for one in own])
        variable.assign(values if variable.shape == values.shape else values[0])
    if isinstance(own[0].learning_rate, keras.Variable):
        _give_rates(optimizer, np.stack([one.learning_rate.numpy() for one in own]))
    return optimizer


def _give_rates(optimizer: Any, rates: Any) -> None:
    """Let an optimizer change the part of each model at its own learning rate [models]."""
    values = tf.Variable(rates, trainable=False)
    update_step = optimizer.update_step

    def with_rates(gradient: tf.Tensor, variable: tf.Variable, rate: tf.Tensor) -> None:
        del rate  # of the first model
        shape = [len(rates)] + [1] * (len(variable.shape) - 1)
        update_step(gradient, variable, tf.reshape(values, shape))

    optimizer.update_step = with_rates
