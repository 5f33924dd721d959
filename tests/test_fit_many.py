"""`fit_many`: each model ends as its own fit would have left it, to rounding."""

import keras
import numpy as np
import pytest

import kerasnn
from kerasnn.errors import InputError

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


def assert_close(model, history, other, other_history):
    assert history.history.keys() == other_history.history.keys()
    for name, values in history.history.items():
        np.testing.assert_allclose(values, other_history.history[name], atol=2e-5)
    state = [*model.variables, *model.optimizer.variables]
    others = [*other.variables, *other.optimizer.variables]
    for a, b in zip(state, others, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=2e-5, err_msg=a.path)


@pytest.fixture(scope="module")
def fits():
    return many(seeds=[0, 1], settings=[{"learning_rate": r} for r in (0.02, 0.1)])


def test_seeds_and_learning_rates_run_side_by_side(fits):
    assert len(fits) == 4
    assert fits.alone == {}
    assert fits.seeds == [0, 1, 0, 1]
    for i, setting in enumerate(fits.settings):
        single = alone(fits.seeds[i], **setting)
        assert_close(fits.models[i], fits.histories[i], *single)


@pytest.mark.parametrize(
    "setting", [{"rate": 0.3}, {"optimizer": "AdamW"}, {"optimizer": "RMSprop"}], ids=str
)
def test_dropout_and_other_optimizers(setting):
    fits = many(seeds=[3, 4], settings=[setting])
    assert fits.alone == {}
    assert_close(fits.models[1], fits.histories[1], *alone(4, **setting))


def test_models_can_be_trained_on(fits):
    models = [fits.models[0], fits.models[1]]
    assert many(models, epochs=1).alone == {}
    assert int(models[0].optimizer.iterations) == 2 * (EPOCHS + 1)


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


def test_what_cannot_run_side_by_side_is_trained_alone_and_said():
    models = [classifier(), classifier(), classifier(optimizer="Muon")]
    models.append(classifier(rate=0.5))
    fits = many(models, epochs=1)
    assert fits.alone == {2: "Muon is not elementwise", 3: "no other model is like it"}
    assert all(len(history.history["val_loss"]) == 1 for history in fits.histories)
    assert repr(fits) == "<4 fits, 2 side by side, 2 alone>"


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
    ],
)
def test_bad_input_is_named(models, arguments, words):
    with pytest.raises(InputError, match=words):
        many(models, **arguments)


def test_a_model_given_twice_is_an_error():
    model = classifier()
    with pytest.raises(InputError, match="given twice"):
        many([model, model])


def test_labels_outside_the_classes_are_named():
    with pytest.raises(InputError, match=r"labels must be in 0..2"):
        kerasnn.fit_many(classifier, X, Y + 1, seeds=[0, 1], driver="graph")


def test_scores_name_the_metrics(fits):
    with pytest.raises(InputError, match="metric must be one of"):
        fits.scores("auc")
