"""Promises of `kerasnn.fit` beyond the equality with Keras, which `test_parity` checks."""

import logging
import math
import pickle
import subprocess
import sys
import threading
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasnn
from kerasnn import InputError, models
from kerasnn.progress import ProgressBar
from kerasnn.training.compiled import programs as programs_module
from kerasnn.training.compiled.chunks import Chunk
from kerasnn.training.compiled.errors import NeedsKerasError
from kerasnn.training.compiled.programs import programs_of
from kerasnn.training.compiled.specs import BatchSpec
from kerasnn.training.feeds.keras_iterator import dense, keras_iterator
from kerasnn.training.feeds.make_feed import make_feed

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4)).astype("float32")
Y = X[:, :1] * 2
LABELS = RNG.integers(3, size=50)


def regressor(make=keras.Sequential, **compiled):
    keras.utils.set_random_seed(0)
    model = make([layers.Input((4,)), layers.Dense(3, "tanh"), layers.Dense(1)])
    model.compile(**{"optimizer": "adam", "loss": "mse", **compiled})
    return model


def classifier(loss):
    model = keras.Sequential([layers.Input((4,)), layers.Dense(3)])
    model.compile("adam", loss)
    return model


def fit(model, x=X, y=Y, **arguments):
    return kerasnn.fit(model, x, y, verbose=0, **arguments)


def assert_same_bits(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def drivers_used(model):
    return {program.driver for program in programs_of(model).all()}


# --- one program ------------------------------------------------------------------


@pytest.mark.slow
def test_refits_of_any_length_and_rate_use_the_same_program():
    model = regressor()
    fit(model, epochs=2, driver="xla")
    programs = programs_of(model).all()
    for epochs, rate in ((1, 0.1), (5, 1e-3), (40, 1e-4)):
        model.optimizer.learning_rate = rate
        fit(model, epochs=epochs, driver="xla")
    assert programs_of(model).all() == programs


def test_xla_pays_sooner_for_steps_with_more_operations_but_not_for_large_networks():
    def steps(*dense):
        model = keras.Sequential([layers.Input((2,)), *dense])
        return programs_module.xla_pays_from(model)

    assert steps(layers.Dense(1)) == steps(*map(layers.Dense, (3, 1))) == 5000
    assert steps(*[layers.Dense(2) for _ in range(4)]) == 2500
    assert steps(*[layers.Dense(2) for _ in range(16)]) == 1250
    assert steps(*[layers.Dense(2) for _ in range(17)]) == 5000
    assert steps(layers.Reshape((2, 1)), layers.Conv1D(1, 1)) == math.inf


def test_one_graph_takes_any_number_of_rows():
    model = regressor()
    for rows in (50, 49, 30):  # all have a short last batch
        fit(model, X[:rows], Y[:rows], batch_size=8, driver="graph")
    assert len(programs_of(model).all()) == 1


@pytest.mark.slow
def test_the_graph_for_few_rows_knows_no_size_and_fits_as_keras():
    ours, keras_s = regressor(), regressor()
    for rows in (7, 3, 5):
        history = fit(ours, X[:rows], Y[:rows], epochs=3, shuffle=False).history
        expected = keras_s.fit(
            X[:rows], Y[:rows], epochs=3, shuffle=False, verbose=0
        ).history
        assert history == expected
    assert len(programs_of(ours).all()) == 1


def sequences():
    inputs = layers.Input((None, 4))
    model = keras.Model(inputs, layers.Dense(1)(layers.GRU(3)(inputs)))
    model.compile("sgd", "mse")
    return model


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fit", "evaluate", "predict"])
def test_sizes_that_change_are_relaxed_after_the_second(name):
    model = sequences()
    for length in (2, 3, 5, 4, 2):
        x = np.ones([8, length, 4], np.float32)
        if name == "predict":
            answers = kerasnn.predict(model, x)
            np.testing.assert_allclose(answers, model(x), rtol=1e-6)
        elif name == "evaluate":
            kerasnn.evaluate(model, x, Y[:8], verbose=0)
        else:
            fit(model, x, Y[:8])
    assert len(programs_of(model).all()) == 2


class Unrolled(keras.Model):
    """Its code must know the length."""

    def __init__(self):
        super().__init__()
        self.last = layers.Dense(1)

    def call(self, x):
        return self.last(sum(x[:, i] for i in range(x.shape[1])))


def test_a_step_that_must_know_a_size_is_traced_for_each(caplog):
    model = Unrolled()
    for length in (2, 3, 5):
        x = np.ones([8, length, 4], np.float32)
        np.testing.assert_allclose(kerasnn.predict(model, x), model(x), rtol=1e-6)
    assert len(programs_of(model).all()) == 3
    assert caplog.text == ""


def test_the_least_recently_used_program_is_dropped(monkeypatch):
    monkeypatch.setattr(programs_module, "MAX_PROGRAMS", 2)
    programs = programs_of(regressor())
    for key in ("a", "b", "a", "c"):
        programs.cached(key, object)
    kept = programs.all()
    assert programs.cached("a", object) is kept[0]
    assert programs.cached("c", object) is kept[1]
    assert programs.cached("b", object) not in kept


def test_xla_counts_the_steps_of_equal_shapes_only():
    programs = programs_of(regressor())
    assert programs.choose("auto", 4000, ("a",)) == "graph"
    assert programs.choose("auto", 4000, ("b",)) == "graph"
    assert programs.choose("auto", 1000, ("a",)) == "xla"


def test_a_stage_is_padded_for_xla_alone():
    rows, block = tf.ones([6, 4]), tf.reshape(tf.range(6), [1, 2, 3])
    batch_spec = BatchSpec.of((rows,), [3])
    chunk = Chunk(batch_spec, [rows], [block], 0, 2, first_step=0, room=4)
    padded = chunk.padded()
    assert padded.rows[0].shape == (12, 4)
    assert padded.blocks[0].shape == (1, 4, 3)
    np.testing.assert_array_equal(padded.rows[0][:6], rows)
    np.testing.assert_array_equal(padded.blocks[0][:, :2], block)
    assert (padded.first, padded.stop) == (0, 2)
    (stage,) = make_feed(
        keras_iterator(regressor(), (tf.data.Dataset.from_tensors((X, Y)), None, None))
    ).chunks(0, lambda: 99)
    assert (stage.rows[0].shape, stage.room) == ((50, 4), 32)


def test_compiling_again_drops_the_programs():
    model = regressor()
    fit(model)
    (before,) = programs_of(model).all()
    model.compile("sgd", "mse")
    fit(model)
    (after,) = programs_of(model).all()
    assert after is not before


def test_a_seed_repeats_the_row_orders_to_the_bit():
    ours = [regressor() for _ in range(3)]
    for model, seed in zip(ours, (5, 5, 6), strict=True):
        fit(model, epochs=3, seed=seed)
    assert_same_bits(ours[0], ours[1])
    assert not np.array_equal(ours[0].get_weights()[0], ours[2].get_weights()[0])


def test_without_a_seed_the_global_seed_of_keras_decides():
    ours = [regressor() for _ in range(2)]
    for model in ours:
        keras.utils.set_random_seed(3)
        fit(model, epochs=2)
    assert_same_bits(*ours)


@pytest.mark.slow
def test_the_number_of_steps_in_a_call_changes_no_bit(monkeypatch):
    results = []
    for seconds in (0.0, 1e9):  # a step a call; several epochs a call
        monkeypatch.setattr("kerasnn.training.runner.SECONDS_PER_CALL", seconds)
        model = regressor()
        history = fit(model, epochs=6, batch_size=8, seed=1, validation_data=(X, Y))
        results.append((model, history))
    (one, history), (other, same_history) = results
    assert history.steps_per_call == [1] * 7 * 6
    assert len(same_history.steps_per_call) < 6
    assert history.history == same_history.history
    assert_same_bits(one, other)


@pytest.mark.slow
def test_rows_too_large_to_copy_are_read_batch_by_batch(monkeypatch, tmp_path):
    copied = regressor()
    fit(copied, epochs=2, batch_size=8, seed=1)
    monkeypatch.setattr("kerasnn.training.feeds.make_feed.ROWS_BYTES", 0)
    X.tofile(tmp_path / "rows")
    mapped = np.memmap(tmp_path / "rows", dtype="float32", mode="r", shape=X.shape)
    read = regressor()
    fit(read, mapped, epochs=2, batch_size=8, seed=1)
    assert_same_bits(copied, read)


# --- drivers ----------------------------------------------------------------------


def with_text():
    """XLA has no strings."""

    class Spelled(keras.Model):
        def __init__(self):
            super().__init__(name="spelled")
            self.dense = layers.Dense(1)

        def call(self, x):
            length = tf.strings.length(tf.strings.as_string(x))
            return self.dense(x) + 0.0 * tf.cast(tf.reduce_sum(length), x.dtype)

    model = Spelled()
    model.compile("sgd", "mse")
    return model


@pytest.mark.slow_cases
@pytest.mark.parametrize(("epochs", "driver"), [(1, "graph"), (2500, "xla")])
def test_xla_compiles_runs_that_are_long_enough_to_repay_it(epochs, driver):
    model = regressor()
    fit(model, epochs=epochs, batch_size=25)
    assert drivers_used(model) == {driver}


@pytest.mark.slow
def test_many_short_runs_count_as_a_long_one():
    model = regressor()
    for _ in range(3):
        fit(model, epochs=1000, batch_size=25)
    assert drivers_used(model) == {"graph", "xla"}


@pytest.mark.slow
def test_a_model_that_xla_refuses_trains_as_a_graph_and_logs_it(caplog):
    model = with_text()
    with caplog.at_level(logging.WARNING, "kerasnn"):
        fit(model, epochs=5000, batch_size=50)
        fit(model, epochs=5000, batch_size=50)
    (record,) = caplog.records  # once
    assert record.getMessage().startswith("spelled: trains without XLA: ")
    assert "AsString" in record.getMessage()
    assert int(model.optimizer.iterations) == 10_000


@pytest.mark.slow
def test_driver_xla_raises_with_the_obstacle():
    model = with_text()
    with pytest.raises(InputError, match=r"^driver='xla' cannot compile this model: .*AsS"):
        fit(model, driver="xla")
    assert int(model.optimizer.iterations) == 0


def test_a_layer_that_keras_excludes_from_xla_is_named():
    model = keras.Sequential(
        [layers.IntegerLookup(vocabulary=[1, 2]), layers.Embedding(3, 1)]
    )
    model.compile("sgd", "mse")
    with pytest.raises(InputError) as caught:
        fit(model, np.ones((4, 1), int), np.ones((4, 1, 1)), driver="xla")
    assert str(caught.value) == (
        "driver='xla' cannot compile this model: Keras marks integer_lookup as not"
        " supported by XLA"
    )


def test_an_eager_model_falls_back_to_keras_and_logs_it(caplog):
    model = regressor(run_eagerly=True)
    model.name = "slow"
    fit(model)
    assert [record.getMessage() for record in caplog.records] == [
        "slow: Keras's own loop takes over: the model was compiled with run_eagerly=True"
    ]
    assert drivers_used(model) == set()


@pytest.mark.slow
def test_driver_keras_logs_nothing(caplog):
    model, same = regressor(), regressor()
    history = fit(model, driver="keras", shuffle=False)
    assert history.history == same.fit(X, Y, shuffle=False, verbose=0).history
    assert not caplog.records


@pytest.mark.slow
def test_validation_falls_back_to_the_graph_with_the_training(caplog):
    model = with_text()
    stop = keras.callbacks.EarlyStopping(patience=99)
    arguments = {"validation_data": (X, Y), "callbacks": [stop], "batch_size": 50}
    model.jit_compile = True
    history = fit(model, epochs=3, **arguments)
    assert len(history.history["val_loss"]) == 3
    assert len(caplog.records) == 1


def test_rows_of_many_lengths_are_compiled_for_one_only():
    model = keras.Sequential([layers.Embedding(9, 2), layers.GlobalAveragePooling1D()])
    model.compile("sgd", "mse", jit_compile=True)

    def batches():
        for length in (3, 5, 4, 6):
            yield np.ones((8, length), int), np.ones((8, 2), "float32")

    kerasnn.fit(model, batches(), shuffle=False, verbose=0, steps_per_epoch=4)
    compiled = [p for p in programs_of(model).all() if p.driver == "xla"]
    assert len(compiled) == 1  # for the first length
    assert int(model.optimizer.iterations) == 4


@pytest.mark.slow
def test_sparse_validation_rows_make_the_whole_fit_fall_back(caplog):
    model = regressor()
    sparse = tf.sparse.from_dense(X)
    history = fit(
        model,
        epochs=2,
        validation_data=(sparse, Y),
        callbacks=[keras.callbacks.EarlyStopping(patience=9)],
    )
    assert len(history.history["val_loss"]) == 2
    assert "x is sparse, (50, 4): make it dense" in caplog.text


def test_a_dataset_of_strings_falls_back_to_keras():
    lookup = layers.StringLookup(vocabulary=["a", "b"])
    model = keras.Sequential([lookup, layers.Embedding(3, 1), layers.Flatten()])
    model.compile("sgd", "mse")
    words = tf.data.Dataset.from_tensor_slices(([["a"], ["b"]], [[1.0], [2.0]])).batch(1)
    history = kerasnn.fit(model, words, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.slow
def test_fits_in_threads_do_not_affect_each_others_dropout():
    def dropping():
        keras.utils.set_random_seed(0)
        model = keras.Sequential([layers.Dropout(0.5), layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    expected, seen = dropping(), [dropping() for _ in range(4)]
    fit(expected, shuffle=False, driver="graph")
    threads = [
        threading.Thread(
            target=fit,
            args=(model,),
            kwargs={"shuffle": False, "driver": "graph" if i % 2 else "xla"},
        )
        for i, model in enumerate(seen)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = dropping()
    fit(after, shuffle=False, driver="graph")
    for model in (seen[1], seen[3], after):
        assert_same_bits(model, expected)


# --- callbacks --------------------------------------------------------------------


def test_a_custom_history_is_called_for_every_batch():
    class BatchSpec(keras.callbacks.History):
        seen = ()

        def on_train_batch_end(self, batch, logs=None):
            self.seen = (*self.seen, batch)

    heard = BatchSpec()
    fit(regressor(), epochs=2, batch_size=10, callbacks=[heard])
    assert heard.seen == (0, 1, 2, 3, 4) * 2


def test_a_callback_may_unfreeze_a_layer():
    class Freeze(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                self.model.layers[0].trainable = False
                self.model.make_train_function(force=True)
                self.kernel = self.model.get_weights()[0]

    freeze = Freeze()
    model = regressor()
    fit(model, epochs=3, callbacks=[freeze])
    np.testing.assert_array_equal(model.get_weights()[0], freeze.kernel)


def test_numpys_generator_is_used_only_to_shuffle():
    model = regressor()
    np.random.seed(3)  # noqa: NPY002
    fit(model, shuffle=False)
    after = np.random.rand()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    assert np.random.rand() == after  # noqa: NPY002


def test_batches_are_cast_to_the_type_of_the_first():
    def batches():
        for i in range(4):
            yield X[:8].astype("float64" if i % 2 else "float32"), Y[:8]

    model = regressor()
    kerasnn.fit(model, batches(), shuffle=False, verbose=0, steps_per_epoch=4)
    assert int(model.optimizer.iterations) == 4


def test_rows_too_large_to_copy_may_include_tensors(monkeypatch):
    copied, read = regressor(), regressor()
    fit(copied, epochs=3, initial_epoch=1, batch_size=8, seed=1)
    monkeypatch.setattr("kerasnn.training.feeds.make_feed.ROWS_BYTES", 0)
    fit(read, X, tf.constant(Y), epochs=3, initial_epoch=1, batch_size=8, seed=1)
    assert_same_bits(copied, read)


def test_predict_counts_executions_as_keras():
    model = regressor(steps_per_execution=4)
    for steps in (5, 20):
        with warnings.catch_warnings(record=True) as theirs:
            warnings.simplefilter("always")
            expected = model.predict(X, batch_size=4, steps=steps, verbose=0)
        with warnings.catch_warnings(record=True) as ours:
            warnings.simplefilter("always")
            answers = kerasnn.predict(model, X, batch_size=4, steps=steps, verbose=0)
        np.testing.assert_array_equal(answers, expected)
        assert len(ours) == len(theirs)


# --- invalid use ------------------------------------------------------------------


@pytest.mark.slow_cases
@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        keras.losses.sparse_categorical_crossentropy,
    ],
)
@pytest.mark.parametrize("shape", [(50,), (50, 1)])
def test_a_label_that_is_not_a_class_is_named_with_its_row(loss, shape):
    model = classifier(loss)
    before = model.get_weights()
    labels = LABELS.copy()
    labels[[7, 9]] = 3, -1
    with pytest.raises(InputError) as caught:
        fit(model, y=labels.reshape(shape))
    assert str(caught.value) == (
        "labels must be in 0..2, the classes of the model; got y[7]=3 and 1 more"
    )
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def two_heads():
    inputs = layers.Input((4,))
    outputs = [layers.Dense(4, name="zcls")(inputs), layers.Dense(1, name="areg")(inputs)]
    model = keras.Model(inputs, outputs)
    model.compile("sgd", {"zcls": "sparse_categorical_crossentropy", "areg": "mse"})
    return model


def test_labels_are_checked_by_the_name_of_their_output():
    fit(two_heads(), y={"zcls": LABELS, "areg": Y})
    with pytest.raises(InputError, match=r"must be in 0..3, .* got y\[0\]="):
        fit(two_heads(), y={"zcls": LABELS + 4, "areg": Y})


def test_a_custom_loss_may_take_any_labels():
    class Shifted(keras.losses.SparseCategoricalCrossentropy):
        def call(self, y_true, y_pred):
            return super().call(y_true - 10, y_pred)

    history = fit(classifier(Shifted(from_logits=True)), y=LABELS + 10)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize("where", ["stream", "validation"])
def test_labels_of_streams_and_validation_rows_are_checked(where):
    model = classifier("sparse_categorical_crossentropy")
    wrong = LABELS + 3
    if where == "stream":
        rows = tf.data.Dataset.from_tensor_slices((X, wrong)).batch(8)
        arguments = {"x": rows, "y": None, "shuffle": False}
    else:
        arguments = {"y": LABELS, "validation_data": (X, wrong)}
    with pytest.raises(InputError, match=r"labels must be in 0\.\.2"):
        fit(model, **arguments, driver="xla")


def test_a_label_that_the_loss_ignores_is_accepted():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    labels = LABELS.copy()
    labels[7] = -1
    assert np.isfinite(fit(classifier(loss), y=labels).history["loss"]).all()


def test_missing_values_are_counted_and_a_nan_loss_warns():
    x = X.copy()
    x[[3, 3, 8], [0, 1, 2]] = np.nan
    with pytest.warns(UserWarning) as warned:  # noqa: PT030 - compared whole
        history = fit(regressor(), x, epochs=2)
    assert [str(warning.message) for warning in warned] == [
        "x has NaN in 2 of 50 rows; the loss may be NaN. Fill the missing values, or leave"
        " these rows out",
        "loss is nan in epoch 1, and training goes on; keras.callbacks.TerminateOnNaN()"
        " would stop it. A smaller learning rate or scaled inputs may help",
    ]
    assert {warning.filename for warning in warned} == {__file__}
    assert np.isnan(history.history["loss"]).all()


def test_the_warning_of_keras_s_largest_number_of_epochs_names_the_caller(monkeypatch):
    monkeypatch.setattr(keras.config, "max_epochs", lambda: 1)
    with pytest.warns(UserWarning, match="Limiting epochs to 1") as warned:
        history = fit(regressor(), epochs=2)
    assert [warning.filename for warning in warned] == [__file__]
    assert len(history.history["loss"]) == 1


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (
            lambda: fit(regressor(), y=Y[:-1]),
            "Make sure all arrays contain the same number",
        ),
        (lambda: fit(keras.Sequential([layers.Dense(1)])), r"You must call `compile\(\)`"),
        (lambda: fit(regressor(), driver="fast"), "driver must be one of"),
        (lambda: fit(regressor(), optimizer="adam"), "the optimizer it was compiled with"),
        (
            lambda: kerasnn.fit(models.SigmoidNetwork(), X, Y, class_weight={0: 1.0}),
            "a tf.Module network does not take class_weight; its Keras twin",
        ),
    ],
)
def test_wrong_use_raises_with_the_reason(use, message):
    with pytest.raises(ValueError, match=message):
        use()


def test_an_error_in_a_callback_leaves_the_weights_of_the_last_call():
    class Fails(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise OSError("the disk is full")

    model, same = regressor(), regressor()
    with pytest.raises(OSError, match="the disk is full"):
        fit(model, epochs=5, seed=1, callbacks=[Fails()])
    fit(same, epochs=2, seed=1)
    assert_same_bits(model, same)
    fit(model, epochs=1)  # training can continue


CTRL_C = """
import os, signal, threading, time
import keras, numpy as np
import kerasnn
from kerasnn.training.compiled.programs import programs_of

rng = np.random.default_rng(0)
x, y = rng.normal(size=(64, 4)).astype("float32"), rng.normal(size=(64, 1))
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
model.compile("adam", "mse")
programs = programs_of(model)


def stop_when_under_way():
    # Not earlier: an exception may be lost while TensorFlow traces.
    while not any(program.largest > 100 for program in programs.all()):
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)


threading.Thread(target=stop_when_under_way, daemon=True).start()
try:
    kerasnn.fit(model, x, y, epochs=10_000_000, verbose=0)
except KeyboardInterrupt:
    print("stopped")
assert all(np.isfinite(weight).all() for weight in model.get_weights())
history = kerasnn.fit(model, x, y, epochs=1, verbose=0)
print(np.isfinite(history.history["loss"][0]))
"""


@pytest.mark.slow
def test_ctrl_c_stops_between_two_calls_with_consistent_weights():
    # In a new process: earlier tests may have changed the signal handlers of this one.
    done = subprocess.run(
        [sys.executable, "-c", CTRL_C], capture_output=True, text=True, timeout=300
    )
    assert done.stdout == "stopped\nTrue\n", done.stderr


# --- kerasnn.Model ----------------------------------------------------------------


class Own(kerasnn.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)

    def call(self, x):
        return self.dense(x)


def functional():
    inputs = keras.Input((4,))
    return kerasnn.Model(inputs, layers.Dense(1)(inputs))


def sequential():
    return kerasnn.Sequential([layers.Input((4,)), layers.Dense(1)])


@pytest.mark.slow
@pytest.mark.parametrize("make", [Own, functional, sequential])
def test_the_methods_of_our_models_use_the_compiled_loop(make):
    model = make()
    model.compile("adam", "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    assert [program.driver for program in programs_of(model).all()] == ["graph"]
    loss = model.evaluate(X, Y, verbose=0)
    assert loss == pytest.approx(float(np.mean((model.predict(X) - Y) ** 2)))
    assert keras.Model.evaluate(model, X, Y, verbose=0) == pytest.approx(loss)


@pytest.mark.parametrize("make", [functional, sequential])
def test_our_models_keep_their_class_when_saved_and_loaded(make, tmp_path):
    model = make()
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


@pytest.mark.slow
def test_a_model_can_be_pickled_copied_and_retrained_after_a_compiled_fit():
    model = regressor()
    fit(model, seed=1)
    copy = pickle.loads(pickle.dumps(model))
    assert_same_bits(model, copy)
    for one in (model, copy):
        fit(one, seed=2)
    assert_same_bits(model, copy)


@pytest.mark.slow
def test_an_overridden_evaluate_is_used_for_validation():
    class Measured(kerasnn.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x):
            return self.dense(x)

        def evaluate(self, *args, **kwargs):
            return super().evaluate(*args, **kwargs) | {"seen": 1.0}

    model = Measured()
    model.compile("adam", "mse")
    history = model.fit(X, Y, validation_data=(X, Y), epochs=2, verbose=0)
    assert history.history["val_seen"] == [1.0, 1.0]


def test_a_model_without_compile_predicts():
    model = keras.Sequential([layers.Input((4,)), layers.Dense(1)])
    answers = kerasnn.predict(model, X)
    np.testing.assert_array_equal(answers, model.predict(X, verbose=0))
    assert len(programs_of(model).all()) == 1


# --- output -----------------------------------------------------------------------


def test_the_bar_advances_within_a_long_epoch(monkeypatch, capsys):
    monkeypatch.setattr("kerasnn.training.runner.SECONDS_PER_CALL", 0.0)
    seen = []
    monkeypatch.setattr(
        ProgressBar, "update", lambda bar, done, *rest: seen.append(round(done, 6))
    )
    kerasnn.fit(regressor(), X, Y, batch_size=10, verbose=1)
    assert seen == [0.2, 0.4, 0.6, 0.8, 1, 1]


def test_one_batch_is_predicted_without_a_bar(capsys):
    model = regressor()
    kerasnn.predict(model, X[:1])
    assert capsys.readouterr().out == ""
    kerasnn.predict(model, X)
    assert "2/2" in capsys.readouterr().out


def test_a_network_stops_early_with_its_best_weights():
    network = models.SigmoidNetwork(4, (3,), 1, initializer="glorot")
    stop = keras.callbacks.EarlyStopping(
        "loss", min_delta=1e9, patience=2, restore_best_weights=True
    )
    y = np.clip(Y, 0, 1)
    history = fit(network, y=y, epochs=50, callbacks=[stop], seed=1)
    assert history.epoch == [0, 1, 2]
    same = models.SigmoidNetwork(4, (3,), 1, initializer="glorot")
    fit(same, y=y, epochs=1, seed=1)
    np.testing.assert_array_equal(
        kerasnn.predict(network, X)["value"], kerasnn.predict(same, X)["value"]
    )


def test_a_predict_that_xla_cannot_compile_is_logged():
    with pytest.raises(InputError, match="driver='xla' cannot compile this model: "):
        kerasnn.predict(with_text(), X, driver="xla")


# --- other threads, eager functions, summaries, text ------------------------------


def test_a_second_thread_that_fits_a_model_is_refused_and_may_predict():
    model, alone = regressor(), regressor()
    began, answered = threading.Event(), threading.Event()

    class Waits(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            began.set()
            assert answered.wait(60)
            kerasnn.evaluate(model, X, Y, verbose=0)  # this thread may

    thread = threading.Thread(
        name="first", target=fit, args=(model,), kwargs={"callbacks": [Waits()], "seed": 1}
    )
    thread.start()
    try:
        assert began.wait(60)
        for call in (kerasnn.fit, kerasnn.evaluate):
            with pytest.raises(InputError, match=r"is being trained .* first, .* its own"):
                call(model, X, Y, verbose=0)
        assert np.isfinite(kerasnn.predict(model, X)).all()
    finally:
        answered.set()
        thread.join()
    fit(alone, seed=1)
    assert_same_bits(model, alone)
    fit(model)


@pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run")
def test_functions_that_run_eagerly_run_in_keras_s_loop(caplog):
    eager = []

    class Asked(keras.Model):
        def __init__(self):
            super().__init__()
            self.last = layers.Dense(1)

        def call(self, x):
            eager.append(hasattr(x, "numpy"))
            return self.last(x)

    model = Asked()
    model.compile("sgd", "mse")
    tf.config.run_functions_eagerly(True)
    try:
        fit(model)
    finally:
        tf.config.run_functions_eagerly(False)
    assert any(eager)
    assert "tf.config.run_functions_eagerly(True)" in caplog.text


class WritesSummaries(keras.Model):
    """Writes a summary in each call."""

    def __init__(self):
        super().__init__()
        self.last = layers.Dense(1)

    def call(self, x):
        tf.summary.write("called", tf.reduce_sum(x), step=1)
        return self.last(x)


class SetsWriter(keras.callbacks.Callback):
    """Has a default writer in training, as TensorBoard(update_freq=1) has."""

    def __init__(self, folder):
        super().__init__()
        self.writer = tf.summary.create_file_writer(str(folder))

    def on_train_begin(self, logs=None):
        self.context = self.writer.as_default()
        self.context.__enter__()

    def on_train_end(self, logs=None):
        self.context.__exit__(None, None, None)
        self.writer.close()


def summaries(folder):
    """Return the number of summaries in a folder."""
    (file,) = map(str, folder.glob("events*"))
    events = tf.compat.v1.train.summary_iterator(file)
    return sum(len(event.summary.value) for event in events)


@pytest.mark.slow
def test_summaries_of_a_model_reach_the_writer_of_each_fit(tmp_path):
    model = WritesSummaries()
    model.compile("sgd", "mse")
    for name in ("one", "two"):
        fit(model, batch_size=10, callbacks=[SetsWriter(tmp_path / name)])
        assert summaries(tmp_path / name) == 5
    fit(model)  # to no writer


def test_a_stream_of_texts_is_trained_in_the_graph(caplog):
    words = tf.constant([["a"], ["b"], ["c"], ["b"]] * 5)
    rows = tf.data.Dataset.from_tensor_slices((words, Y[:20])).batch(6)
    losses, models_ = [], []
    for train in (kerasnn.fit, keras.Model.fit):
        keras.utils.set_random_seed(0)
        inputs = layers.Input((1,), dtype="string")
        codes = layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")(inputs)
        model = keras.Model(inputs, layers.Dense(1)(codes))
        model.compile("sgd", "mse")
        losses.append(train(model, rows, epochs=2, verbose=0, shuffle=False).history)
        models_.append(model)
    assert losses[0] == losses[1]
    assert drivers_used(models_[0]) == {"graph"}
    assert "takes over" not in caplog.text


def test_a_mistake_in_a_step_is_raised_without_a_line_of_ours(caplog):
    class Mistaken(keras.Model):
        def train_step(self, data):
            raise ValueError("my mistake")

    model = Mistaken()
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="my mistake"):
        fit(model)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (({"a": tf.ragged.constant([[1], [2, 3]])}, Y[:2]), "x['a'] is ragged, (2, None)"),
        ((X, tf.sparse.from_dense(Y)), "y is sparse, (50, 1): make it dense"),
        (([X, np.array([{}, 1])],), "x[1] holds objects (dict, int) in 2 rows: give one"),
    ],
)
def test_what_the_loop_cannot_take_is_named_with_the_way_out(data, message):
    with pytest.raises(NeedsKerasError) as raised:
        dense(data)
    assert message in str(raised.value)


@pytest.mark.slow
def test_history_has_keras_s_order_of_what_a_step_returns():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.last = layers.Dense(1)

        def call(self, x):
            return self.last(x)

        def train_step(self, data):
            loss = super().train_step(data)["loss"]
            return {"z": loss, "loss": loss, "a": loss}

    for arguments in ({}, {"validation_data": (X, Y)}):
        names = []
        for train in (kerasnn.fit, keras.Model.fit):
            model = Own()
            model.compile("sgd", "mse")
            names.append(list(train(model, X, Y, verbose=0, **arguments).history))
        assert names[0] == names[1]
