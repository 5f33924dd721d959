"""The private names of Keras that we use do what we expect of them."""

import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnn.training import keras_names
from kerasnn.training.feeds.keras_iterator import Executions

X = np.arange(20, dtype="float64").reshape(10, 2)
Y = np.arange(10)
THREEFRY, AUTO_SELECT = 2, 3  # as in tf.random.Algorithm


def compiled():
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1, name="last")])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def arrays(**arguments):
    return keras_names.get_data_adapter(x=X, y=Y, batch_size=4, **arguments)


def test_an_array_adapter_gives_its_rows_cast_once():
    adapter = arrays(shuffle="batch")
    assert isinstance(adapter, keras_names.ArrayDataAdapter)
    x, y = keras_names.adapter_arrays(adapter)
    assert (x.dtype, y.dtype) == ("float32", "int64")
    np.testing.assert_array_equal(x, X)
    assert (adapter.batch_size, adapter.num_batches) == (4, 3)
    assert keras_names.adapter_shuffle(adapter) == "batch"


def test_fit_takes_an_adapter_for_x():
    history = compiled().fit(arrays(), verbose=0)
    assert history.params["steps"] == 3
    assert keras_names.get_data_adapter(adapter := arrays()) is adapter


def test_peek_consumes_no_batch_of_a_generator():
    batches = [(X[i : i + 2], Y[i : i + 2]) for i in (0, 2, 4)]
    adapter = keras_names.get_data_adapter(batch for batch in batches)
    assert keras_names.peek(adapter) is batches[0]
    assert len(list(adapter.get_numpy_iterator())) == 3


def test_peek_returns_the_spec_of_a_dataset():
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(5)
    adapter = keras_names.get_data_adapter(dataset)
    assert isinstance(adapter, keras_names.TFDatasetAdapter)
    assert keras_names.peek(adapter) == dataset.element_spec


def test_peek_returns_the_first_batch_of_a_pydataset():
    class Rows(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return X[index * 5 :][:5], Y[index * 5 :][:5]

    first_batch = keras_names.peek(keras_names.get_data_adapter(Rows()))
    np.testing.assert_array_equal(first_batch[0], X[:5])


def test_the_epoch_iterator_counts_batches():
    iterator = Executions(x=X, y=Y, batch_size=4, steps_per_execution=2)
    assert iterator.num_batches == 3
    executions = [(begin, end, len(batches)) for begin, end, batches in iterator]
    assert executions == [(0, 1, 2), (2, 3, 1)]


def test_every_change_that_outdates_a_traced_step_is_detected():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.build((None, 2))
    model.compile("sgd", "mse")
    seen = [keras_names.compiled_as(model)]
    for change in (
        lambda: model.make_train_function(force=True),
        lambda: model.compile("sgd", "mse"),
        lambda: model.layers[-1].quantize("int8"),
    ):
        change()
        seen.append(keras_names.compiled_as(model))
        assert seen[-1] != seen[-2]
        assert seen[-1] == keras_names.compiled_as(model)


def test_an_uncompiled_model_raises_keras_error():
    with pytest.raises(ValueError, match=r"You must call `compile\(\)` before"):
        keras_names.assert_compiled(keras.Sequential(), "fit")


def test_the_methods_of_keras_are_replaced_and_restored():
    keras_s = keras.Model.fit
    keras_names.replace_methods({"fit": lambda model: "replaced"})
    try:
        assert compiled().fit() == "replaced"
        assert keras_names.keras_method("fit") is keras_s
    finally:
        keras_names.replace_methods({})
    assert keras.Model.fit is keras_s


@pytest.mark.parametrize("shuffle", [True, "batch"])
def test_the_row_order_under_a_global_seed_is_that_of_keras_s_pipeline(shuffle):
    tf.random.set_seed(5)
    adapter = arrays(shuffle=shuffle)
    order = keras_names.seeded_row_order(adapter)
    for _ in range(2):  # it is the same in every epoch
        targets = [batch[1].numpy() for batch in adapter.get_tf_dataset()]
        np.testing.assert_array_equal(np.concatenate(targets), Y[order])
    assert sorted(order) == list(range(10))
    assert not np.array_equal(order, np.arange(10))
    assert keras_names.seeded_row_order(arrays(shuffle=False)) is None


def test_a_callback_may_set_the_initial_epoch():
    model = compiled()
    assert keras_names.initial_epoch(model) is None
    model._initial_epoch = 3
    assert keras_names.initial_epoch(model) == 3


def test_metrics_come_in_the_order_of_evaluate():
    model = compiled()
    listed = model.evaluate(X, Y, verbose=0)
    named = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert keras_names.evaluate_in_order(model, named) == pytest.approx(listed)


def test_a_default_hook_is_distinguished_from_an_overridden_one():
    class Overriding(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            pass

    assert keras_names.is_default(keras.callbacks.Callback().on_train_batch_end)
    assert not keras_names.is_default(Overriding().on_train_batch_end)
    assert keras_names.is_default(Overriding().on_epoch_end)


def test_a_backdated_bar_shows_the_time_of_its_epoch(capsys):
    callbacks = keras.callbacks.CallbackList(
        add_progbar=True, verbose=2, epochs=1, steps=1000
    )
    callbacks.on_epoch_begin(0)
    keras_names.backdate_bars(callbacks, 7200)
    callbacks.on_epoch_end(0, {"loss": 1.0})
    assert capsys.readouterr().out == "1000/1000 - 7200s - 7s/step - loss: 1.0000\n"


def test_convolutions_are_found_within_other_models():
    kinds = (
        "Conv1D",
        "Conv2DTranspose",
        "DepthwiseConv2D",
        "SeparableConv1D",
        "ConvLSTM2D",
    )
    for kind in kinds:
        inner = keras.Sequential([getattr(keras.layers, kind)(1, 1)])
        assert keras_names.has_convolution(keras.Sequential([inner]))
    assert not keras_names.has_convolution(compiled())


def test_keras_marks_the_layers_that_xla_cannot_compile():
    lookup = keras.layers.StringLookup(vocabulary=["a"], name="words")
    model = keras.Sequential([lookup, keras.layers.Embedding(2, 1)])
    assert keras_names.layers_without_xla(model) == ["words"]
    assert not keras_names.model_supports_jit(model)
    assert keras_names.model_supports_jit(compiled())


def test_validation_split_takes_the_last_rows():
    (train, _), (held_out, _) = keras_names.split_validation((X, Y), 0.25)
    np.testing.assert_array_equal(train, X[:7])
    np.testing.assert_array_equal(held_out, X[7:])


def test_specs_are_enough_to_create_all_variables():
    model = keras.Sequential([keras.layers.Dense(2)])
    model.compile("sgd", "mse", metrics=["mae"])
    specs = tf.TensorSpec([None, 3], tf.float32), tf.TensorSpec([None, 2], tf.float32)
    keras_names.symbolic_build(model, specs)
    assert [v.shape for v in model.trainable_variables] == [(3, 2), (2,)]
    assert len(model.metrics_variables) == 4  # total and count of the loss and of mae


def dropout_algorithms(function):
    """The random generator of each draw in the graph of a function."""
    ones = tf.TensorSpec([64], tf.float32)
    graph = tf.function(function).get_concrete_function(ones).graph
    draws = [op for op in graph.get_operations() if "StatelessRandomUniform" in op.type]
    return [int(tf.get_static_value(draw.inputs[3])) for draw in draws]


def keras_dropout(x):
    return keras.random.dropout(x, 0.5, seed=1)


def test_dropout_is_drawn_with_threefry_for_the_time_of_a_trace_only():
    original = tf.nn.experimental.stateless_dropout
    assert dropout_algorithms(keras_dropout) == [AUTO_SELECT]
    with keras_names.threefry_dropout():
        assert dropout_algorithms(keras_dropout) == [THREEFRY]
        with keras_names.threefry_dropout():
            pass
        assert dropout_algorithms(keras_dropout) == [THREEFRY]
    assert tf.nn.experimental.stateless_dropout is original
    assert dropout_algorithms(keras_dropout) == [AUTO_SELECT]


def test_dropout_is_restored_after_a_trace_that_fails():
    original = tf.nn.experimental.stateless_dropout
    with pytest.raises(ZeroDivisionError), keras_names.threefry_dropout():
        raise ZeroDivisionError
    assert tf.nn.experimental.stateless_dropout is original


def test_dropout_of_other_threads_is_not_changed_meanwhile():
    found = []
    with keras_names.threefry_dropout():
        other = threading.Thread(
            target=lambda: found.append(dropout_algorithms(keras_dropout))
        )
        other.start()
        other.join()
    assert found == [[AUTO_SELECT]]


def test_the_default_writer_of_summaries_is_told_from_another(tmp_path):
    assert keras_names.default_summary_writer() is None
    one, other = (tf.summary.create_file_writer(str(tmp_path / n)) for n in "ab")
    with one.as_default():
        found = keras_names.default_summary_writer()
        assert found == keras_names.default_summary_writer()
    with other.as_default():
        assert found != keras_names.default_summary_writer()
    assert keras_names.default_summary_writer() is None
