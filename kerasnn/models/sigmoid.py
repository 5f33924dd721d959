"""The lesson's first network, 2-3-1: sigmoid units throughout, squared error."""

import keras
import tensorflow as tf

from kerasnn.models.heads import REGRESSION
from kerasnn.models.mlp import MLPNetwork
from kerasnn.models.mlp_base import Defaults
from kerasnn.models.mlp_model import MLPModel

SIGMOID = Defaults(2, (3,), 1, use_bias=False, initializer="ones")


class SigmoidNetwork(MLPNetwork):
    """Sigmoid units and outputs in (0, 1); by default 2-3-1, weights all one, no biases.

    The arguments are those of `mlp_base.MLPBase`.
    """

    activation = staticmethod(tf.sigmoid)
    output_activation = staticmethod(tf.sigmoid)
    head = REGRESSION
    defaults = SIGMOID


@keras.saving.register_keras_serializable(package="kerasnn")
class SigmoidModel(MLPModel):
    """The Keras twin of `SigmoidNetwork`; it takes the same arguments."""

    activation = staticmethod(tf.sigmoid)
    output_activation = staticmethod(tf.sigmoid)
    head = REGRESSION
    defaults = SIGMOID
