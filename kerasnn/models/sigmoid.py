"""The lesson's first network, 2-3-1: sigmoid units throughout, squared error."""

from typing import ClassVar

import keras
import tensorflow as tf

from kerasnn.models.heads import REGRESSION
from kerasnn.models.mlp import MLPNetwork
from kerasnn.models.mlp_base import Defaults
from kerasnn.models.mlp_model import MLPModel


class _Sigmoid:
    activation = staticmethod(tf.sigmoid)
    output_activation = staticmethod(tf.sigmoid)
    head = REGRESSION
    defaults: ClassVar[Defaults | None] = Defaults(
        2, (3,), 1, use_bias=False, initializer="ones"
    )


class SigmoidNetwork(_Sigmoid, MLPNetwork):
    """Sigmoid units and outputs in (0, 1); by default 2-3-1, weights all one, no biases.

    The arguments are those of `mlp_base.MLPBase`.
    """


@keras.saving.register_keras_serializable(package="kerasnn")
class SigmoidModel(_Sigmoid, MLPModel):
    """The Keras twin of `SigmoidNetwork`; it takes the same arguments."""
