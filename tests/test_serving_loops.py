"""Loops that a request may make endless, and their end."""

import time

import numpy as np
import pytest
import serving_models
import tensorflow as tf

from kerasnn.serving.errors import Code, ServingError
from kerasnn.serving.saved_model.graph import Graph
from kerasnn.serving.saved_model.loops import may_never_end


def model(function):
    spec = tf.TensorSpec([None], tf.float32, name="x")
    module = tf.Module()
    module.serve = tf.function(lambda x: {"y": function(x)}, input_signature=[spec])
    return module


def halve(x):
    """Endless unless x is small: half of it is added back again."""
    return tf.while_loop(
        lambda y: tf.reduce_sum(y) > 1.0, lambda y: (0.5 * y + 0.5 * x,), [x]
    )[0]


def ends(function):
    graph = model(function).serve.get_concrete_function().graph
    made = tf.compat.v1.MetaGraphDef(graph_def=graph.as_graph_def())
    signature = made.signature_def["serving_default"]
    signature.inputs["x"].name = graph.inputs[0].name
    signature.outputs["y"].name = graph.outputs[0].name
    return not may_never_end(made)


def test_loops_that_sizes_bound_end_and_others_may_not():
    assert ends(lambda x: 2 * x)
    assert ends(lambda x: tf.map_fn(lambda row: row * 2, x))
    assert ends(lambda x: tf.scan(lambda a, b: a + b, x))
    assert not ends(halve)
    assert not ends(
        lambda x: tf.while_loop(
            lambda y: True,
            lambda y: (y + 1,),
            [x],
            maximum_iterations=tf.cast(x[0], tf.int32),
        )[0]
    )


def test_recurrent_layers_end():
    x = tf.keras.Input((None, 2))
    network = tf.keras.Model(x, tf.keras.layers.LSTM(2)(x))
    assert ends(lambda x: network(tf.reshape(x, [1, -1, 2])))


def test_an_endless_loop_is_cancelled_and_another_model_answers(tmp_path):
    module = model(halve)
    path = serving_models.save(module, tmp_path, 1, serving_default=module.serve)
    graph = Graph(path)
    signature = graph.signatures["serving_default"]

    def ask(x):
        inputs = {"x": np.float32([x])}
        return graph.run(signature, inputs, ("y",), timeout_seconds=0.5)["y"].tolist()

    started = time.perf_counter()
    with pytest.raises(ServingError) as error:
        ask(9.0)
    assert error.value.code is Code.DEADLINE_EXCEEDED
    assert 0.5 <= time.perf_counter() - started < 30
    assert ask(0.5) == [0.5]
    graph.close()
