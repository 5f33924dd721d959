import numpy as np
import pytest
import tensorflow as tf

from kerasnn import losses, reference


def test_squared_error_of_each_row():
    targets = tf.constant([[1.0, 2.0], [0.0, 0.0]])
    outputs = tf.constant([[3.0, 2.0], [0.0, 1.0]])
    assert losses.squared_error(targets, outputs).numpy().tolist() == [2.0, 0.5]


def test_cross_entropy_is_the_reference_from_labels_and_from_one_hot(rng):
    logits = rng.normal(size=(20, 4)) * 50
    labels = rng.integers(4, size=20)
    one_hot = reference.one_hot(labels, 4)
    expected = reference.cross_entropy(one_hot, logits)
    from_labels = losses.cross_entropy(tf.constant(labels), tf.constant(logits))
    from_one_hot = losses.categorical_cross_entropy(
        tf.constant(one_hot), tf.constant(logits)
    )
    assert from_labels.shape == (20,)
    np.testing.assert_allclose(from_labels.numpy().mean(), expected, rtol=1e-12)
    np.testing.assert_allclose(from_one_hot, from_labels, rtol=1e-12)


def test_confident_logits_give_a_finite_loss():
    loss = losses.cross_entropy(tf.constant([1]), tf.constant([[1e4, 0.0]]))
    assert loss.numpy().tolist() == [1e4]


@pytest.mark.parametrize(
    ("loss", "shapes", "message"),
    [
        (
            losses.squared_error,
            [(3,), (3, 1)],
            "targets and outputs must both be [batch, n_out]; got (3,) and (3, 1)",
        ),
        (
            losses.cross_entropy,
            [(3, 1), (3, 2)],
            "labels must be [batch] and logits [batch, n_classes]; got (3, 1) and (3, 2)",
        ),
        (
            losses.categorical_cross_entropy,
            [(3, 3), (3, 2)],
            "targets and logits must both be [batch, n_classes]; got (3, 3) and (3, 2)",
        ),
    ],
)
def test_shapes_that_would_broadcast_are_refused(loss, shapes, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - compared whole
        loss(*(tf.zeros(shape) for shape in shapes))
    assert str(caught.value) == message
