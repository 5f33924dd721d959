"""The lesson's first network, 2-3-1: sigmoid units throughout, squared error."""

import keras
import tensorflow as tf

from kerasnn.choices import Initializer
from kerasnn.models.heads import REGRESSION
from kerasnn.models.mlp import MLPNetwork
from kerasnn.models.mlp_model import MLPModel


class SigmoidNetwork(MLPNetwork):
    """Sigmoid units and outputs in (0, 1); the defaults are the lesson's 2-3-1.

    The arguments are those of `MLPNetwork`.
    """

    activation = staticmethod(tf.sigmoid)
    output_activation = staticmethod(tf.sigmoid)
    head = REGRESSION

    def __init__(
        self,
        n_in: int = 2,
        hidden_units: tuple[int, ...] = (3,),
        n_out: int = 1,
        *,
        use_bias: bool = False,
        initializer: Initializer = "ones",
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
class SigmoidModel(MLPModel):
    """The Keras twin of `SigmoidNetwork`; the arguments are those of `MLPModel`."""

    activation = staticmethod(tf.sigmoid)
    output_activation = staticmethod(tf.sigmoid)
    head = REGRESSION

    def __init__(
        self,
        n_in: int = 2,
        hidden_units: tuple[int, ...] = (3,),
        n_out: int = 1,
        *,
        use_bias: bool = False,
        initializer: Initializer = "ones",
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
