"""The digits network, 64-30-10: ReLU in the hidden layers, logits at the end."""

from typing import ClassVar

import keras
import tensorflow as tf

from kerasnn.models.heads import CLASSIFICATION
from kerasnn.models.mlp import MLPNetwork
from kerasnn.models.mlp_base import Defaults
from kerasnn.models.mlp_model import MLPModel


class _Digits:
    activation = staticmethod(tf.nn.relu)
    output_activation = staticmethod(tf.identity)
    head = CLASSIFICATION
    defaults: ClassVar[Defaults | None] = Defaults(
        64, (30,), 10, use_bias=True, initializer="glorot"
    )


class DigitsNetwork(_Digits, MLPNetwork):
    """ReLU units and one logit for each class; by default 64-30-10, Glorot weights, biases.

    The arguments are those of `mlp_base.MLPBase`.
    """


@keras.saving.register_keras_serializable(package="kerasnn")
class DigitsModel(_Digits, MLPModel):
    """The Keras twin of `DigitsNetwork`; it takes the same arguments."""
