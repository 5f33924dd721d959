"""Estimators, SavedModels and commands give the same intervals and sets."""

import copy

import numpy as np
import pandas as pd
import pytest
from fake_model_server import FakeModel, FakeServer

from kerasnn import NetworkClassifier, NetworkRegressor, load
from kerasnn.cli.predict.output import prediction_table
from kerasnn.errors import InputError
from kerasnn.reports.coverage import Covered, coverage_scores, coverage_section
from kerasnn.serving.client import RemoteModel, RestClient
from kerasnn.tables.measurement import _low_coverage

N, TRAINED = 400, 250
SETTINGS = {
    **{"epochs": 2, "members": 4, "folds": 2, "hidden_units": (8,)},
    **{"trees": False, "random_state": 0},
}


def table():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"a": rng.normal(size=N), "b": rng.choice(["x", "y"], N)})
    rows["value"] = 2 * rows.a + (rows.b == "x") + 0.3 * rng.normal(size=N)
    rows["class"] = np.where(rows.value > 1, "high", np.where(rows.value < 0, "low", "mid"))
    return rows


@pytest.fixture(scope="module")
def rows():
    return table()


@pytest.fixture(scope="module")
def regressor(rows):
    learned = rows[:TRAINED]
    return NetworkRegressor(**SETTINGS).fit(learned[["a", "b"]], learned["value"])


@pytest.fixture(scope="module")
def classifier(rows):
    learned = rows[:TRAINED]
    return NetworkClassifier(**SETTINGS).fit(learned[["a", "b"]], learned["class"])


@pytest.fixture(scope="module")
def saved_regressor(regressor, tmp_path_factory):
    return load(regressor.export(tmp_path_factory.mktemp("models") / "values"))


@pytest.fixture(scope="module")
def saved_classifier(classifier, tmp_path_factory):
    return load(classifier.export(tmp_path_factory.mktemp("models") / "classes"))


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_a_saved_network_gives_the_intervals_of_the_estimator(
    rows, regressor, saved_regressor, coverage
):
    ends = regressor.predict_interval(rows, coverage)
    assert ends.shape == (N, 2)
    values = regressor.predict(rows)
    assert (ends[:, 0] <= values).all()
    assert (values <= ends[:, 1]).all()
    saved = saved_regressor.predict_interval(rows, coverage)
    np.testing.assert_allclose(saved, ends, atol=1e-6 * np.abs(ends).max())


def test_an_export_of_an_earlier_version_keeps_its_intervals(rows, saved_regressor):
    saved = copy.copy(saved_regressor)
    n_rows = saved.manifest["validation_rows"]
    saved.manifest = {**saved.manifest, "judged_rows": n_rows}
    del saved.manifest["validation_rows"]
    assert np.isfinite(saved.predict_interval(rows, 0.5)).all()


@pytest.mark.slow
def test_a_saved_network_gives_the_sets_of_the_estimator(
    rows, classifier, saved_classifier
):
    sets = classifier.predict_set(rows, 0.8)
    np.testing.assert_array_equal(saved_classifier.predict_set(rows, 0.8), sets)
    places = np.searchsorted(classifier.classes_, rows["class"])
    covered = sets[np.arange(N), places][TRAINED:]
    assert covered.mean() == pytest.approx(0.8, abs=0.1)
    narrow = classifier.predict_set(rows, 0.2)
    assert (~narrow.any(axis=1)).any()
    filled = classifier.predict_set(rows, 0.2, allow_empty=False)
    assert (filled.sum(axis=1) == 1).all()
    again = saved_classifier.predict_set(rows, 0.2, allow_empty=False)
    np.testing.assert_array_equal(again, filled)


def test_no_probability_is_surer_than_validation_rows(rows, classifier, saved_classifier):
    far = pd.DataFrame({"a": [1e6, -1e6], "b": ["x", "y"]})
    given = classifier.predict_proba(far)
    assert given.max() <= (TRAINED + 1) / (TRAINED + 2) + 1e-6
    assert classifier.oof_predictions_.max() <= (TRAINED + 1) / (TRAINED + 2) + 1e-9
    np.testing.assert_allclose(
        saved_classifier.predict(far)["probabilities"], given, atol=1e-6
    )


@pytest.mark.parametrize("coverage", [0, 1, 1.5, -0.1, "0.9", True, np.nan])
def test_other_coverages_are_refused(
    rows, regressor, classifier, saved_regressor, coverage
):
    for predict in (
        regressor.predict_interval,
        classifier.predict_set,
        saved_regressor.predict_interval,
    ):
        with pytest.raises(InputError, match="between 0 and 1"):
            predict(rows, coverage)


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_a_coverage_far_below_the_promised_one_is_a_warning(task) -> None:
    def covered(n_inside):
        return Covered(np.arange(100) < n_inside, np.ones(100))

    assert _low_coverage(task, None) == ()
    assert _low_coverage(task, covered(82)) == ()  # chance
    (notice,) = _low_coverage(task, covered(66))
    assert (notice.code, notice.is_warning) == ("low-coverage", True)
    assert "hold that of 66% of the test rows" in notice.message


def test_a_coverage_that_needs_more_rows_names_their_number(
    rows, regressor, saved_regressor
):
    for predict in (regressor.predict_interval, saved_regressor.predict_interval):
        with pytest.raises(InputError, match=r"9,999 validation rows.* there are 250"):
            predict(rows, 0.9999)
    ends = saved_regressor.signature_outputs(
        "interval", rows[:3], options={"coverage": 0.9999}
    )
    assert np.isinf(ends["lower"]).all()
    assert np.isinf(ends["upper"]).all()


def test_the_other_kind_of_network_says_what_to_use(
    rows, regressor, classifier, saved_regressor, saved_classifier
):
    assert not hasattr(regressor, "predict_set")
    assert not hasattr(classifier, "predict_interval")
    with pytest.raises(InputError, match="use predict_interval"):
        saved_regressor.predict_set(rows)
    with pytest.raises(InputError, match="use predict_set"):
        saved_classifier.predict_interval(rows)


def test_without_folds_there_are_no_validation_rows(rows):
    settings = {**SETTINGS, "folds": 0, "epochs": 1}
    one = NetworkRegressor(**settings).fit(rows[["a", "b"]], rows["value"])
    with pytest.raises(InputError, match=r"folds=0 leaves none.*folds='auto'"):
        one.predict_interval(rows)


def test_a_set_is_a_text_of_its_classes():
    outputs = {
        "class": np.array(["a", "b", None], object),
        "probabilities": np.array([[0.6, 0.4], [0.1, 0.9], [np.nan, np.nan]]),
        "in_set": np.array([[True, True], [False, False], [None, None]], object),
    }
    shown = prediction_table(outputs, ("a", "b"))
    assert list(shown) == ["class", "set", "probability_a", "probability_b"]
    assert shown["set"].tolist()[:2] == ["a|b", ""]
    assert pd.isna(shown["set"][2])
    values = {name: np.zeros(1) for name in ("upper", "value", "lower")}
    assert list(prediction_table(values, None)) == ["value", "lower", "upper"]


def test_coverage_is_scored_with_wilsons_interval():
    truth = np.arange(10.0)
    covered = Covered.of_values(truth, [truth - 1, np.where(truth < 8, truth, truth - 0.5)])
    scores = coverage_scores("regression", covered)
    assert scores["coverage_90"] == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-3)
    assert scores["mean_width_90"].value == pytest.approx(0.9)
    labels = np.array([0, 1, 1, 0])
    sets = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], bool)
    scores = coverage_scores("classification", Covered.of_classes(labels, sets))
    assert scores["coverage_90"].value == 0.5
    assert scores["mean_set_size_90"].value == 1.0


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_the_report_draws_the_coverage(task, rng):
    covered = Covered(rng.random(200) < 0.9, rng.integers(0, 4, 200).astype(float))
    section = coverage_section(task, covered)
    assert f"{covered.inside.mean():.1%}" in section.text
    assert section.figures["coverage"].axes


def test_a_server_without_intervals_is_named():
    inputs, outputs = {"a": ("DT_DOUBLE", [-1])}, {"value": ("DT_FLOAT", [-1])}
    model = FakeModel(inputs, outputs, lambda a: {"value": a})
    with FakeServer({"old": model}) as fake, RestClient(fake.url) as server:
        old = RemoteModel(server, "old")
        with pytest.raises(InputError, match="'old' has no signature 'interval'"):
            old.predict_interval({"a": [1.0]}, 0.9)
