"""A training of an ensemble resumes from any of its checkpoints, to the same bits."""

import ast
import itertools

import numpy as np
import pandas as pd
import pytest

from kerasnn import NetworkClassifier, NetworkRegressor
from kerasnn.checkpoints import CheckpointFolder
from kerasnn.errors import InputError
from tests.deaths import Killed
from tests.test_saver import same

RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "a": RNG.normal(size=120),
        "b": RNG.choice(["x", "y", "z"], 120),
        "c": np.where(RNG.random(120) < 0.2, np.nan, RNG.normal(size=120)),
    }
)
LABELS = np.where(TABLE["a"] + (TABLE["b"] == "x") > 0.3, "yes", "no")
SETTINGS = {"epochs": 8, "members": 4, "hidden_units": (16,), "random_state": 3}


def fit(kind, y, **saving):
    return kind(**SETTINGS, **saving).fit(TABLE, y)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "y", "folds"),
    [
        (NetworkClassifier, LABELS, 2),
        (NetworkRegressor, (2 * TABLE["a"] + (TABLE["b"] == "x")).to_numpy(), 2),
        (NetworkClassifier, LABELS, 0),
    ],
)
def test_from_every_checkpoint_it_ends_at_the_same_bits(
    kind,
    y,
    folds,
    die_after,
    tmp_path,
):
    whole = fit(kind, y, folds=folds)
    for deaths in itertools.accumulate(itertools.count(1)):  # after 1, 3, 6, ...
        folder = tmp_path / str(deaths)
        die_after(deaths)
        try:
            fit(kind, y, folds=folds, checkpoint=folder, checkpoint_every=0)
        except Killed:
            die_after(-1)
        else:
            break
        again = fit(kind, y, folds=folds, checkpoint=folder, resume=True)
        assert same(again._kept_weights, whole._kept_weights)
        assert again.history_ == whole.history_
        assert again.best_epoch_ == whole.best_epoch_
        assert again.n_epochs_ == whole.n_epochs_
        if folds:
            np.testing.assert_array_equal(again.oof_predictions_, whole.oof_predictions_)
    assert deaths > 1


@pytest.mark.slow
def test_a_finished_training_is_restored(tmp_path):
    whole = fit(NetworkClassifier, LABELS, folds=2, checkpoint=tmp_path)
    again = fit(NetworkClassifier, LABELS, folds=2, checkpoint=tmp_path, resume=True)
    assert same(again._kept_weights, whole._kept_weights)
    assert len(CheckpointFolder(tmp_path).numbers()) == 1


def test_other_rows_or_another_recipe_are_refused(tmp_path):
    fit(NetworkClassifier, LABELS, folds=2, checkpoint=tmp_path)
    (path,) = tmp_path.iterdir()
    other = LABELS.copy()
    other[0] = "no" if other[0] == "yes" else "yes"
    saving = {"folds": 2, "checkpoint": tmp_path, "resume": True}
    with pytest.raises(InputError) as raised:
        fit(NetworkClassifier, other, **saving)
    assert str(raised.value).startswith(f"{path}: was made with data=['sha256:")
    with pytest.raises(InputError) as raised:
        NetworkClassifier(**(SETTINGS | {"epochs": 9}), **saving).fit(TABLE, LABELS)
    assert str(raised.value).startswith(f"{path}: was made with recipe=")


def test_checkpoints_keep_the_names_of_version_0_1(tmp_path):
    fit(NetworkClassifier, LABELS, folds=2, checkpoint=tmp_path)
    found = CheckpointFolder(tmp_path).newest()
    recipe = ast.literal_eval(found.description["settings"]["recipe"])
    assert {"curved", "sharing", "smoothing", "checks", "calibrated"} <= set(recipe)
    assert "repeated_values" in recipe
    (result,) = found.description["results"]
    assert set(result["sharpness"]) == {"score", "best"}
    assert "sharpness" in result["history"]
    assert found.arrays["result/0/validation_outputs"].shape == (2, 120, 1)
    assert len(found.description["position"]) == 3  # epochs done, of all, finished
