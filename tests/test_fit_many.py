"""`fit_many`: each model ends as its own fit would have left it, to the bit."""

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold

import kerasnn
from kerasnn.errors import InputError
from kerasnn.training.compiled import programs
from kerasnn.training.compiled.programs import Programs

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4)).astype("float32")
Y = RNG.integers(0, 3, 50)
TEST = (X[:20], Y[:20])
EPOCHS = 3


def classifier(learning_rate=0.02, rate=0.0, optimizer="Adam", name=None):
    layers = [keras.Input((4,)), keras.layers.Dense(5, "relu", kernel_regularizer="l2")]
    layers += [keras.layers.BatchNormalization()]
    layers += [keras.layers.Dropout(rate)] if rate else []
    model = keras.Sequential([*layers, keras.layers.Dense(3, "softmax")], name=name)
    optimizer = getattr(keras.optimizers, optimizer)(learning_rate)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def many(models=classifier, **arguments):
    arguments = {"epochs": EPOCHS, "validation_data": TEST, "driver": "graph"} | arguments
    return kerasnn.fit_many(models, X, Y, **arguments)


def alone(seed, **setting):
    keras.utils.set_random_seed(seed)
    model = classifier(**setting)
    history = kerasnn.fit(
        model,
        X,
        Y,
        epochs=EPOCHS,
        validation_data=TEST,
        verbose=0,
        seed=seed,
        driver="graph",
    )
    return model, history


def assert_equal(model, history, other, other_history):
    """The same bits: one thread or several, a trace of its own or that of another."""
    assert history.history == other_history.history
    state = [*model.variables, *model.optimizer.variables]
    others = [*other.variables, *other.optimizer.variables]
    for a, b in zip(state, others, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)


@pytest.fixture(scope="module")
def fits():
    return many(seeds=[0, 1], settings=[{"learning_rate": r} for r in (0.02, 0.1)])


def test_each_model_ends_as_its_own_fit(fits):
    assert len(fits) == 4
    assert fits.seeds == [0, 1, 0, 1]
    for i, setting in enumerate(fits.settings):
        single = alone(fits.seeds[i], **setting)
        assert_equal(fits.models[i], fits.histories[i], *single)


@pytest.mark.slow
@pytest.mark.parametrize("setting", [{"rate": 0.3}, {"optimizer": "Muon"}], ids=str)
def test_dropout_and_other_optimizers(setting):
    fits = many(seeds=[3, 4], settings=[setting, {}], threads=3)
    assert_equal(fits.models[1], fits.histories[1], *alone(4, **setting))


@pytest.mark.slow
def test_models_can_be_trained_on(fits):
    models = [fits.models[0], fits.models[1]]
    many(models, epochs=1)
    assert int(models[0].optimizer.iterations) == 2 * (EPOCHS + 1)


@pytest.mark.slow
def test_the_steps_of_all_models_choose_the_driver(monkeypatch):
    drivers = []
    choose = Programs.choose

    def recorded(programs, *args):
        drivers.append(choose(programs, *args))
        return drivers[-1]

    monkeypatch.setattr(Programs, "choose", recorded)
    monkeypatch.setattr(programs, "MIN_XLA_STEPS", 20)
    monkeypatch.setattr(programs, "XLA_PAYS_FROM_UPDATES", 1)
    many(seeds=[0], driver="auto", epochs=9)
    many(seeds=[0, 1], driver="auto", epochs=9)  # 18 steps each
    assert drivers == ["graph", "xla", "xla"]


@pytest.mark.slow
def test_each_split_is_tested_on_the_rows_that_it_leaves_out():
    fits = many(seeds=[0, 1], cv=3, validation_data=None, epochs=2)
    assert len(fits) == 6
    assert sorted(np.concatenate([left for _, left in fits.splits])) == list(range(50))
    for i in (0, 4):
        learned, left_out = fits.splits[i % 3]
        keras.utils.set_random_seed(fits.seeds[i])
        model, test = classifier(), (X[left_out], Y[left_out])
        history = kerasnn.fit(
            *(model, X[learned], Y[learned]),
            validation_data=test,
            epochs=2,
            verbose=0,
            seed=fits.seeds[i],
            driver="graph",
        )
        assert_equal(fits.models[i], fits.histories[i], model, history)
    table = fits.table()
    assert list(table.columns)[:2] == ["seed", "split"]
    assert list(table["split"]) == [0, 1, 2, 0, 1, 2]
    assert list(table["val_loss"]) == fits.scores()


def test_rows_of_splits_may_be_frames_and_dicts():
    inputs = {"a": keras.Input((1,), name="a"), "b": keras.Input((1,), name="b")}
    joined = keras.layers.Concatenate()(list(inputs.values()))

    def regressor():
        model = keras.Model(inputs, keras.layers.Dense(1)(joined))
        model.compile("sgd", "mse")
        return model

    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1]})
    columns = {name: frame[name].to_numpy() for name in frame}
    fits = kerasnn.fit_many(regressor, columns, frame["a"], cv=KFold(2), driver="graph")
    assert fits.table().shape == (2, 4)


@pytest.mark.slow
def test_a_fault_ends_all_fits():
    with pytest.raises(InputError, match=r"labels must be in 0..2"):
        kerasnn.fit_many(classifier, X, Y + 1, seeds=[0, 1], driver="graph")
    models = [classifier() for _ in range(3)]
    odd = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    odd.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="expected axis -1 of input"):
        many([models[0], odd, *models[1:]])


def test_the_best_and_the_mean(fits, tmp_path):
    scores = fits.scores()
    assert scores == [history.history["val_loss"][-1] for history in fits.histories]
    assert scores[fits.best()] == min(scores)
    assert fits.scores("accuracy")[fits.best("accuracy", largest=True)] == max(
        fits.scores("accuracy")
    )
    mean = np.mean([model.predict(X, verbose=0) for model in fits.models], axis=0)
    ensemble = fits.ensemble()
    ensemble.save(tmp_path / "ensemble.keras")
    loaded = keras.models.load_model(tmp_path / "ensemble.keras")
    np.testing.assert_allclose(loaded.predict(X, verbose=0), mean, atol=1e-6)


@pytest.mark.parametrize(
    ("models", "arguments", "words"),
    [
        ([], {}, "0 models"),
        (classifier(), {}, "a list of compiled models"),
        ([classifier(), keras.Sequential()], {}, "model 1 must be a compiled"),
        ([classifier()] * 2, {"seeds": [1]}, "2 models and 1 seeds"),
        ([classifier()], {"settings": [{"rate": 1}]}, "settings= is for a function"),
        (classifier, {"seeds": [-1]}, "seeds"),
        (lambda: "model", {}, "must be a compiled keras.Model; got 'model'"),
        ([classifier()], {"epochs": 0}, "epochs"),
        ([classifier()], {"driver": "fast"}, "driver must be one of"),
        ([classifier()], {"threads": 0}, "threads"),
        ([classifier()], {"cv": 2}, "cv= is for a function"),
        (classifier, {"cv": 2}, "omit validation_data"),
        (classifier, {"cv": 1, "validation_data": None}, "cv must be"),
        (classifier, {"cv": 99, "validation_data": None}, "cv=99 cannot split"),
    ],
)
def test_bad_input_is_named(models, arguments, words):
    with pytest.raises(InputError, match=words):
        many(models, **arguments)


def test_a_model_given_twice_is_an_error():
    model = classifier()
    with pytest.raises(InputError, match="given twice"):
        many([model, model])


def test_scores_name_the_metrics(fits):
    with pytest.raises(InputError, match="metric must be one of"):
        fits.scores("auc")
