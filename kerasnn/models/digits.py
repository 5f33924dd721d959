"""The digits network, 64-30-10: ReLU in the hidden layers, logits at the end."""

import keras
import tensorflow as tf

from kerasnn.choices import Initializer
from kerasnn.models.heads import CLASSIFICATION
from kerasnn.models.mlp import MLPNetwork
from kerasnn.models.mlp_model import MLPModel


class DigitsNetwork(MLPNetwork):
    """ReLU units and one logit for each class; the defaults are 64-30-10.

    The arguments are those of `MLPNetwork`.
    """

    activation = staticmethod(tf.nn.relu)
    output_activation = staticmethod(tf.identity)
    head = CLASSIFICATION

    def __init__(
        self,
        n_in: int = 64,
        hidden_units: tuple[int, ...] = (30,),
        n_out: int = 10,
        *,
        use_bias: bool = True,
        initializer: Initializer = "glorot",
        seed: int = 0,
        dtype: str = "float32",
        name: str | None = None,
    ) -> None:
        super().__init__(
            n_in,
            hidden_units,
            n_out,
            use_bias=use_bias,
            initializer=initializer,
            seed=seed,
            dtype=dtype,
            name=name,
        )


@keras.saving.register_keras_serializable(package="kerasnn")
class DigitsModel(MLPModel):
    """The Keras twin of `DigitsNetwork`; the arguments are those of `MLPModel`."""

    activation = staticmethod(tf.nn.relu)
    output_activation = staticmethod(tf.identity)
    head = CLASSIFICATION

    def __init__(
        self,
        n_in: int = 64,
        hidden_units: tuple[int, ...] = (30,),
        n_out: int = 10,
        *,
        use_bias: bool = True,
        initializer: Initializer = "glorot",
        seed: int = 0,
        dtype: str = "float32",
        name: str | None = None,
    ) -> None:
        super().__init__(
            n_in,
            hidden_units,
            n_out,
            use_bias=use_bias,
            initializer=initializer,
            seed=seed,
            dtype=dtype,
            name=name,
        )
