"""Every network of the package, as its `tf.Module` and as its Keras twin, for all laws."""

from typing import NamedTuple

import keras
import numpy as np

from kerasnn import models


class Case(NamedTuple):
    network: type
    model: type
    keras_loss: object


def keras_cross_entropy(dtype="float32"):
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype=dtype)


def keras_mse(dtype="float32"):
    return keras.losses.MeanSquaredError(dtype=dtype)


CASES = {
    "sigmoid": Case(models.SigmoidNetwork, models.SigmoidModel, keras_mse),
    "digits": Case(models.DigitsNetwork, models.DigitsModel, keras_cross_entropy),
}


def rows_for(network, n_rows=50):
    """Random rows and targets that fit a network."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n_rows, network.n_in)).astype(network.dtype)
    if network.head.task == "classification":
        return x, rng.integers(network.n_out, size=n_rows).astype(np.int32)
    return x, rng.uniform(size=(n_rows, network.n_out)).astype(network.dtype)
