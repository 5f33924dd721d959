from typing import get_args

import numpy as np
import pytest
import tensorflow as tf

from kerasnn.choices import Initializer
from kerasnn.layers import Dense, dense, initial_weights


def test_dense_is_the_matrix_product(rng):
    x, kernel, bias = rng.normal(size=(5, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)
    np.testing.assert_allclose(dense(tf.constant(x), kernel, bias), x @ kernel + bias)
    np.testing.assert_allclose(dense(tf.constant(x), kernel, None), x @ kernel)


@pytest.mark.parametrize("shape", [(5, 4), (3,), (2, 5, 3)])
def test_dense_refuses_rows_of_another_width(shape):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - compared whole
        dense(tf.zeros(shape), tf.zeros((3, 2)), None)
    assert str(caught.value) == f"x must be [batch, 3]; got {shape}"


def test_a_layer_has_explicit_variables():
    names = [v.name.split(":")[0] for v in Dense(3, 2).trainable_variables]
    assert names == ["bias", "kernel"]
    assert len(Dense(3, 2, use_bias=False).trainable_variables) == 1


# By formula: mean of squares of the kernel, and of the bias.
VARIANCES = {
    "ones": (1.0, 0.0),
    "normal": (1.0, 1.0),
    "glorot": (2 / (200 + 300), 0.0),
    "he": (2 / 200, 0.0),
}


@pytest.mark.parametrize("name", get_args(Initializer))
def test_weights_have_the_variance_of_the_formula(name):
    kernel, bias = initial_weights(name, 200, 300, seed=(0,), dtype="float64")
    assert (kernel.shape, bias.shape) == ((200, 300), (300,))
    assert kernel.dtype == bias.dtype == tf.float64
    kernel_variance, bias_variance = VARIANCES[name]
    assert np.mean(kernel.numpy() ** 2) == pytest.approx(kernel_variance, rel=0.03)
    assert np.mean(bias.numpy() ** 2) == pytest.approx(bias_variance, rel=0.3)


def test_weights_follow_the_seed():
    def kernel(*seed):
        return initial_weights("normal", 3, 2, seed=seed, dtype="float32")[0].numpy()

    np.testing.assert_array_equal(kernel(1, 0), kernel(1, 0))
    assert not np.array_equal(kernel(1, 0), kernel(1, 1))
    assert not np.array_equal(kernel(1, 0), kernel(2, 0))


def test_an_unknown_initializer_is_told_which_there_are():
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - compared whole
        initial_weights("zeros", 3, 2, seed=(0,), dtype="float32")
    assert str(caught.value) == (
        "initializer must be one of ('ones', 'normal', 'glorot', 'he'); got 'zeros'"
    )
