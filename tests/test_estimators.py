"""`NetworkClassifier` and `NetworkRegressor`: results, tables, parameters and errors."""

import copy
import pickle
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from sklearn.base import clone
from sklearn.metrics import log_loss, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import kerasnn
from kerasnn import (
    InputError,
    NetworkClassifier,
    NetworkRegressor,
    NonFiniteLossError,
    deadline,
)
from kerasnn.datasets import ColumnHints, infer_schema
from kerasnn.ensembles import train
from kerasnn.errors import DataWarning

SMALL = {
    "members": 2,
    "folds": 2,
    "epochs": 12,
    "hidden_units": (8,),
    "batch_size": 16,
    "learning_rate": 0.1,
    "driver": "graph",
    "random_state": 0,
}
N_ROWS = 90


def classifier(**options):
    return NetworkClassifier(**SMALL | options)


def regressor(**options):
    return NetworkRegressor(**SMALL | options)


def people():
    """A table of several kinds, with missing values, and whether each person pays."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "age": rng.integers(18, 90, N_ROWS).astype(float),
            "income": rng.lognormal(10, 1, N_ROWS),
            "town": pd.Categorical(rng.choice(list("abcdefghijkl"), N_ROWS)),
            "member": rng.random(N_ROWS) < 0.5,
        }
    )
    pays = np.where(table["age"] + 20 * table["member"] > 60, "yes", "no")
    table.loc[::9, "age"] = np.nan
    table.loc[::11, "town"] = np.nan
    return table, pays


@pytest.fixture(scope="module")
def table():
    return people()[0]


@pytest.fixture(scope="module")
def pays():
    return people()[1]


@pytest.fixture(scope="module")
def x(table):
    return np.random.default_rng(1).normal(size=(N_ROWS, 3))


@pytest.fixture(scope="module")
def y(x):
    return (x[:, 0] + x[:, 1] > 0).astype(int)


@pytest.fixture(scope="module")
def fitted(table, pays):
    return classifier().fit(table, pays)


@pytest.fixture(scope="module")
def fitted_regressor(x):
    return regressor().fit(x, 3 * x[:, 0] + 10)


def message(call, *arguments, error=InputError, **options):
    with pytest.raises(error) as caught:
        call(*arguments, **options)
    return str(caught.value)


# --- what comes out ---------------------------------------------------------------


def test_it_learns_what_the_columns_tell(table, pays, fitted):
    assert fitted.score(table, pays) > 0.8
    probabilities = fitted.predict_proba(table)
    assert probabilities.shape == (N_ROWS, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    assert fitted.classes_.tolist() == ["no", "yes"]
    np.testing.assert_array_equal(
        fitted.predict(table), fitted.classes_[probabilities.argmax(axis=1)]
    )


def test_it_regresses_within_what_it_has_seen(x, fitted_regressor):
    y = 3 * x[:, 0] + 10
    assert fitted_regressor.score(x, y) > 0.8
    far = fitted_regressor.predict(1000 * x)
    assert far.min() >= np.float32(y.min())
    assert far.max() <= np.float32(y.max())
    assert r2_score(y, fitted_regressor.oof_predictions_) > 0.3


def test_what_it_found_and_did_stands_in_its_attributes(table, fitted):
    kinds = {column.name: column.kind for column in fitted.schema_.columns}
    assert kinds == {
        "age": "numeric",
        "income": "numeric",
        "town": "categorical",
        "member": "boolean",
    }
    assert fitted.schema_.target.classes == ("no", "yes")
    assert fitted.feature_names_in_.tolist() == list(table.columns)
    assert fitted.n_features_in_ == 4
    assert fitted.recipe_.members == fitted.network_.config.members == 2
    history = fitted.history_
    assert set(history) == {
        "epoch",
        "loss",
        "val_loss",
        "inverse_temperature",
        "member_loss",
    }
    assert history["epoch"][-1] == fitted.n_epochs_ <= 12
    assert fitted.best_epoch_ in history["epoch"]
    best = history["val_loss"][history["epoch"].index(fitted.best_epoch_)]
    assert best <= min(history["val_loss"]) * 1.01
    assert np.shape(history["member_loss"]) == (len(history["epoch"]), 2)


def test_oof_predictions_are_of_the_kept_epoch(pays, fitted):
    place = fitted.history_["epoch"].index(fitted.best_epoch_)
    networks, both = (fitted.trees_.losses[name] for name in ("networks", "both"))
    assert networks == pytest.approx(fitted.history_["val_loss"][place], rel=0.02)
    assert log_loss(pays, fitted.oof_predictions_) == pytest.approx(both, rel=0.02)


def test_without_folds_every_member_learns_from_all_rows_to_the_end(x, y):
    one = classifier(folds=0).fit(x, y)
    assert (one.best_epoch_, one.n_epochs_, one.oof_predictions_) == (12, 12, None)
    assert set(one.history_) == {"epoch", "loss", "member_loss"}
    assert one.score(x, y) > 0.8


@pytest.mark.slow
def test_several_targets_are_learned_together(x):
    y = np.stack([3 * x[:, 0] + 10, -100 * x[:, 1]], axis=1)
    one = regressor().fit(x, y)
    assert one.predict(x).shape == one.oof_predictions_.shape == (N_ROWS, 2)
    assert r2_score(y, one.predict(x), multioutput="raw_values").min() > 0.7


def test_a_target_in_another_unit_is_learned_alike(x, fitted_regressor):
    other = regressor().fit(x, (3 * x[:, 0] + 10) * 1e6)
    np.testing.assert_allclose(
        other.predict(x), 1e6 * fitted_regressor.predict(x), rtol=1e-3, atol=1e5
    )


@pytest.mark.slow_cases
@pytest.mark.parametrize(
    "labels",
    [
        pd.Series(["b", "a", "c"] * 30, dtype="category"),
        pd.Series(["b", "a", "c"] * 30),
        pd.Series([1, 0, 2] * 30, dtype="Int64"),
        pd.Series([True, False, True] * 30, dtype="boolean"),
        pl.Series([1, 0, 2] * 30),
        [1.0, 0.0, 2.0] * 30,
    ],
    ids=["category", "text", "Int64", "boolean", "polars", "floats"],
)
def test_labels_may_be_of_any_kind(x, labels):
    one = classifier(epochs=2).fit(x, labels)
    assert set(one.predict(x)) <= set(labels)
    assert list(one.classes_) == sorted(set(labels))


def test_a_missing_label_among_indexed_classes_is_an_error(x):
    labels = pd.Series(["b", "a"] * 45)
    schema = infer_schema(pd.DataFrame(x).assign(y=labels), target="y")
    given = pd.Categorical(labels.where(labels.index != 3), categories=["a", "b"])
    assert message(classifier(schema=schema).fit, x, given) == (
        "y is missing or infinite in 1 of 90 rows, first nan in row 3. Fill it in, or leave"
        " these rows out"
    )


# --- randomness -------------------------------------------------------------------


@pytest.mark.slow
def test_the_same_random_state_gives_the_same_bits(table, pays, fitted):
    again = classifier().fit(table, pays)
    np.testing.assert_array_equal(again.predict_proba(table), fitted.predict_proba(table))
    assert again.history_ == fitted.history_
    other = classifier(random_state=1).fit(table, pays)
    assert not np.allclose(other.predict_proba(table), fitted.predict_proba(table))


def test_rows_may_be_predicted_in_any_order_and_number(monkeypatch, table, fitted):
    all_at_once = fitted.predict_proba(table)
    back = fitted.predict_proba(table[::-1])[::-1]
    np.testing.assert_allclose(back, all_at_once, atol=1e-6)
    monkeypatch.setattr("kerasnn.estimators.fitted.MAX_PREDICTED_ROWS", 40)
    np.testing.assert_allclose(fitted.predict_proba(table), all_at_once, atol=1e-6)
    assert fitted.predict_proba(table[:0]).shape == (0, 2)
    assert fitted.predict(table[:0]).shape == (0,)


# --- tables -----------------------------------------------------------------------


def test_any_table_gives_the_same_answers(table, pays, fitted):
    expected = fitted.predict_proba(table)
    plain = table.astype({"town": object})
    others = {
        "polars": pl.from_pandas(plain),
        "Arrow": pa.Table.from_pandas(plain),
        "dict": {name: plain[name].to_numpy() for name in plain},
        "reordered": table[["member", "town", "income", "age"]],
        "extra": table.assign(other="something"),
    }
    for kind, other in others.items():
        np.testing.assert_array_equal(fitted.predict_proba(other), expected, err_msg=kind)


@pytest.mark.slow_cases
@pytest.mark.parametrize("kind", [pl.from_pandas, pa.Table.from_pandas, dict])
def test_any_table_can_be_learned_from(table, pays, fitted, kind):
    given = kind(table.astype({"town": object}))
    one = classifier().fit(given, pays)
    np.testing.assert_array_equal(one.predict_proba(table), fitted.predict_proba(table))


def test_unknown_categories_and_missing_values_are_answered(table, fitted):
    strange = table.astype({"town": object})
    strange["town"] = "never seen"
    strange[["age", "income"]] = np.nan
    with pytest.warns(DataWarning) as found:
        answers = fitted.predict_proba(strange)
    assert [str(one.message).split("'")[1] for one in found] == ["age", "income", "town"]
    assert np.isfinite(answers).all()
    np.testing.assert_allclose(answers.sum(axis=1), 1)


@pytest.mark.slow
def test_a_schema_says_what_the_columns_are(table, pays):
    schema = infer_schema(table, hints=ColumnHints(ignore=["income"], categorical=["age"]))
    one = classifier(epochs=2, schema=schema).fit(table, pays)
    assert list(one.schema_.names) == ["age", "town", "member"]
    assert {c.name: c.kind for c in one.schema_.columns}["age"] == "categorical"


def test_an_export_answers_as_the_estimator_on_raw_rows(table, fitted, tmp_path):
    folder = fitted.export(tmp_path / "people", metadata={"by": "me"})
    loaded = kerasnn.load(folder)
    rows = table.astype({"town": object})
    rows.loc[:20, "town"] = "never seen"
    rows.loc[10:40, ["age", "income"]] = np.nan
    answers = loaded.predict(rows)
    np.testing.assert_allclose(
        answers["probabilities"], fitted.predict_proba(rows), rtol=0, atol=1e-6
    )
    assert answers["class"].tolist() == fitted.predict(rows).tolist()
    assert loaded.manifest["by"] == "me"
    assert loaded.manifest["settings"]["epochs"] == 12


@pytest.mark.slow
@pytest.mark.parametrize("outputs", [1, 2])
def test_an_export_of_values(x, fitted_regressor, tmp_path, outputs):
    one = fitted_regressor
    if outputs == 2:
        one = regressor(epochs=2).fit(x, x[:, :2])
    loaded = kerasnn.load(one.export(tmp_path / "values"))
    values = loaded.predict(x)["value"]
    assert values.shape == one.predict(x).shape
    np.testing.assert_allclose(values, one.predict(x), rtol=1e-6, atol=1e-6)


# --- weights ----------------------------------------------------------------------


@pytest.mark.slow
def test_a_class_of_tiny_weights_is_rarely_predicted(x):
    y = np.arange(N_ROWS) % 2  # nothing tells them apart
    one = classifier().fit(x, y, sample_weight=np.where(y == 1, 0.01, 1.0))
    assert np.mean(one.predict(x) == 1) < 0.1
    assert one.predict_proba(x)[:, 1].mean() < 0.15


def test_balanced_weights_raise_a_rare_class(x):
    y = (np.arange(N_ROWS) % 9 == 0).astype(int)
    plain = classifier().fit(x, y).predict_proba(x)[:, 1]
    balanced = classifier(class_weight="balanced").fit(x, y).predict_proba(x)[:, 1]
    assert plain.mean() < 0.25
    assert balanced.mean() > 0.35


def test_class_weights_are_sample_weights(x, y):
    by_class = classifier(class_weight={0: 1, 1: 3}).fit(x, y)
    by_row = classifier().fit(x, y, sample_weight=np.where(y == 1, 3.0, 1.0))
    np.testing.assert_array_equal(by_class.predict_proba(x), by_row.predict_proba(x))


@pytest.mark.slow
def test_weights_count_by_their_ratios(x, y):
    once = classifier().fit(x, y, sample_weight=np.full(N_ROWS, 1.0))
    many = classifier().fit(x, y, sample_weight=np.full(N_ROWS, 64.0))
    np.testing.assert_array_equal(once.predict_proba(x), many.predict_proba(x))


def test_metadata_routing_brings_the_weights(x):
    y = np.arange(N_ROWS) % 2
    weights = np.where(y == 1, 0.01, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        network = classifier().set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, network)
        pipeline.fit(x, y, sample_weight=weights)
    assert np.mean(pipeline.predict(x) == 1) < 0.1


# --- scikit-learn's tools ---------------------------------------------------------


def test_a_clone_keeps_every_parameter():
    one = classifier(class_weight={0: 1, 1: 2}, time_limit=9, dropout=0.5)
    assert clone(one).get_params() == one.get_params()
    other = clone(one).set_params(members=4)
    assert (other.members, one.members) == (4, 2)


@pytest.mark.slow_cases
@pytest.mark.parametrize("copied", ["pickle", "joblib", "deepcopy"])
def test_a_copy_gives_the_same_bits_and_can_be_fitted_again(table, pays, tmp_path, copied):
    one = classifier(epochs=3).fit(table, pays)
    if copied == "pickle":
        again = pickle.loads(pickle.dumps(one))
    elif copied == "joblib":
        joblib.dump(one, tmp_path / "one.joblib")
        again = joblib.load(tmp_path / "one.joblib")
    else:
        again = copy.deepcopy(one)
    np.testing.assert_array_equal(again.predict_proba(table), one.predict_proba(table))
    again.fit(table, pays)
    np.testing.assert_array_equal(again.predict_proba(table), one.predict_proba(table))


@pytest.mark.slow
def test_a_grid_is_searched(x, y):
    search = GridSearchCV(
        classifier(epochs=6), {"learning_rate": [1e-6, 0.1]}, cv=2, scoring="neg_log_loss"
    )
    search.fit(x, y)
    assert search.best_params_ == {"learning_rate": 0.1}
    assert search.predict(x).shape == (N_ROWS,)


@pytest.mark.slow
def test_it_is_cross_validated_in_a_pipeline(x, y):
    scores = cross_val_score(make_pipeline(StandardScaler(), classifier()), x, y, cv=2)
    assert scores.min() > 0.6


def test_pipelines_may_hand_on_dataframes(x, y):
    pipeline = make_pipeline(StandardScaler(), classifier(epochs=2))
    frame = pd.DataFrame(x, columns=["a", "b", "c"])
    pipeline.set_output(transform="pandas").fit(frame, y)
    assert pipeline[-1].feature_names_in_.tolist() == ["a", "b", "c"]
    assert pipeline.predict(frame).shape == (N_ROWS,)


def test_it_shows_itself(fitted):
    assert repr(NetworkClassifier(members=3)) == "NetworkClassifier(members=3)"
    for one in (classifier(), fitted):
        page = one._repr_html_()
        assert "NetworkClassifier" in page
        assert "hidden_units" in page


def test_an_estimator_that_is_not_fitted_says_so(x):
    expected = (
        "This NetworkClassifier instance is not fitted yet. Call 'fit' with appropriate"
        " arguments before using this estimator."
    )
    error = sklearn.exceptions.NotFittedError
    assert message(classifier().predict, x, error=error) == expected
    with pytest.raises(error):
        _ = classifier().network_


# --- time and progress ------------------------------------------------------------


def test_a_time_limit_shortens_the_training(monkeypatch, x, y):
    """By a clock that runs a second at each look at it."""
    seconds = iter(range(10_000))
    clock = SimpleNamespace(monotonic=lambda: float(next(seconds)))
    monkeypatch.setattr(train, "time", clock)
    monkeypatch.setattr(deadline, "time", clock)
    whole = classifier(epochs=24).fit(x, y)
    short = classifier(epochs=24, time_limit=8).fit(x, y)
    assert whole.n_epochs_ == 24
    assert 1 <= short.n_epochs_ < 12
    assert short.best_epoch_ <= short.n_epochs_
    assert np.isfinite(short.predict_proba(x)).all()


def test_a_time_limit_without_folds_leaves_a_network_all_the_same(x, y):
    short = classifier(epochs=40, folds=0, members=2, time_limit=1e-6).fit(x, y)
    assert short.best_epoch_ == short.n_epochs_ < 40
    assert np.isfinite(short.predict_proba(x)).all()


def test_progress_is_reported_to_the_end(x, y):
    reports = []
    classifier(progress=lambda *report: reports.append(report)).fit(x, y)
    epochs = [done for done, _, _ in reports]
    assert epochs == sorted(set(epochs))
    assert reports[-1][:2] == (12, 12)
    assert set(reports[-1][2]) == {"loss", "val_loss"}


# --- what cannot be used ----------------------------------------------------------


def test_weights_that_cannot_be(x, y):
    fit, ones = classifier().fit, np.ones(N_ROWS)
    ones[7] = -2
    assert message(fit, x, y, sample_weight=ones) == (
        "sample_weight must be finite and not negative; got -2.0 in row 7"
    )
    ones[7] = np.nan
    assert message(fit, x, y, sample_weight=ones) == (
        "sample_weight must be finite and not negative; got nan in row 7"
    )
    assert message(fit, x, y, sample_weight=np.zeros(N_ROWS)) == (
        "sample_weight must not be zero for every row"
    )
    assert message(fit, x, y, sample_weight=np.ones(5)) == (
        "sample_weight.shape == (5,), expected (90,)!"
    )


def test_targets_that_cannot_be(x):
    fit = classifier().fit
    assert message(fit, x, np.ones(N_ROWS)) == (
        "y has one class only, 1.0 in all 90 rows; a classifier needs at least two"
    )
    assert message(fit, x, ["a"] * N_ROWS) == (
        "y has one class only, 'a' in all 90 rows; a classifier needs at least two"
    )
    assert message(fit, x, [0.0, np.nan, 1.0] * 30) == (
        "y is missing or infinite in 30 of 90 rows, first nan in row 1. Fill it in, or"
        " leave these rows out"
    )
    assert message(fit, x, ["a", "b", None] * 30) == (
        "y is missing or infinite in 30 of 90 rows, first None in row 2. Fill it in, or"
        " leave these rows out"
    )
    assert message(fit, x, None) == (
        "NetworkClassifier requires y to be passed, but the target y is None"
    )
    assert message(regressor().fit, x, None) == (
        "NetworkRegressor requires y to be passed, but the target y is None"
    )
    assert message(regressor().fit, x, [1.0, -1e38, 2.0] * 30) == (
        "y must be at most 1e+37 in absolute value, because the network computes in"
        " float32; got -1e+38. Use a larger unit"
    )
    assert message(fit, x, [0, 1], error=ValueError) == (
        "Found input variables with inconsistent numbers of samples: [90, 2]"
    )


def test_rows_that_cannot_be(x, y):
    fit = classifier().fit
    hint = " The kinds of columns can be set: schema=kerasnn.datasets.infer_schema(X, ...)"
    assert message(fit, np.array([[1j], [2]]), [0, 1], error=ValueError) == (
        "Complex data not supported\n[[0.+1.j]\n [2.+0.j]]\n"
    )
    infinite = x.copy()
    infinite[3, 1] = np.inf
    assert message(fit, infinite, y) == (
        "column 'x1', row 3: inf is not finite. Give a finite number, or leave the cell"
        f" empty where it is missing. Or leave the column out: ignore=['x1'].{hint}"
    )
    one_row = "NetworkClassifier needs at least 2 rows to learn from; got n_samples = 1"
    assert message(fit, x[:1], y[:1]) == one_row
    assert message(fit, pd.DataFrame(x[:1]), y[:1]) == one_row
    assert message(fit, np.ones((N_ROWS, 1)), y) == (
        "the table has no column that can be used:\n  'x0': constant: always 1." + hint
    )
    twice = pd.DataFrame(x, columns=["a", "a", "b"])
    assert message(fit, twice, y) == (
        "the table has 2 columns named 'a'; each needs a name of its own"
    )


def test_columns_that_are_missing_or_wrong_when_predicting(table, fitted):
    assert message(fitted.predict, table.rename(columns={"income": "incomes"})) == (
        "the table has no column 'income' (did you mean 'incomes'?);"
        " it has age, incomes, town, member"
    )
    wrong = table.astype({"age": object})
    wrong.loc[5, "age"] = "old"
    assert message(fitted.predict, wrong) == (
        "column 'age', row 5: 'old' is not a number. The column is numeric: its cells are"
        " numbers, or empty where missing"
    )


def test_folds_that_cannot_be(x, y):
    assert message(classifier(folds=91, members=91).fit, x, y) == (
        "folds must be at most the number of rows, 90; got folds=91"
    )
    assert message(classifier(members=3).fit, x, y) == (
        "members must be a multiple of folds; got members=3 and folds=2"
    )


def whole(least):
    return f"'auto' or a whole number of at least {least}"


def share(below):
    return f"'auto' or a number from 0 to below {below}"


UNITS = "'auto' or whole numbers of at least 1, such as (64, 32)"
WRONG_PARAMETERS = [
    ("members", 0, whole(1)),
    ("folds", -1, whole(0)),
    ("epochs", 2.5, whole(1)),
    ("batch_size", True, whole(1)),
    ("learning_rate", "fast", share(1000)),
    ("dropout", 1.0, share(1)),
    ("weight_decay", -1, share(1)),
    ("label_smoothing", float("nan"), share(1)),
    ("calibrate", "yes", "'auto', True or False"),
    ("hidden_units", (8, 0), UNITS),
    ("hidden_units", 8, UNITS),
    ("time_limit", 0, "None or seconds above 0"),
    (
        "schema",
        "x",
        "a kerasnn.datasets.Schema, for instance from infer_schema",
    ),
]


@pytest.mark.parametrize(
    ("name", "value", "must_be"), WRONG_PARAMETERS, ids=[n for n, *_ in WRONG_PARAMETERS]
)
def test_a_parameter_out_of_range_is_named_with_its_range(x, y, name, value, must_be):
    expected = f"{name} must be {must_be}; got {value!r}"
    assert message(classifier(**{name: value}).fit, x, y) == expected


def test_an_unknown_choice_gets_the_nearest_one_as_a_hint(x, y):
    assert message(classifier(activation="sellu").fit, x, y) == (
        "activation must be one of 'relu', 'selu', 'mish', 'silu', 'gelu'; got 'sellu';"
        " did you mean 'selu'?"
    )
    assert message(classifier(embedding="period").fit, x, y) == (
        "embedding must be one of 'periodic', 'piecewise-linear', 'none'; got 'period';"
        " did you mean 'periodic'?"
    )
    assert message(classifier(folds=1).fit, x, y) == "folds must be 0 or at least 2; got 1"
    assert message(classifier(driver="keras").fit, x, y) == (
        "driver='keras' is for Keras models; use 'auto'"
    )


def test_a_loss_that_is_not_finite_is_an_error(x, y):
    one = classifier(learning_rate=999.0, epochs=40)
    text = message(one.fit, x, y, error=NonFiniteLossError)
    assert text.startswith(("loss is nan in epoch ", "loss is inf in epoch "))
    assert text.endswith("A smaller learning rate or scaled inputs may help")


@pytest.mark.slow
def test_members_and_folds_find_each_other(x, y):
    """Who names one gets the other to match."""
    for options, expected in [
        ({"members": 5, "folds": "auto"}, lambda r: r.members == 5),
        ({"folds": 3, "members": "auto"}, lambda r: r.folds == 3),
    ]:
        recipe = classifier(epochs=1, **options).fit(x, y).recipe_
        assert expected(recipe)
        assert not recipe.folds or recipe.members % recipe.folds == 0


@pytest.mark.slow
def test_bins_that_were_fitted_to_the_rows_are_kept_with_the_weights(rng):
    x = rng.normal(size=(200, 2))
    y = (np.abs(x[:, 0]) > 0.7).astype(int)
    settings = {"embedding": "piecewise-linear", "folds": 2, "members": 2, "epochs": 20}
    estimator = NetworkClassifier(
        **settings, hidden_units=(16,), batch_size=16, driver="graph", random_state=0
    ).fit(x, y)
    assert estimator.score(x, y) > 0.95
    again = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(again.predict_proba(x), estimator.predict_proba(x))


@pytest.mark.slow
def test_a_column_that_tells_the_target_is_one_python_warning():
    rng = np.random.default_rng(0)
    target = rng.choice(["open", "closed"], 60)
    table = pd.DataFrame({"age": rng.normal(size=60), "state": np.char.upper(target)})
    settings = {"members": 2, "epochs": 1, "hidden_units": (4,), "random_state": 0}
    estimator = NetworkClassifier(**settings)
    with pytest.warns(
        DataWarning, match="column 'state' alone predicts the target"
    ) as seen:
        estimator.fit(table, target)
    assert [warning.filename for warning in seen] == [__file__]
    assert [notice.code for notice in estimator.warnings_] == ["leak"]
    assert estimator.fit(table[["age"]], target).warnings_ == []


# --- reports, and progress that is shown ---------------------------------------------


def test_a_report_without_test_rows_says_who_predicted(fitted, tmp_path):
    page = fitted.report(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert text == page.html
    box = text[text.index("<aside") : text.index("</aside>")]
    assert "each predicted by members that did not learn from it" in box
    accuracy = (fitted.oof_predictions_.argmax(axis=1) == (people()[1] == "yes")).mean()
    assert f"<dd>{accuracy:.3f}</dd>" in text
    assert 'srcdoc="&lt;!DOCTYPE' in page._repr_html_()


def test_a_report_on_test_rows_scores_them(fitted, table, pays):
    text = fitted.report(None, table[:50], pays[:50], title="Fifty & more").html
    assert "<h1>Fifty &amp; more</h1>" in text
    assert f"<dd>{fitted.score(table[:50], pays[:50]):.3f}</dd>" in text
    assert "50 test rows" in text
    assert "Importance of the columns" in text
    assert "<aside" not in text[: text.index("<dl")]


def test_reports_that_cannot_be(fitted, table, pays, x, y, tmp_path):
    wrong = np.where(pays == "yes", "maybe", pays)
    assert "got maybe" in message(fitted.report, None, table, wrong)
    assert "needs y" in message(fitted.report, None, table)
    assert "cannot be written" in message(fitted.report, tmp_path / "no" / "r.html")


def test_verbose_shows_progress_in_a_log_and_calls_progress(x, y, capsys):
    calls = []
    several = {"progress": lambda *given: calls.append(given), "trees": False}
    classifier(verbose=1, epochs=2, **several).fit(x, y)
    assert capsys.readouterr().err.startswith("Training 2/2 epochs, 0:0")
    assert [done for done, _, _ in calls][-1] == 2
    assert "'auto', 0, 1 or 2" in message(classifier(verbose="loud").fit, x, y)


def test_predict_warns_of_other_spellings(rng):
    table = pd.DataFrame({"city": ["Oslo", "Rome"] * 30, "size": rng.random(60)})
    classifier = NetworkClassifier(epochs=1, trees=False).fit(table, ["a", "b", "b"] * 20)
    with pytest.warns(DataWarning, match="such as 'OSLO', which differs from 'Oslo'"):
        classifier.predict(pd.DataFrame({"city": ["OSLO", "Rome"], "size": [0.5, 0.5]}))
    with pytest.warns(DataWarning, match="column 'city' has no level that the network"):
        classifier.predict_proba(table.assign(city="Bonn"))
    classifier.predict(pd.DataFrame({"city": ["Bonn"], "size": [0.5]}))  # may well be new
