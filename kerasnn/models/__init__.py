"""The networks of the lessons, each as a `tf.Module` (Network) and as a Keras twin (Model).

`TabularNetwork`, for tables, is a Keras model: an ensemble of networks side by side.
"""

from kerasnn.models.digits import DigitsModel, DigitsNetwork
from kerasnn.models.heads import CLASSIFICATION, REGRESSION, Head, check_network
from kerasnn.models.mlp import MLPNetwork
from kerasnn.models.mlp_model import MLPModel
from kerasnn.models.sigmoid import SigmoidModel, SigmoidNetwork
from kerasnn.models.tabular import TabularNetwork
from kerasnn.models.tabular_config import TabularConfig
from kerasnn.models.tabular_heads import member_losses

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
    "TabularConfig",
    "TabularNetwork",
    "check_network",
    "member_losses",
]
