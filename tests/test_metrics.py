import pytest
import tensorflow as tf

from kerasnn import metrics


def test_accuracy_of_each_row_from_labels_and_from_one_hot():
    logits = tf.constant([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    assert metrics.accuracy(tf.constant([1, 0, 0]), logits).numpy().tolist() == [1, 1, 0]
    one_hot = tf.constant([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    assert metrics.accuracy(one_hot, logits).numpy().tolist() == [1, 1, 0]


def test_a_wrong_rank_is_refused():
    with pytest.raises(ValueError, match=r"got \(2,\) and \(2,\)$"):
        metrics.accuracy(tf.constant([0, 1]), tf.constant([0.0, 1.0]))
