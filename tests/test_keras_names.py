"""The private names of Keras that we use are what we take them for."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnn.training import keras_names
from kerasnn.training.feeds.keras_iterator import Executions

X = np.arange(20, dtype="float64").reshape(10, 2)
Y = np.arange(10)


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


def test_a_glance_at_a_generator_takes_nothing_from_it():
    batches = [(X[i : i + 2], Y[i : i + 2]) for i in (0, 2, 4)]
    adapter = keras_names.get_data_adapter(batch for batch in batches)
    assert keras_names.peek(adapter) is batches[0]
    assert len(list(adapter.get_numpy_iterator())) == 3


def test_a_glance_at_a_dataset_is_its_spec():
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(5)
    adapter = keras_names.get_data_adapter(dataset)
    assert isinstance(adapter, keras_names.TFDatasetAdapter)
    assert keras_names.peek(adapter) == dataset.element_spec


def test_a_glance_at_a_pydataset_is_its_first_batch():
    class Rows(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return X[index * 5 :][:5], Y[index * 5 :][:5]

    look = keras_names.peek(keras_names.get_data_adapter(Rows()))
    np.testing.assert_array_equal(look[0], X[:5])


def test_the_epoch_iterator_counts_batches():
    iterator = Executions(x=X, y=Y, batch_size=4, steps_per_execution=2)
    assert iterator.num_batches == 3
    executions = [(begin, end, len(batches)) for begin, end, batches in iterator]
    assert executions == [(0, 1, 2), (2, 3, 1)]


def test_what_makes_a_traced_step_stale_is_seen():
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


def test_an_uncompiled_model_is_refused_in_keras_words():
    with pytest.raises(ValueError, match=r"You must call `compile\(\)` before"):
        keras_names.assert_compiled(keras.Sequential(), "fit")


def test_a_callback_may_say_where_training_goes_on():
    model = compiled()
    assert keras_names.initial_epoch(model) is None
    model._initial_epoch = 3
    assert keras_names.initial_epoch(model) == 3


def test_metrics_come_in_the_order_of_evaluate():
    model = compiled()
    listed = model.evaluate(X, Y, verbose=0)
    named = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert keras_names.evaluate_in_order(model, named) == pytest.approx(listed)


def test_an_empty_hook_is_told_from_one_with_a_body():
    class Own(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            pass

    assert keras_names.is_default(keras.callbacks.Callback().on_train_batch_end)
    assert not keras_names.is_default(Own().on_train_batch_end)
    assert keras_names.is_default(Own().on_epoch_end)


def test_a_bar_that_is_told_late_shows_the_time_of_its_epoch(capsys):
    callbacks = keras.callbacks.CallbackList(
        add_progbar=True, verbose=2, epochs=1, steps=1000
    )
    callbacks.on_epoch_begin(0)
    keras_names.backdate_bars(callbacks, 7200)
    callbacks.on_epoch_end(0, {"loss": 1.0})
    assert capsys.readouterr().out == "1000/1000 - 7200s - 7s/step - loss: 1.0000\n"


def test_layers_that_xla_cannot_compile_are_known_to_keras():
    lookup = keras.layers.StringLookup(vocabulary=["a"], name="words")
    model = keras.Sequential([lookup, keras.layers.Embedding(2, 1)])
    assert keras_names.layers_without_xla(model) == ["words"]
    assert not keras_names.model_supports_jit(model)
    assert keras_names.model_supports_jit(compiled())


def test_the_last_rows_are_split_off():
    (train, _), (held_out, _) = keras_names.split_validation((X, Y), 0.25)
    np.testing.assert_array_equal(train, X[:7])
    np.testing.assert_array_equal(held_out, X[7:])


def test_the_variables_of_model_and_metrics_are_made_from_shapes():
    model = keras.Sequential([keras.layers.Dense(2)])
    model.compile("sgd", "mse", metrics=["mae"])
    specs = tf.TensorSpec([None, 3], tf.float32), tf.TensorSpec([None, 2], tf.float32)
    keras_names.symbolic_build(model, specs)
    assert [v.shape for v in model.trainable_variables] == [(3, 2), (2,)]
    assert len(model.metrics_variables) == 4  # total and count of the loss and of mae
