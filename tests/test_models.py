import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from catalogue import CASES, rows_for

from kerasnn import InputError, models, reference

TWINS = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def test_the_catalogue_is_complete():
    public = [getattr(models, name) for name in models.__all__]
    networks = {thing for thing in public if inspect.isclass(thing)}
    bases = {models.Head, models.MLPNetwork, models.MLPModel}
    of_tables = {
        models.TabularNetwork,
        models.TabularConfig,
    }  # its laws: tests/test_tabular_network.py
    assert networks - bases - of_tables == {
        kind for case in CASES.values() for kind in case[:2]
    }


@TWINS
@DTYPES
@pytest.mark.parametrize("hidden_units", [(), (5,), (7, 4, 3)])
def test_twins_have_the_same_weights_and_outputs(case, dtype, hidden_units):
    arguments = {
        "hidden_units": hidden_units,
        "initializer": "he",
        "seed": 3,
        "dtype": dtype,
    }
    network, model = case.network(**arguments), case.model(**arguments)
    x, _ = rows_for(network)
    assert len(model.trainable_variables) == len(network.trainable_variables)
    outputs = network(x)
    assert outputs.dtype == dtype
    assert outputs.shape == (50, network.n_out)
    np.testing.assert_array_equal(outputs, model(x))


@TWINS
def test_the_default_network_is_the_lessons(case):
    sizes, weights = {
        models.SigmoidNetwork: ([(2, 3), (3, 1)], 9),
        models.DigitsNetwork: ([(64, 30), (30, 10)], 2260),
    }[case.network]
    kernels = [tuple(layer.kernel.shape) for layer in case.network().layers]
    assert kernels == sizes
    assert case.model().count_params() == weights


@TWINS
def test_any_type_of_rows_is_cast(case):
    network = case.network(seed=1)
    x = np.random.default_rng(0).integers(9, size=(4, network.n_in))
    np.testing.assert_array_equal(network(x), network(x.astype(np.float32)))
    np.testing.assert_array_equal(case.model(seed=1)(x), network(x))


@TWINS
def test_initialize_gives_the_weights_of_a_new_network(case):
    network = case.network(initializer="normal", seed=1)
    network.initialize(7)
    assert network.seed == 7
    fresh = case.network(initializer="normal", seed=7)
    for ours, theirs in zip(network.variables, fresh.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow_cases
@TWINS
@DTYPES
def test_a_model_is_saved_and_loaded_the_keras_way(case, dtype, tmp_path):
    model = case.model(hidden_units=(6, 5), initializer="normal", dtype=dtype)
    x, y = rows_for(model)
    model.compile("adam", case.keras_loss())
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is case.model
    assert loaded.get_config() == model.get_config()
    np.testing.assert_array_equal(loaded(x), model(x))
    assert int(loaded.optimizer.iterations) == 2  # the optimizer goes on where it was


@TWINS
def test_a_config_makes_the_network_again(case):
    network = case.network(hidden_units=(4, 3), initializer="glorot", seed=5)
    again = case.network(**network.get_config())
    x, _ = rows_for(network)
    np.testing.assert_array_equal(again(x), network(x))


@TWINS
def test_keras_fit_runs_the_models_own_train_step(case, monkeypatch):
    model = case.model(initializer="glorot")
    seen = []
    own = vars(models.MLPModel)["train_step"]  # ours, not the one it would inherit
    monkeypatch.setattr(
        type(model), "train_step", lambda self, data: seen.append(1) or own(self, data)
    )
    x, y = rows_for(model)
    model.compile("adam", case.keras_loss())
    before = [v.numpy() for v in model.trainable_variables]
    history = model.fit(x, y, batch_size=20, epochs=1, shuffle=False, verbose=0)
    assert seen
    assert all(
        not np.array_equal(v, b)
        for v, b in zip(model.trainable_variables, before, strict=True)
    )
    assert len(history.history["loss"]) == 1


def test_answers_of_a_classifier_are_softmax_and_argmax(rng):
    logits = rng.normal(size=(6, 4))
    answers = models.CLASSIFICATION.answers(tf.constant(logits))
    np.testing.assert_allclose(answers["probabilities"], reference.softmax(logits))
    np.testing.assert_array_equal(answers["class"], logits.argmax(axis=1))
    assert answers["class"].dtype == tf.int64


@pytest.mark.parametrize("kind", [kind for case in CASES.values() for kind in case[:2]])
def test_a_size_or_seed_that_cannot_be_is_refused(kind):
    for arguments, message in (
        (
            {"hidden_units": (3, 0)},
            "hidden_units[1] must be a whole number of at least 1; got 0",
        ),
        ({"hidden_units": 30}, "hidden_units must be a sequence such as (30,); got 30"),
        ({"n_in": 0}, "n_in must be a whole number of at least 1; got 0"),
        ({"n_out": 1.5}, "n_out must be a whole number of at least 1; got 1.5"),
        ({"seed": -1}, "seed must be a whole number of at least 0; got -1"),
    ):
        with pytest.raises(InputError) as caught:
            kind(**arguments)
        assert str(caught.value) == message


def test_the_gradient_is_the_central_difference():
    network = models.DigitsNetwork(5, (4,), 3, dtype="float64", initializer="normal")
    x, y = map(tf.constant, rows_for(network, 8))

    def loss():
        return tf.reduce_mean(network.head.loss(y, network(x)))

    with tf.GradientTape() as tape:
        value = loss()
    for variable in network.trainable_variables:
        with tf.GradientTape() as tape:
            value = loss()
        gradient = tape.gradient(value, variable).numpy()
        start = variable.numpy()
        for index in np.ndindex(start.shape):
            step = np.zeros_like(start)
            step[index] = 1e-6
            variable.assign(start + step)
            above = loss()
            variable.assign(start - step)
            below = loss()
            variable.assign(start)
            assert gradient[index] == pytest.approx(float(above - below) / 2e-6, abs=1e-7)
