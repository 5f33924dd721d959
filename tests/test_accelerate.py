"""Under `accelerate` nothing that a program can see differs from Keras, but the time."""

import contextlib
import copy
import inspect
import logging
import os
import pickle
import re
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasnn
from kerasnn.acceleration import TALLY
from kerasnn.training.keras_names import keras_method

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4)).astype("float32")
Y = X[:, :1] * 2
LABELS = RNG.integers(3, size=50)


@pytest.fixture(autouse=True)
def clean_tally(monkeypatch):
    for name in ("calls", "fell_back"):
        getattr(TALLY, name).clear()
    yield
    assert keras.Model.fit is keras_method("fit")


def regressor(make=keras.Sequential, seed=0, **compiled):
    keras.utils.set_random_seed(seed)
    model = make(
        [layers.Input((4,)), layers.Dense(3, "tanh"), layers.Dropout(0.3), layers.Dense(1)]
    )
    model.compile(**{"optimizer": "adam", "loss": "mse", "metrics": ["mae"], **compiled})
    return model


def results(model, **arguments):
    history = model.fit(X, Y, **{"epochs": 3, "verbose": 0, **arguments})
    return {
        "type": type(history),
        "epoch": history.epoch,
        "params": history.params,
        "history": history.history,
        "weights": [weight.tolist() for weight in model.get_weights()],
        "evaluated": model.evaluate(X, Y, verbose=0),
        "predicted": model.predict(X, verbose=0).tolist(),
        "numpy": np.random.random(),  # noqa: NPY002 - nothing was drawn from it
    }


def print_nothing(batch, logs):
    """A hook of every batch."""


class ByMetric(keras.Sequential):
    """Its logs hold a dict: those of the metrics that are given to `compile`."""

    def train_step(self, data):
        super().train_step(data)
        return {metric.name: metric.result() for metric in self.metrics}

    def test_step(self, data):
        super().test_step(data)
        return {metric.name: metric.result() for metric in self.metrics}


@pytest.mark.slow
@pytest.mark.parametrize("by_batch", [False, True])
def test_logs_with_a_dict_in_them_have_keras_s_order(by_batch):
    def seen(on):
        model = regressor(ByMetric)
        seen_logs = []

        def record(batch, logs):
            seen_logs.append([*logs])

        hook = keras.callbacks.LambdaCallback(on_train_batch_end=record)
        callbacks = [hook] if by_batch else None
        options = {"validation_split": 0.2, "epochs": 3, "verbose": 0}
        with kerasnn.accelerate() if on else contextlib.nullcontext():
            history = model.fit(X, Y, callbacks=callbacks, **options)
            tested = model.evaluate(X, Y, verbose=0, return_dict=True)
        return seen_logs, [*history.history.items()], [*tested.items()]

    expected = seen(False)
    assert [name for name, _ in expected[2]] == ["mae", "loss"]
    assert seen(True) == expected
    assert not TALLY.fell_back


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"shuffle": "batch", "batch_size": 16, "validation_split": 0.2, "initial_epoch": 1},
        {
            "steps_per_epoch": 2,
            "callbacks": [keras.callbacks.LambdaCallback(on_train_batch_end=print_nothing)],
        },
    ],
    ids=["defaults", "batches shuffled", "steps and a hook"],
)
def test_history_weights_and_predictions_are_keras_s_to_the_bit(arguments):
    expected = results(regressor(), **copy.copy(arguments))
    with kerasnn.accelerate():
        assert results(regressor(), **copy.copy(arguments)) == expected
    assert TALLY.calls == {"fit": 1, "evaluate": 1, "predict": 1}
    assert not TALLY.fell_back


@pytest.mark.slow
def test_a_pipeline_that_shuffles_draws_the_orders_that_it_draws_under_keras():
    def seen():
        model = regressor()
        rows = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(50, seed=3).batch(8)
        options = {"epochs": 3, "shuffle": False, "verbose": 0, "validation_steps": 2}
        options["validation_data"] = rows
        return [
            model.fit(rows, **options).history,
            model.evaluate(rows, steps=2, verbose=0),
            model.predict(rows, verbose=0).tolist(),
            [batch.numpy().tolist() for _, batch in rows],
        ]

    expected = seen()
    with kerasnn.accelerate():
        assert seen() == expected
    assert not TALLY.fell_back


class Noisy(keras.Model):
    """A model whose noise is a `tf.random` operation, with a state in the graph."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner[-1]

    def call(self, x, training=False):
        return self.inner(x + tf.random.normal(tf.shape(x)) if training else x)


@pytest.mark.slow
def test_random_operations_go_on_in_a_smaller_last_batch_as_in_keras():
    expected = results(regressor(Noisy))
    assert len(X) % 32
    with kerasnn.accelerate():
        assert results(regressor(Noisy)) == expected
    assert not TALLY.fell_back


class Told(keras.utils.PyDataset):
    """Three batches of inputs; counts the epochs it is told of."""

    def __init__(self):
        super().__init__()
        self.events = []

    def __len__(self):
        return 3

    def __getitem__(self, number):
        return X[:8], Y[:8]

    def on_epoch_begin(self):
        self.events.append("begin")

    def on_epoch_end(self):
        self.events.append("end")


@pytest.mark.parametrize("name", ["fit", "evaluate", "predict"])
def test_a_py_dataset_is_told_of_its_epochs_as_by_keras(name):
    def events():
        rows = Told()
        getattr(regressor(), name)(rows, verbose=0)
        return rows.events

    expected = events()
    assert expected
    with kerasnn.accelerate():
        assert events() == expected
    assert not TALLY.fell_back


@pytest.mark.slow
@pytest.mark.parametrize("verbose", ["auto", 2])
def test_the_printed_lines_are_keras_s(capsys, verbose):
    def printed():
        model = regressor()
        model.fit(X, Y, epochs=2, verbose=verbose)
        model.evaluate(X, Y, verbose=verbose)
        model.predict(X, verbose=verbose)
        # The last state of each bar, without the times.
        lines = [line.rsplit("\b")[-1] for line in capsys.readouterr().out.splitlines()]
        shown = [re.sub(r"\d+(m|u)?s(/step)?", "time", line).strip() for line in lines]
        return [line for line in shown if line]

    expected = printed()
    with kerasnn.accelerate():
        assert printed() == expected
    assert any("2/2" in line and "loss: " in line for line in expected)


def test_blocks_nest_and_are_undone_after_an_error():
    model = regressor()

    def count():
        before = TALLY.calls["predict"]
        model.predict(X, verbose=0)
        return TALLY.calls["predict"] - before

    assert count() == 0
    with kerasnn.accelerate():
        assert count() == 1
        with kerasnn.accelerate(False):
            assert count() == 0
            with kerasnn.accelerate():
                assert count() == 1
        with pytest.raises(ZeroDivisionError), kerasnn.accelerate(False):
            raise ZeroDivisionError
        assert count() == 1
    assert count() == 0


def test_a_call_without_a_block_holds_until_it_is_undone():
    model = regressor()
    kerasnn.accelerate()
    kerasnn.accelerate()
    model.predict(X, verbose=0)
    kerasnn.accelerate(False)
    model.predict(X, verbose=0)
    assert TALLY.calls["predict"] == 1


def test_the_setting_of_one_model_has_precedence():
    one, other = regressor(), regressor()
    with kerasnn.accelerate(one):
        one.predict(X, verbose=0)
        other.predict(X, verbose=0)
        assert TALLY.calls["predict"] == 1
    with kerasnn.accelerate():
        kerasnn.accelerate(one, False)
        one.predict(X, verbose=0)
        assert TALLY.calls["predict"] == 1
        other.predict(X, verbose=0)
        assert TALLY.calls["predict"] == 2


def test_methods_keep_signature_and_docstring():
    signatures = [inspect.signature(getattr(keras.Model, n)) for n in ("fit", "predict")]
    with kerasnn.accelerate():
        for name, signature in zip(("fit", "predict"), signatures, strict=True):
            assert inspect.signature(getattr(keras.Model, name)) == signature
            assert getattr(keras.Model, name).__doc__ == keras_method(name).__doc__
        with pytest.raises(TypeError, match="unexpected keyword argument 'epoch'"):
            regressor().fit(X, Y, epoch=3)


def test_a_fallback_is_counted_and_named_and_computes_what_keras_does(caplog):
    expected = results(regressor(run_eagerly=True), epochs=1)
    sparse = tf.sparse.from_dense(X)
    with kerasnn.accelerate(), caplog.at_level(logging.INFO, logger="kerasnn"):
        assert results(regressor(run_eagerly=True), epochs=1) == expected
        regressor().predict(sparse, verbose=0)
    assert TALLY.calls == {"fit": 1, "evaluate": 1, "predict": 2}
    eager = "the model was compiled with run_eagerly=True"
    assert TALLY.fell_back["fit", eager] == 1
    assert (
        "; 4 in Keras's own loop: the model was compiled with run_eagerly=True (1 fit,"
        " 1 evaluation, 1 prediction); x is sparse, (50, 4)" in TALLY.line()
    )
    assert not caplog.records


@pytest.mark.slow
def test_a_generator_whose_batch_keras_cannot_do_without_loses_none():
    def batches():
        for i in range(0, 50, 10):
            yield tf.sparse.from_dense(X[i : i + 10]), Y[i : i + 10]

    once = {"verbose": 0, "shuffle": False, "steps_per_epoch": 5}
    expected = regressor().fit(batches(), **once).history
    with kerasnn.accelerate():
        assert regressor().fit(batches(), **once).history == expected
    assert sum(TALLY.fell_back.values()) == 1


class OwnFit(keras.Sequential):
    def fit(self, *args, **kwargs):
        self.fits = getattr(self, "fits", 0) + 1
        return super().fit(*args, **kwargs)

    def evaluate(self, *args, **kwargs):
        self.evaluations = getattr(self, "evaluations", 0) + 1
        return super().evaluate(*args, **kwargs)


class OwnStep(keras.Sequential):
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self(x, training=True) - y))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_variables, strict=True)
        )
        return {"mine": loss}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "options"), [(OwnFit, {}), (OwnFit, {"run_eagerly": True}), (OwnStep, {})]
)
def test_subclasses_that_override_methods_are_not_edited(make, options):
    data = {"validation_data": (X, Y)} if make is OwnFit else {}
    expected_model = regressor(make, metrics=None, **options)
    expected = results(expected_model, **data)
    model = regressor(make, metrics=None, **options)
    with kerasnn.accelerate():
        assert results(model, **data) == expected
    if make is OwnFit:
        assert (model.fits, model.evaluations) == (1, 4)
        assert (expected_model.fits, expected_model.evaluations) == (1, 4)
    assert bool(TALLY.fell_back) == bool(options)


def test_a_kerasnn_model_keeps_its_own_methods():
    with kerasnn.accelerate():
        history = regressor(kerasnn.Sequential).fit(X, Y, verbose=0, seed=1)
    assert history.seconds  # as kerasnn.fit returns it
    assert not TALLY.calls


# --- errors of the user -----------------------------------------------------------


def classifier():
    model = keras.Sequential([layers.Input((4,)), layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    return model


class Boom(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise ZeroDivisionError("mine")


class WrongLayer(layers.Layer):
    def call(self, x):
        raise KeyError("in my layer")


def wrong_layer():
    model = keras.Sequential([WrongLayer(name="wrong")])
    model.compile("sgd", "mse")
    return model


@pytest.mark.slow_cases
@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (regressor, {"x": X, "y": Y[:10]}),
        (regressor, {"x": X[:, :2], "y": Y}),
        (regressor, {"x": "rows.csv"}),
        (regressor, {"x": X, "y": Y, "callbacks": [Boom()]}),
        (classifier, {"x": X, "y": LABELS + 1}),
        (wrong_layer, {"x": X, "y": Y}),
        (keras.Sequential, {"x": X, "y": Y}),
    ],
)
def test_an_error_of_the_user_is_keras_s(make, arguments):
    arguments = {"verbose": 0, **arguments}
    with pytest.raises(Exception) as expected:  # noqa: PT011 - whatever Keras raises
        make().fit(**arguments)
    with kerasnn.accelerate(), pytest.raises(Exception) as found:  # noqa: PT011
        make().fit(**arguments)
    assert type(found.value) is type(expected.value)
    assert str(found.value)[:60] == str(expected.value)[:60]
    assert not TALLY.fell_back
    assert not TALLY.calls


def test_a_wrong_label_in_a_stream_is_tensorflow_s_error():
    rows = tf.data.Dataset.from_tensor_slices((X, LABELS + 1)).batch(10)
    with (
        kerasnn.accelerate(),
        pytest.raises(tf.errors.InvalidArgumentError, match="labels"),
    ):
        classifier().fit(rows, verbose=0, shuffle=False)


@pytest.mark.filterwarnings("error")
def test_missing_values_are_no_warning_as_in_keras():
    with kerasnn.accelerate():
        history = regressor().fit(X * np.nan, Y, verbose=0)
    assert np.isnan(history.history["loss"][0])
    assert not TALLY.fell_back


@pytest.mark.parametrize("arguments", [("fit",), (True, True, "x"), (None,)])
def test_other_arguments_are_refused(arguments):
    with pytest.raises((kerasnn.InputError, TypeError)):
        kerasnn.accelerate(*arguments)


def test_an_unknown_driver_is_refused():
    with pytest.raises(kerasnn.InputError, match="driver must be one of"):
        kerasnn.accelerate(driver="keras")


# --- threads, copies, strategies --------------------------------------------------


def test_a_second_thread_uses_keras_s_loop_and_is_no_error():
    model = regressor()
    seen = []

    class EvaluatesElsewhere(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            other = threading.Thread(
                target=lambda: seen.append(model.evaluate(X, Y, verbose=0))
            )
            other.start()
            other.join()

    with kerasnn.accelerate():
        model.fit(X, Y, verbose=0, callbacks=[EvaluatesElsewhere()])
    assert len(seen) == 1
    ((_, reason),) = TALLY.fell_back
    assert "in another thread" in reason


def test_copies_carry_no_trace():
    with kerasnn.accelerate():
        model = regressor()
        history = model.fit(X, Y, verbose=0)
        kerasnn.accelerate(model)
        for copied in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
            assert "kerasnn" not in str(vars(copied))
            np.testing.assert_array_equal(
                copied.predict(X, verbose=0), model.predict(X, verbose=0)
            )
        assert b"kerasnn" not in pickle.dumps(history.history)
        kerasnn.accelerate(model, False)


def test_a_strategy_of_keras_s_own_falls_back():
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = regressor()
    with kerasnn.accelerate():
        model.fit(X, Y, verbose=0)
    assert TALLY.fell_back == {("fit", "MirroredStrategy distributes the model"): 1}


def test_keras_s_scikit_learn_wrapper_is_not_edited():
    def probabilities():
        keras.utils.set_random_seed(0)
        wrapped = keras.wrappers.SKLearnClassifier(build, fit_kwargs={"verbose": 0})
        return wrapped.fit(X, np.array(["a", "b", "c"])[LABELS]).predict(X).tolist()

    def build(X, y):  # noqa: N803
        model = keras.Sequential([layers.Input((4,)), layers.Dense(3, "softmax")])
        model.compile("sgd", "categorical_crossentropy")
        return model

    expected = probabilities()
    with kerasnn.accelerate():
        assert probabilities() == expected
    assert TALLY.calls == {"fit": 1, "predict": 1}


# --- whole programs ---------------------------------------------------------------

PROGRAM = """
import sys
import keras, numpy as np
x = np.ones((8, 2), "float32")
model = keras.Sequential([keras.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(x, x[:, :1], epochs=2, verbose=0)
print(__name__, sys.argv[1:])
if "fail" in sys.argv:
    raise OSError("mine")
"""


def ran(*command, **environment):
    done = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_kerasnn_run_runs_a_program_with_its_arguments(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    code, out, err = ran(
        *("-m", "kerasnn", "run", str(tmp_path / "program.py"), "--epochs", "fail")
    )
    assert (code, out) == (1, "__main__ ['--epochs', 'fail']\n")
    lines = err[err.index("Traceback") :].splitlines()
    assert [lines[1].split(",")[0], lines[-2]] == [
        f'  File "{tmp_path / "program.py"}"',
        "OSError: mine",
    ]
    assert lines[-1].startswith("kerasnn.accelerate: 1 fit in ")


@pytest.mark.slow
def test_the_environment_accelerates_keras_when_it_is_imported():
    program = "import kerasnn, sys; assert 'keras' not in sys.modules\n" + PROGRAM
    code, _, err = ran("-c", program, KERASNN_ACCELERATE="1")
    assert code == 0, err
    assert err.splitlines()[-1].startswith("kerasnn.accelerate: 1 fit in ")
    assert "kerasnn.accelerate" not in ran("-c", program, KERASNN_ACCELERATE="quiet")[2]


def test_run_names_a_missing_program(run):
    code, _, err = run("run", "missing.py")
    assert code == 2
    assert "missing.py: no such file" in err
