"""The dense layer with explicit Variables, and its initial weights."""

from collections.abc import Iterable
from typing import get_args

import keras
import numpy as np
import tensorflow as tf

from kerasnn.choices import Initializer


def dense(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor | None) -> tf.Tensor:
    """Compute x @ kernel + bias.

    Args:
        x: [batch, n_in].
        kernel: [n_in, n_out].
        bias: [n_out], or None.

    Returns:
        [batch, n_out].

    Raises:
        ValueError: x is not [batch, n_in] (checked while tracing, free at run time).
    """
    if x.shape.rank != 2 or not x.shape[1:].is_compatible_with(kernel.shape[:1]):
        raise ValueError(f"x must be [batch, {kernel.shape[0]}]; got {x.shape}")
    product = tf.matmul(x, kernel)
    return product if bias is None else product + bias


def initial_weights(
    initializer: Initializer,
    n_in: int,
    n_out: int,
    *,
    seed: tuple[int, ...],
    dtype: str,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return kernel and bias of a new dense layer.

    Args:
        initializer: kernel "ones"; "normal", N(0, 1); "glorot", uniform within
            +-sqrt(6 / (n_in + n_out)); "he", truncated normal of variance 2 / n_in.
            The bias is N(0, 1) with "normal", as in the lesson, else zero.
        n_in: inputs.
        n_out: outputs.
        seed: for instance (seed of the network, number of the layer).
        dtype: "float32" or "float64".

    Returns:
        kernel [n_in, n_out] and bias [n_out].

    Raises:
        ValueError: the initializer is not one of these.

    Source: Glorot and Bengio (2010); He et al. (2015).
    """
    kernel_seed, bias_seed = map(int, np.random.SeedSequence(seed).generate_state(2))
    bias = keras.initializers.Zeros()
    if initializer == "ones":
        kernel = keras.initializers.Ones()
    elif initializer == "normal":
        kernel = keras.initializers.RandomNormal(stddev=1.0, seed=kernel_seed)
        bias = keras.initializers.RandomNormal(stddev=1.0, seed=bias_seed)
    elif initializer == "glorot":
        kernel = keras.initializers.GlorotUniform(seed=kernel_seed)
    elif initializer == "he":
        kernel = keras.initializers.HeNormal(seed=kernel_seed)
    else:
        raise ValueError(
            f"initializer must be one of {get_args(Initializer)}; got {initializer!r}"
        )
    return kernel((n_in, n_out), dtype=dtype), bias((n_out,), dtype=dtype)


def raw_variables(
    variables: Iterable[tf.Variable | keras.Variable],
) -> list[tf.Variable]:
    """Return the `tf.Variable`s, unwrapped from Keras Variables."""
    return [v.value if isinstance(v, keras.Variable) else v for v in variables]


class Dense(tf.Module):
    """A fully connected layer with explicit Variables: x @ kernel + bias.

    Args:
        n_in: inputs.
        n_out: outputs.
        use_bias: False omits the bias.
        initializer: see `initial_weights`.
        seed: the same seed gives the same weights.
        dtype: "float32" or "float64".
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        use_bias: bool = True,
        initializer: Initializer = "glorot",
        seed: tuple[int, ...] = (0,),
        dtype: str = "float32",
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        kernel, bias = initial_weights(initializer, n_in, n_out, seed=seed, dtype=dtype)
        self.kernel = tf.Variable(kernel, name="kernel")
        self.bias = tf.Variable(bias, name="bias") if use_bias else None

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Compute [batch, n_out] from x [batch, n_in]."""
        return dense(x, self.kernel, self.bias)
