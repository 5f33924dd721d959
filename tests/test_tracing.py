"""A step is traced once, whatever Variables that makes, and refused where Keras does."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_array_equal

import kerasnn

X = np.linspace(-1, 1, 60, dtype=np.float32).reshape(20, 3)
Y = (X[:, 0] > 0).astype(np.int32)


class Counted(keras.Model):
    """Layers, metrics and slots are made by the first step."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = keras.layers.Dense(4, "relu")
        self.norm = keras.layers.BatchNormalization()
        self.dropout = keras.layers.Dropout(0.5, seed=1)
        self.out = keras.layers.Dense(2)
        self.traces = 0

    def call(self, x, training=False):
        self.traces += bool(training)
        return self.out(self.dropout(self.norm(self.hidden(x)), training=training))


def compiled(kind, optimizer=keras.optimizers.Adam):
    keras.utils.set_random_seed(3)
    model = kind()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer(), loss, metrics=["accuracy"])
    return model


class Optimized(Counted):
    """Custom code in the step, and layers that are built."""

    def __init__(self) -> None:
        super().__init__()
        self(X[:1])

    def train_step(self, data):
        return {**super().train_step(data), "extra": tf.constant(1.0)}


class Parts(keras.Model):
    """Custom code over a model that is built; the whole has no `call`, and never is."""

    def __init__(self) -> None:
        super().__init__()
        self.part = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        self.traces = 0

    def train_step(self, data):
        self.traces += 1
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self.part(x, training=True))
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return self.compute_metrics(x, y, self.part(x))


class SeesWhatIsBuilt(Counted):
    """A second trace computes something else; Keras builds it by a call before."""

    def train_step(self, data):
        self.factor = 1.0 if self.hidden.built else 3.0
        return super().train_step(data)

    def compute_loss(self, *args, **kwargs):
        return self.factor * super().compute_loss(*args, **kwargs)


class WithHead(Counted):
    """A layer that only training uses, and so builds."""

    def __init__(self) -> None:
        super().__init__()
        self.head = keras.layers.Dense(1)

    def call(self, x, training=False):
        if training:
            self.add_loss(tf.reduce_mean(self.head(x) ** 2))
        return super().call(x, training=training)


def assert_as_keras(kind, **settings):
    """Train by both; return the model that kerasnn has trained."""
    options = {"epochs": 2, "batch_size": 8, "shuffle": False, "verbose": 0}
    ours, theirs = compiled(kind, **settings), compiled(kind, **settings)
    history = kerasnn.fit(ours, X, Y, driver="graph", **options).history
    assert history == theirs.fit(X, Y, **options).history
    for a, b in zip(
        [*ours.variables, *ours.optimizer.variables],
        [*theirs.variables, *theirs.optimizer.variables],
        strict=True,
    ):
        assert_array_equal(a, b)
    return ours


@pytest.mark.parametrize(
    ("kind", "traces"),
    [(Counted, 1), (Optimized, 1), (Parts, 1), (SeesWhatIsBuilt, 3), (WithHead, 3)],
)
def test_a_step_is_traced_once_if_that_is_enough_to_compute_what_keras_does(kind, traces):
    assert assert_as_keras(kind).traces == traces


@pytest.mark.parametrize("kind", [Counted, Optimized, Parts])
@pytest.mark.parametrize("name", ["ScheduleFreeAdamW", "Muon", "Adafactor"])
def test_an_optimizer_that_does_more_when_it_is_built_ends_as_with_keras(kind, name):
    assert_as_keras(kind, optimizer=getattr(keras.optimizers, name))


@pytest.mark.parametrize("kind", [Counted, Optimized])
def test_a_loss_is_scaled_as_by_keras(kind):
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        assert_as_keras(kind)
    finally:
        keras.mixed_precision.set_global_policy("float32")


class NewLayer(keras.Model):
    """Each step would train another layer."""

    def call(self, x, training=False):
        self.out = keras.layers.Dense(2)
        return self.out(x)


class NewOptimizer(Counted):
    """Each step would begin anew with Adam's moments."""

    def train_step(self, data):
        self.optimizer = keras.optimizers.Adam()
        return super().train_step(data)


class NewVariable(Counted):
    """Each step would count from zero."""

    def call(self, x, training=False):
        return super().call(x) + tf.Variable(0.0)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (NewLayer, "cannot add new elements of state"),
        (NewOptimizer, "singleton tf"),
        (NewVariable, "singleton tf"),
    ],
)
def test_variables_that_each_step_would_make_anew_are_refused_as_by_keras(kind, message):
    for fit in (keras.Model.fit, kerasnn.fit):
        with pytest.raises(ValueError, match=message):
            fit(compiled(kind), X, Y, verbose=0)


def test_a_step_of_one_model_alone_makes_its_own_variables():
    """It trains one layer only: the optimizer has no slots for the others."""

    def with_own_step():
        model = compiled(Counted)
        model(X[:1])

        def train_step(data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = model.compute_loss(x, y, model(x, training=True))
            variables = model.out.trainable_variables
            model.optimizer.apply(tape.gradient(loss, variables), variables)
            return model.compute_metrics(x, y, model(x))

        model.train_step = train_step
        return model

    ours, theirs = with_own_step(), with_own_step()
    kerasnn.fit(ours, X, Y, shuffle=False, verbose=0, driver="graph")
    theirs.fit(X, Y, shuffle=False, verbose=0)
    for a, b in zip(ours.optimizer.variables, theirs.optimizer.variables, strict=True):
        assert_array_equal(a, b)


def test_a_variable_that_nobody_of_the_model_owns_is_made_once():
    steps = []

    class Counting(Counted):
        def train_step(self, data):
            if not steps:
                steps.append(tf.Variable(0))
            steps[0].assign_add(1)
            return super().train_step(data)

    kerasnn.fit(compiled(Counting), X, Y, epochs=3, batch_size=10, driver="graph")
    assert steps[0].numpy() == 6
