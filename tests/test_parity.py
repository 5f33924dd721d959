"""kerasnn.fit beside Keras's own fit: equal History, equal weights, equal events.

Row order is kept (`shuffle=False`) and both begin with equal weights, so that the numbers
must agree and not only their distribution. Where a row's number differs by rounding the
bound is 1e-5 of it, or 1e-6 near zero.
"""

import contextlib
import re
from typing import NamedTuple

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, optimizers
from parity_cases import (
    CALLBACKS,
    CASES,
    LABELS,
    WEIGHTS,
    Case,
    OwnSteps,
    X,
    Y,
    dataset,
    functional,
    generator,
    regressor,
    rows,
    sequential,
    two_outputs,
    validated,
)

import kerasnn

ATOL = 1e-6


def keras_fit(model, **arguments):
    return model.fit(**arguments)


def fit_with(driver):
    def fit(model, **arguments):
        return kerasnn.fit(model, **arguments, driver=driver)

    return fit


# --- results of a run -------------------------------------------------------------


class Result(NamedTuple):
    histories: list  # (epoch, params, {key: values}) of every fit
    variables: list  # of the model, the optimizer and the metrics
    iterations: int | None  # of the optimizer; None where Keras miscounts
    files: dict  # name -> the arrays in it


def numbers_in(path):
    """The files of a callback as arrays: HDF5 weights and CSV lines."""
    if path.suffix == ".h5":
        arrays = {}
        with h5py.File(path) as file:
            file.visititems(
                lambda name, item: (
                    arrays.update({name: item[()]})
                    if isinstance(item, h5py.Dataset)
                    else None
                )
            )
        return arrays
    if path.suffix == ".csv":
        numbers = re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", path.read_text())
        return {"numbers": np.array(numbers, float)}
    return {}


def run(case: Case, fit, folder) -> Result:
    keras.utils.clear_session(free_memory=False)  # equal names: auc, not auc_1
    keras.utils.set_random_seed(0)
    model = case.model()
    arguments = {"epochs": 2, "shuffle": False, "verbose": 0, **case.data()}
    arguments["callbacks"] = case.callbacks(folder)
    expected = (
        pytest.warns(UserWarning, match=case.warns)
        if case.warns
        else contextlib.nullcontext()
    )
    with expected:
        histories = case.script(fit, model, arguments)
    assert model.history is histories[-1]
    counter = model.optimizer.iterations
    variables = [
        v
        for v in (*model.variables, *model.optimizer.variables, *model.metrics_variables)
        if v is not counter
    ]
    return Result(
        [(h.epoch, h.params, dict(h.history)) for h in histories],
        [tf.convert_to_tensor(v).numpy() for v in variables],
        int(counter) if case.iterations else None,
        {p.name: numbers_in(p) for p in sorted(folder.rglob("*")) if p.is_file()},
    )


@pytest.fixture(scope="module")
def by_keras(tmp_path_factory):
    """Results of Keras; each case runs once for all drivers."""
    known = {}

    def result(name):
        if name not in known:
            known[name] = run(CASES[name], keras_fit, tmp_path_factory.mktemp("keras"))
        return known[name]

    return result


# --- the law ----------------------------------------------------------------------


def assert_close(ours, theirs, rtol):
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=ATOL)


@pytest.mark.slow_cases(every=12)
@pytest.mark.parametrize(
    ("name", "driver"),
    [(name, driver) for name, case in CASES.items() for driver in case.drivers],
)
def test_fit_leaves_the_state_and_files_of_keras(name, driver, by_keras, tmp_path):
    theirs, rtol = by_keras(name), CASES[name].rtol
    ours = run(CASES[name], fit_with(driver), tmp_path)
    assert len(ours.histories) == len(theirs.histories)
    for (epoch, params, history), (epoch_k, params_k, history_k) in zip(
        ours.histories, theirs.histories, strict=True
    ):
        assert (epoch, params) == (epoch_k, params_k)
        assert list(history) == list(history_k)
        for key, values in history_k.items():
            assert [type(v) for v in history[key]] == [type(v) for v in values], key
            assert_close(history[key], values, rtol)
    assert ours.iterations == theirs.iterations
    assert len(ours.variables) == len(theirs.variables)
    for a, b in zip(ours.variables, theirs.variables, strict=True):
        assert_close(a, b, rtol)
    assert list(ours.files) == list(theirs.files)
    for file, arrays in theirs.files.items():
        assert list(ours.files[file]) == list(arrays)
        for key, values in arrays.items():
            assert_close(ours.files[file][key], values, rtol)


def test_the_catalogue_has_every_callback_that_works_here():
    elsewhere = {
        "Callback",  # a base
        "CallbackList",
        "History",  # compared in every case
        "ProgbarLogger",  # test_the_lines_of_verbose_2_equal_keras
        "OrbaxCheckpoint",  # needs packages that the tests do not
        "RemoteMonitor",
        "TensorBoard",
    }
    known = {name for name in dir(keras.callbacks) if name[0].isupper()}
    covered = {name for name in known if any(name in case.split() for case in CALLBACKS)}
    assert known - covered == elsewhere


@pytest.mark.slow
def test_fits_by_keras_and_kerasnn_continue_each_other():
    def after(fits):
        keras.utils.set_random_seed(0)
        model = regressor(optimizers.SGD(0.1, momentum=0.9))
        arguments = rows(epochs=2, shuffle=False, verbose=0)
        losses = [fit(model, **arguments).history["loss"] for fit in fits]
        return np.concatenate(losses), model.get_weights()

    ours = fit_with("graph")
    mixed_losses, mixed = after([ours, keras_fit, ours])
    losses, weights = after([keras_fit] * 3)
    assert_close(mixed_losses, losses, 1e-5)
    for a, b in zip(mixed, weights, strict=True):
        assert_close(a, b, 1e-5)


# --- evaluate and predict ---------------------------------------------------------


EVALUATIONS = {
    "one number": (regressor, {"x": X, "y": Y, "batch_size": 16}),
    "a list": (lambda: regressor(metrics=["mae"]), {"x": X, "y": Y}),
    "a dict": (functional, {"x": X, "y": Y, "return_dict": True}),
    "two outputs": (
        lambda: two_outputs(
            True, loss={"value": "mse", "label": "sparse_categorical_crossentropy"}
        ),
        {"x": X, "y": {"value": Y, "label": LABELS}, "batch_size": 16, "return_dict": True},
    ),
    "row weights and steps": (
        regressor,
        {"x": X, "y": Y, "sample_weight": WEIGHTS, "batch_size": 16, "steps": 2},
    ),
    "a dataset": (regressor, {"x": dataset()}),
    "a generator": (regressor, {"x": None, "steps": 3}),
    "logs of its own": (OwnSteps, {"x": X, "y": Y, "return_dict": True}),
}
PREDICTIONS = {
    "an array, a short last batch": (regressor, {"x": X, "batch_size": 16}),
    "two outputs in a dict": (
        lambda: two_outputs(True, loss={"value": "mse", "label": None}),
        {"x": X, "batch_size": 16},
    ),
    "two outputs in a list": (lambda: two_outputs(False, loss="mse"), {"x": X}),
    "a dataset with targets": (regressor, {"x": dataset()}),
    "some steps": (regressor, {"x": X, "batch_size": 16, "steps": 2}),
    "a model never compiled": (lambda: keras.Sequential([layers.Dense(2)]), {"x": X}),
}


def fresh(arguments):
    """Return new data for each run: a generator can be read only once."""
    made = generator([16, 16, 8]) if arguments["x"] is None else arguments["x"]
    return {**arguments, "x": made, "verbose": 0}


@pytest.mark.slow_cases
@pytest.mark.parametrize("name", EVALUATIONS)
def test_evaluate_equals_keras(name):
    make, arguments = EVALUATIONS[name]
    model = make()
    theirs = model.evaluate(**fresh(arguments))
    ours = kerasnn.evaluate(model, **fresh(arguments), driver="graph")
    assert type(ours) is type(theirs)
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        ours, theirs = list(ours.values()), list(theirs.values())
    assert_close(ours, theirs, 1e-5)


@pytest.mark.slow_cases
@pytest.mark.parametrize("name", PREDICTIONS)
def test_predict_equals_keras(name):
    make, arguments = PREDICTIONS[name]
    model = make()
    theirs = model.predict(**fresh(arguments))
    ours = kerasnn.predict(model, **fresh(arguments), driver="graph")
    assert keras.tree.map_structure(lambda a: (a.shape, a.dtype), ours) == (
        keras.tree.map_structure(lambda a: (a.shape, a.dtype), theirs)
    )
    for a, b in zip(keras.tree.flatten(ours), keras.tree.flatten(theirs), strict=True):
        assert_close(a, b, 1e-5)


# --- events -----------------------------------------------------------------------


PLACES = [
    f"{kind}_{edge}" for kind in ("train", "test", "predict") for edge in ("begin", "end")
]
EPOCHS = ["epoch_begin", "epoch_end"]
BATCHES = [
    f"{kind}_batch_{edge}"
    for kind in ("train", "test", "predict")
    for edge in ("begin", "end")
]


def recorder(hooks):
    """A callback with these hooks, and the list of its calls."""
    events = []

    def hook(name):
        if name in PLACES:
            return lambda self, logs=None: events.append((name, None, keys(logs), logs))
        return lambda self, number, logs=None: events.append(
            (name, number, keys(logs), logs)
        )

    def keys(logs):
        return logs and list(logs)

    made = type(
        "Recorder", (keras.callbacks.Callback,), {f"on_{n}": hook(n) for n in hooks}
    )
    return made(), events


EVENTS = PLACES + EPOCHS + BATCHES


def in_memory():
    return {"x": X, "y": Y, "batch_size": 16}


def streamed():
    return {"x": dataset(16)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hooks", "data", "steps_per_execution"),
    [
        (EVENTS, in_memory, 1),
        (EVENTS, in_memory, 3),
        (EVENTS, streamed, 1),
        (EVENTS, streamed, 3),
        (PLACES + EPOCHS, in_memory, 1),
    ],
    ids=["array", "array-of-3", "stream", "stream-of-3", "array-epochs-only"],
)
def test_callbacks_get_the_same_calls_in_the_same_order(hooks, data, steps_per_execution):
    def events_of(fit, evaluate, predict):
        keras.utils.set_random_seed(0)
        model = regressor(steps_per_execution=steps_per_execution)
        callback, events = recorder(hooks)
        common = {"callbacks": [callback], "verbose": 0}
        held_out = data()["x"] if "y" not in data() else (X, Y)
        fit(model, **data(), epochs=2, shuffle=False, validation_data=held_out, **common)
        evaluate(model, **data(), **common)
        rows_alone = {name: value for name, value in data().items() if name != "y"}
        predict(model, **rows_alone, **common)
        return events

    theirs = events_of(keras.Model.fit, keras.Model.evaluate, keras.Model.predict)
    ours = events_of(
        fit_with("graph"),
        lambda *a, **k: kerasnn.evaluate(*a, **k, driver="graph"),
        lambda *a, **k: kerasnn.predict(*a, **k, driver="graph"),
    )
    assert [event[:3] for event in ours] == [event[:3] for event in theirs]
    for (*_, logs), (*_, logs_k) in zip(ours, theirs, strict=True):
        for a, b in zip(
            keras.tree.flatten(logs or {}), keras.tree.flatten(logs_k or {}), strict=True
        ):
            assert_close(a, b, 1e-5)


@pytest.mark.slow
def test_the_lines_of_verbose_2_equal_keras(capsys):
    def lines(fit):
        keras.utils.set_random_seed(0)
        fit(regressor(), **validated(epochs=2, shuffle=False, verbose=2))
        timeless = re.sub(r"\d+[mu]?s(/step|/epoch)?", "TIME", capsys.readouterr().out)
        return timeless.splitlines()

    assert lines(fit_with("graph")) == lines(keras_fit)


# --- errors -----------------------------------------------------------------------


def raises_in_loss(y_true, y_pred):
    raise KeyError("the user's own")


MISTAKES = {
    "x and y of other lengths": (regressor, {"x": X, "y": Y[:-1]}),
    "rows of another width": (regressor, {"x": X[:, :3], "y": Y}),
    "no loss": (lambda: sequential(layers.Dense(1), loss=None), {"x": X, "y": Y}),
    "never compiled": (lambda: keras.Sequential([layers.Dense(1)]), {"x": X, "y": Y}),
    "a dataset and y": (regressor, {"x": dataset(), "y": Y}),
    "targets of another shape": (
        lambda: sequential(layers.Dense(3)),
        {"x": X, "y": np.ones((40, 2))},
    ),
    "an error in the loss": (lambda: regressor(loss=raises_in_loss), {"x": X, "y": Y}),
    "both kinds of weights": (
        regressor,
        {"x": X, "y": Y, "sample_weight": WEIGHTS, "class_weight": {0: 1.0}},
    ),
    "validation_split of a dataset": (regressor, {"x": dataset(), "validation_split": 0.5}),
    "labels outside the classes": (
        lambda: sequential(layers.Dense(3), loss="sparse_categorical_crossentropy"),
        {"x": X, "y": LABELS + 5},
    ),
}


@pytest.mark.slow_cases
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_raises_the_error_of_keras(name):
    make, arguments = MISTAKES[name]
    with pytest.raises(Exception) as theirs:  # noqa: PT011  its type is the law
        make().fit(**arguments, verbose=0)
    # kerasnn checks labels before the graph, which would not name the row.
    ours = kerasnn.InputError if name == "labels outside the classes" else theirs.type
    with pytest.raises(ours):
        kerasnn.fit(make(), **arguments, verbose=0, driver="graph")


# --- randomness -------------------------------------------------------------------


def dropout_losses(fit, seeds):
    """The last loss of a fit under each seed, from the same weights."""
    keras.utils.set_random_seed(0)
    dropout = layers.Dropout(0.5)
    model = sequential(dropout, layers.Dense(1), optimizer=optimizers.SGD(0.02))
    start = model.get_weights()
    losses, weights = [], []
    for seed in seeds:
        model.set_weights(start)
        dropout.seed_generator.state.assign([seed, 0])
        many = {"x": np.tile(X, (10, 1)), "y": np.tile(Y, (10, 1)), "batch_size": 50}
        history = fit(model, seed, {**many, "epochs": 3, "verbose": 0})
        losses.append(history.history["loss"][-1])
        weights.append(model.get_weights())
    return np.array(losses), weights


def seeded_fit(model, seed, arguments):
    return kerasnn.fit(model, **arguments, seed=seed, driver="graph")


def test_the_same_seed_repeats_to_the_bit():
    (first, other, again), weights = dropout_losses(seeded_fit, [1, 2, 1])
    assert first == again
    assert first != other
    for a, b in zip(weights[0], weights[2], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_dropout_and_shuffling_give_the_mean_loss_of_keras():
    seeds = range(8)
    ours, _ = dropout_losses(seeded_fit, seeds)
    theirs, _ = dropout_losses(lambda model, seed, given: model.fit(**given), seeds)
    error = np.sqrt((ours.var(ddof=1) + theirs.var(ddof=1)) / len(seeds))
    assert abs(ours.mean() - theirs.mean()) < 4 * error
    assert error < 0.05 * theirs.mean()  # otherwise the test above has no power
