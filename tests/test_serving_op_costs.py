"""Which graphs are known to take the same time for every request of the same shape."""

import pytest
import tensorflow as tf

from kerasnn.serving.saved_model.op_costs import (
    elementwise_signatures,
    steady_signatures,
)

RAW = tf.raw_ops


def meta_graph(function, *, x=(None, 4), n=()):
    """A graph of a function of x and the whole number n, called through another one."""
    specs = (tf.TensorSpec(x, tf.float32), tf.TensorSpec(n, tf.int32))
    inner = tf.function(function, input_signature=specs)
    with tf.Graph().as_default() as graph:
        inputs = [tf.compat.v1.placeholder(s.dtype, s.shape) for s in specs]
        outputs = tf.function(lambda *given: inner(*given))(*inputs)
        infos = [tf.compat.v1.saved_model.build_tensor_info(t) for t in (*inputs, outputs)]
        signature = tf.compat.v1.saved_model.build_signature_def(
            {"x": infos[0], "n": infos[1]}, {"y": infos[2]}, "predict"
        )
        made = tf.compat.v1.MetaGraphDef(graph_def=graph.as_graph_def())
        made.signature_def["serving_default"].CopyFrom(signature)
    return made


def is_steady(function, **shapes):
    return steady_signatures(meta_graph(function, **shapes)) == {"serving_default"}


def rows(x):
    return tf.shape(x)[0]


@pytest.mark.parametrize(
    "function",
    [
        lambda x, n: tf.nn.relu(x @ tf.ones([4, 3])) + tf.cast(n, tf.float32),
        lambda x, n: tf.nn.softmax(tf.nn.bias_add(x, tf.ones([4]))),
        lambda x, n: tf.zeros([rows(x), 7]),
        lambda x, n: tf.tile(tf.constant([["low", "high"]]), [rows(x), 1]),
        lambda x, n: tf.broadcast_to(x[:, None], [rows(x), 5, 4]),
        lambda x, n: tf.pad(x, [[0, 0], [1, 1]]),
        lambda x, n: tf.one_hot(tf.cast(x, tf.int32), 10),
        lambda x, n: tf.range(tf.size(x) * 2),
        lambda x, n: tf.gather(tf.ones([100, 3]), tf.cast(x, tf.int32)),
        lambda x, n: tf.reshape(x, [n, -1]),
        lambda x, n: tf.image.resize(tf.reshape(x, [1, -1, 2, 2]), [8, 8]),
        lambda x, n: tf.strings.lower(tf.fill([rows(x)], "ROW")),
        lambda x, n: tf.math.unsorted_segment_sum(x, tf.argmax(x, axis=1), 4),
    ],
)
def test_sizes_that_follow_from_sizes_are_steady(function):
    assert is_steady(function)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, n: tf.range(n),
        lambda x, n: tf.fill([n], 1.0),
        lambda x, n: tf.zeros([tf.cast(x[0, 0], tf.int32)]),
        lambda x, n: tf.tile(x, [n, 1]),
        lambda x, n: tf.repeat(x, n, axis=0),
        lambda x, n: tf.random.uniform([n]),
        lambda x, n: tf.random.stateless_normal([n], [1, 2]),
        lambda x, n: tf.one_hot([1, 2], n),
        lambda x, n: tf.pad(x, [[0, n], [0, 0]]),
        lambda x, n: tf.broadcast_to(1.0, [n, n]),
        lambda x, n: tf.math.bincount(tf.cast(x, tf.int32)),
        lambda x, n: RAW.DenseBincount(
            input=[1], size=n, weights=tf.constant([], tf.int32)
        ),
        lambda x, n: tf.math.segment_sum(x, tf.cast(x[:, 0], tf.int32)),
        lambda x, n: tf.math.unsorted_segment_sum(x, tf.argmax(x, axis=1), n),
        lambda x, n: tf.scatter_nd([[0]], [1.0], n[None]),
        lambda x, n: tf.linspace(0.0, 1.0, n),
        lambda x, n: tf.image.resize(tf.reshape(x, [1, -1, 2, 2]), [n, n]),
        lambda x, n: tf.sequence_mask([1], n),
        lambda x, n: tf.eye(n),
        lambda x, n: tf.while_loop(lambda i: i < n, lambda i: (i + 1,), [0])[0],
        lambda x, n: tf.map_fn(tf.reduce_sum, x),
        lambda x, n: tf.cond(n > 0, lambda: x, lambda: tf.linalg.expm(x @ tf.transpose(x))),
        lambda x, n: tf.strings.as_string(x),
        lambda x, n: tf.strings.unicode_encode(tf.range(3), "UTF-8") + tf.as_string(n),
        lambda x, n: tf.random.uniform([tf.random.uniform([], 0, 9, tf.int32)]),
    ],
)
def test_sizes_and_loops_that_follow_from_values_are_not(function):
    assert not is_steady(function, n=())


def test_only_the_signature_that_leads_to_a_loop_is_unsteady():
    graph = meta_graph(lambda x, n: tf.range(n))
    graph.signature_def["other"].CopyFrom(graph.signature_def["serving_default"])
    graph.signature_def["other"].outputs["y"].name = "Placeholder:0"
    assert steady_signatures(graph) == {"other"}


def test_a_size_from_another_place_of_a_call_is_found():
    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)])
    def zeros(size):
        return tf.zeros([size])

    assert is_steady(lambda x, n: zeros(rows(x)))
    assert not is_steady(lambda x, n: zeros(n))
    assert not is_steady(lambda x, n: zeros(rows(x))[0] + zeros(n)[0])


def test_what_only_combines_elements_is_known():
    assert elementwise_signatures(meta_graph(lambda x, n: 2.0 * tf.nn.relu(x) + 1.0))
    assert not elementwise_signatures(meta_graph(lambda x, n: tf.nn.softmax(x)))
    assert not elementwise_signatures(meta_graph(lambda x, n: tf.reduce_sum(x)))
