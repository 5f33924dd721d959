"""The networks: each as a `tf.Module` (Network) and as a Keras twin (Model)."""

from kerasnn.models.digits import DigitsModel, DigitsNetwork
from kerasnn.models.heads import CLASSIFICATION, REGRESSION, Head, check_network
from kerasnn.models.mlp import MLPNetwork
from kerasnn.models.mlp_model import MLPModel
from kerasnn.models.sigmoid import SigmoidModel, SigmoidNetwork

__all__ = [
    "CLASSIFICATION",
    "REGRESSION",
    "DigitsModel",
    "DigitsNetwork",
    "Head",
    "MLPModel",
    "MLPNetwork",
    "SigmoidModel",
    "SigmoidNetwork",
    "check_network",
]
