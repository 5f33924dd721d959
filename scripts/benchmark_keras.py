"""Keras in the benchmark: an ordinary Sequential and its own `fit`."""

from typing import Any

import keras
from benchmark_works import NORM_EPSILON, NORM_MOMENTUM, Array, Work


class KerasFit:
    """`keras.Model.fit`, on the backend that Keras was imported with.

    Its row order has no seed: after `keras.utils.set_random_seed`, `fit` draws the same
    order in every epoch.
    """

    def __init__(
        self, work: Work, *, jit_compile: bool | str = "auto", epoch_per_call: bool = False
    ) -> None:
        self.work = work
        self.model, self.dense = sequential(work)
        classes = work.task == "classification"
        self.model.compile(
            optimizer=keras.optimizers.Adam(work.learning_rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            if classes
            else keras.losses.MeanSquaredError(),
            metrics=["accuracy"] if work.accuracy else [],
            jit_compile=jit_compile,
            steps_per_execution=work.steps if epoch_per_call else 1,
        )
        optimizer = self.model.optimizer
        optimizer.build(self.model.trainable_variables)
        self.variables = [*self.model.weights, *optimizer.variables]
        self.untrained = [keras.ops.convert_to_numpy(v) for v in self.variables]

    def reset(self, seed: int) -> None:
        """New weights, the optimizer as it was; nothing is traced again."""
        for variable, value in zip(self.variables, self.untrained, strict=True):
            variable.assign(value)
        for layer, weights in zip(self.dense, self.work.weights(seed), strict=True):
            layer.set_weights(weights)

    def run(self, epochs: int) -> dict[str, float]:
        """One `fit`, which reshuffles every epoch."""
        work = self.work
        history = self.fit(
            work.x_train,
            work.y_train,
            batch_size=work.batch_size,
            epochs=epochs,
            verbose=0,
            validation_data=(work.x_test, work.y_test) if work.validate else None,
        )
        return {name: float(values[-1]) for name, values in history.history.items()}

    def fit(self, *rows: Array, **options: Any) -> Any:
        """Keras's own; others train the same model in another way."""
        return self.model.fit(*rows, **options)

    def outputs(self, x: Array) -> Array:
        """Logits or values."""
        return self.model.predict(x, verbose=0)


def sequential(work: Work) -> tuple[keras.Sequential, list[keras.layers.Dense]]:
    """The network of the work, and its dense layers."""
    model, dense = keras.Sequential([keras.Input((work.sizes[0],))]), []
    for units in work.sizes[1:-1]:
        dense.append(keras.layers.Dense(units, activation="relu"))
        model.add(dense[-1])
        if work.batch_norm:
            model.add(
                keras.layers.BatchNormalization(
                    momentum=NORM_MOMENTUM, epsilon=NORM_EPSILON
                )
            )
        if work.dropout:
            model.add(keras.layers.Dropout(work.dropout))
    dense.append(keras.layers.Dense(work.sizes[-1]))
    model.add(dense[-1])
    return model, dense
