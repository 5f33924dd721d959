import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnn import reference


def central_difference(function, array, step=1e-6):
    """Derivative of function() by each element of array, which it reads."""
    gradient = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        value = array[index]
        array[index] = value + step
        above = function()
        array[index] = value - step
        below = function()
        array[index] = value
        gradient[index] = (above - below) / (2 * step)
    return gradient


def test_the_lesson_ends_at_its_printed_loss(iris):
    losses = reference.NeuralNetwork().fit(*iris, epochs=200, learning_rate=0.001)
    assert len(losses) == 200
    assert losses[-1] == pytest.approx(0.8889049031629646, abs=1e-12)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_backward_is_the_central_difference(rng, reduction):
    network = reference.NeuralNetwork(n_in=3, n_hidden=4, n_out=2)
    network.hidden_kernel[:] = rng.normal(size=(3, 4))
    network.output_kernel[:] = rng.normal(size=(4, 2))
    x, y = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))

    def error():
        return getattr(np, reduction)((network.forward(x) - y) ** 2)

    gradients = network.backward(x, y, reduction=reduction)
    for kernel, gradient in (
        (network.hidden_kernel, gradients.hidden_kernel),
        (network.output_kernel, gradients.output_kernel),
    ):
        np.testing.assert_allclose(gradient, central_difference(error, kernel), atol=1e-8)


def test_targets_of_another_shape_are_refused_not_broadcast():
    with pytest.raises(ValueError, match=r"^y must be \(5, 1\); got y.shape=\(5,\)$"):
        reference.NeuralNetwork().backward(np.ones((5, 2)), np.ones(5))


def test_sigmoid_at_known_points():
    np.testing.assert_allclose(reference.sigmoid([0.0, np.log(3.0)]), [0.5, 0.75])
    np.testing.assert_array_equal(reference.sigmoid([-1e4, 1e4]), [0.0, 1.0])


def test_sigmoid_derivative_is_the_central_difference():
    z = np.linspace(-4, 4, 17)
    difference = (reference.sigmoid(z + 1e-6) - reference.sigmoid(z - 1e-6)) / 2e-6
    np.testing.assert_allclose(reference.sigmoid_derivative(z), difference, atol=1e-9)


def test_softmax_of_the_lesson():
    rounded = reference.softmax([-1.3, 2.6, -0.9]).round(2)
    np.testing.assert_array_equal(rounded, [0.02, 0.95, 0.03])


def test_softmax_and_cross_entropy_do_not_overflow():
    logits = np.array([[1e4, 0.0], [0.0, 1e4]])
    np.testing.assert_array_equal(reference.softmax(logits), [[1, 0], [0, 1]])
    assert reference.cross_entropy([[0, 1], [0, 1]], logits) == 5000.0


def test_cross_entropy_by_hand():
    # -log(softmax([0, log 3])[0]) = log 4; the other row is log(4 / 3).
    logits = np.log([[1.0, 3.0], [1.0, 3.0]])
    expected = (np.log(4) + np.log(4 / 3)) / 2
    assert reference.cross_entropy([[1, 0], [0, 1]], logits) == pytest.approx(expected)


def test_accuracy_takes_labels_and_one_hot_rows():
    logits = [[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]]
    labels = np.array([1, 0, 0, 0])
    assert reference.accuracy(labels, logits) == 0.75
    assert reference.accuracy(reference.one_hot(labels, 2), logits) == 0.75


def test_one_hot_is_a_row_of_the_identity():
    np.testing.assert_array_equal(
        reference.one_hot([2, 0], 3), [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    )


def test_one_hot_names_the_label_that_is_no_class():
    with pytest.raises(ValueError, match=r"^labels must be in 0\.\.2; got labels\[1\]=3$"):
        reference.one_hot([0, 3], 3)
    with pytest.raises(ValueError, match=r"got shape \(1,\) of float64$"):
        reference.one_hot([0.5], 3)


def test_mean_squared_error_refuses_to_broadcast():
    assert reference.mean_squared_error([1.0, 2.0], [3.0, 2.0]) == 2.0
    with pytest.raises(ValueError, match=r"got \(2, 1\) and \(2,\)$"):
        reference.mean_squared_error([[1.0], [2.0]], [1.0, 2.0])


@given(n_rows=st.integers(1, 300), batch_size=st.integers(1, 80), seed=st.integers(0, 9))
def test_kfold_batches_are_a_partition_into_even_folds(n_rows, batch_size, seed):
    batches = reference.kfold_batches(n_rows, batch_size, seed=seed, epoch=3)
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(n_rows))
    sizes = [len(batch) for batch in batches]
    assert max(sizes) - min(sizes) <= 1
    assert len(batches) == max(1, n_rows // batch_size)


def test_kfold_batches_of_digits_are_22_of_65_or_66():
    sizes = [len(b) for b in reference.kfold_batches(1437, 64, seed=0)]
    assert sizes == [66] * 7 + [65] * 15


def test_kfold_batches_follow_the_seed_and_the_epoch():
    def first(**keys):
        return reference.kfold_batches(100, 10, **keys)[0].tolist()

    assert first(seed=1, epoch=2) == first(seed=1, epoch=2)
    assert first(seed=1, epoch=2) != first(seed=1, epoch=3)
    assert first(seed=1, epoch=2) != first(seed=2, epoch=2)
