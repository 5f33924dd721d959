"""A model of a kind that was traced before uses that trace, with the same bits."""

import gc
import weakref

import keras
import numpy as np
import pytest

import kerasnn
from kerasnn.training.callbacks.hooks import needs_batch_hooks
from kerasnn.training.compiled import sharing

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4)).astype("float32")
Y = RNG.integers(0, 3, 50)


@pytest.fixture(autouse=True)
def nothing_shared():
    sharing._shared.clear()
    yield
    sharing._shared.clear()


def classifier(seed=0, rate=0.2, l2=1e-3, learning_rate=0.01, dropout_seed=None):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3, "relu", kernel_regularizer=keras.regularizers.L2(l2)),
            keras.layers.Dropout(rate, seed=dropout_seed),
            keras.layers.Dense(3, "softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(learning_rate)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def trained(model, epochs=2):
    """Return everything that a fit leaves."""
    history = kerasnn.fit(model, X, Y, epochs=epochs, seed=1, verbose=0, driver="graph")
    state = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    return history.history, [variable.numpy() for variable in state]


def assert_equal(one, other):
    assert one[0] == other[0]
    for a, b in zip(one[1], other[1], strict=True):
        np.testing.assert_array_equal(a, b)


def traces():
    return len(sharing._shared)


@pytest.mark.slow
def test_a_second_model_is_not_traced_and_ends_with_the_same_bits(monkeypatch):
    first = trained(classifier())
    assert traces() == 1
    monkeypatch.setattr(sharing, "_without_variables", None)  # a trace would call it
    assert_equal(trained(classifier()), first)
    assert traces() == 1


@pytest.mark.slow
def test_replaced_code_of_a_class_is_traced(monkeypatch):
    first = trained(classifier())
    calls, own = [], keras.layers.Dense.call

    def call(self, inputs, training=None):
        calls.append(1)
        return own(self, inputs, training=training)

    monkeypatch.setattr(keras.layers.Dense, "call", call)
    assert_equal(trained(classifier()), first)
    assert calls


@pytest.mark.slow
@pytest.mark.parametrize(
    "other", [{"seed": 5}, {"learning_rate": 0.3}, {"dropout_seed": 7}], ids=str
)
def test_values_of_variables_are_those_of_the_model(other):
    trained(classifier())
    shared = trained(classifier(**other))
    assert traces() == 1
    sharing._shared.clear()
    assert_equal(trained(classifier(**other)), shared)


@pytest.mark.slow
@pytest.mark.parametrize("other", [{"rate": 0.5}, {"l2": 0.1}], ids=str)
def test_what_is_in_the_graph_makes_another_trace(other):
    first = trained(classifier())
    assert trained(classifier(**other))[0] != first[0]
    assert traces() == 2


@pytest.mark.slow
def test_a_changed_attribute_makes_another_trace():
    first = trained(classifier())
    model = classifier()
    model.layers[1].rate = 0.6
    assert trained(model)[0] != first[0]
    assert traces() == 2


@pytest.mark.slow
def test_two_models_that_train_by_turns_do_not_disturb_each_other():
    one, other = classifier(seed=1), classifier(seed=2)
    trained(one, 1), trained(other, 1)
    by_turns = [trained(one, 1), trained(other, 1)]
    sharing._shared.clear()
    one, other = classifier(seed=1), classifier(seed=2)
    trained(one, 1)
    assert_equal(trained(one, 1), by_turns[0])
    sharing._shared.clear()
    trained(other, 1)
    assert_equal(trained(other, 1), by_turns[1])


@pytest.mark.slow
def test_a_model_is_freed_while_its_trace_is_kept():
    model = classifier()
    trained(model)
    gone = [
        weakref.ref(v.value.handle) for v in (*model.weights, *model.optimizer.variables)
    ]
    del model
    gc.collect()
    assert [handle() for handle in gone] == [None] * len(gone)
    assert traces() == 1
    trained(classifier())
    assert traces() == 1


class Doubled(keras.layers.Layer):
    def call(self, x):
        return 2 * x


@pytest.mark.slow_cases
@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras.layers.Lambda(lambda x: 2 * x),
        lambda: keras.layers.Normalization(mean=0.0, variance=1.0),
        Doubled,
    ],
)
def test_what_is_not_all_keras_s_has_its_own_trace(layer):
    model = keras.Sequential([keras.Input((4,)), layer(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    kerasnn.fit(model, X, Y, verbose=0, driver="graph")
    assert traces() == 0


@pytest.mark.slow
def test_a_bounded_number_is_kept(monkeypatch):
    monkeypatch.setattr(sharing, "MAX_SHARED", 1)
    trained(classifier())
    trained(classifier(rate=0.4))
    assert traces() == 1


def test_predictions_are_shared_too():
    one, other = classifier(seed=1), classifier(seed=2)
    for model in (one, other):
        answers = kerasnn.predict(model, X, verbose=0)
        np.testing.assert_array_equal(answers, model.predict(X, verbose=0))
    assert traces() == 1


class Empty(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        """Do nothing."""


class Counting(Empty):
    def on_train_batch_begin(self, batch, logs=None):
        self.batches = batch


@pytest.mark.parametrize(("callback", "needed"), [(Empty(), False), (Counting(), True)])
def test_an_empty_hook_needs_no_call_for_each_batch(callback, needed):
    callbacks = keras.callbacks.CallbackList([callback])
    assert needs_batch_hooks(callbacks, "train") is needed


class Tuner:
    """As KerasTuner's; a user may override the hook."""

    def on_batch_end(self, batch, logs=None):
        pass


class BusyTuner(Tuner):
    def on_batch_end(self, batch, logs=None):
        self.batch = batch


class TunerCallback(keras.callbacks.Callback):
    """Calls the hook of a tuner, as KerasTuner's does."""

    def __init__(self, tuner):
        super().__init__()
        self.tuner = tuner

    def on_batch_end(self, batch, logs=None):
        self.tuner.on_batch_end(batch, logs)


@pytest.mark.parametrize(("tuner", "needed"), [(Tuner(), False), (BusyTuner(), True)])
def test_the_empty_hooks_of_keras_tuner_need_no_call(tuner, needed, monkeypatch):
    callback = TunerCallback(tuner)
    callbacks = keras.callbacks.CallbackList([callback])
    assert needs_batch_hooks(callbacks, "train")
    name = "keras_tuner.src.engine.tuner_utils"
    monkeypatch.setattr(TunerCallback.on_batch_end, "__module__", name)
    assert needs_batch_hooks(callbacks, "train") is needed
