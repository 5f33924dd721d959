"""Cross-validation in one loop equals scikit-learn's, which fits one after the other."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn import model_selection
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, StratifiedGroupKFold

import kerasnn
from kerasnn import InputError, NetworkClassifier, NetworkRegressor
from kerasnn.estimators import base, cross_validation

SMALL = {
    "members": 2,
    "folds": 2,
    "epochs": 6,
    "hidden_units": (8,),
    "batch_size": 16,
    "learning_rate": 0.1,
    "driver": "graph",
    "random_state": 0,
}
N_ROWS = 90


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).normal(size=(N_ROWS, 3))


@pytest.fixture(scope="module")
def y(x):
    return (x[:, 0] + x[:, 1] > 0).astype(int)


def both(estimator, x, y, **options):
    """Ours and scikit-learn's."""
    ours = kerasnn.cross_validate(estimator, x, y, **options)
    return ours, model_selection.cross_validate(estimator, x, y, **options)


def assert_same_networks(ours, theirs):
    """The weights of networks that were trained together and alone."""
    for one, other in zip(ours, theirs, strict=True):
        assert one.best_epoch_ == other.best_epoch_
        for a, b in zip(one._kept_weights, other._kept_weights, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_it_is_scikit_learns_with_everything_that_can_be_asked_for(x, y):
    ours, theirs = both(
        NetworkClassifier(**SMALL),
        x,
        y,
        cv=3,
        scoring=["accuracy", "neg_log_loss"],
        return_train_score=True,
        return_estimator=True,
        return_indices=True,
    )
    assert set(ours) == set(theirs)
    for which in ("test", "train"):
        for a, b in zip(ours["indices"][which], theirs["indices"][which], strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(
            ours[f"{which}_accuracy"], theirs[f"{which}_accuracy"]
        )
        np.testing.assert_allclose(
            ours[f"{which}_neg_log_loss"], theirs[f"{which}_neg_log_loss"], rtol=1e-4
        )
    assert ours["fit_time"].shape == ours["score_time"].shape == (3,)
    assert_same_networks(ours["estimator"], theirs["estimator"])


@pytest.mark.slow
def test_a_regression_and_one_scorer(x):
    y = 3 * x[:, 0] + 10
    cv = KFold(3, shuffle=True, random_state=0)
    ours, theirs = both(NetworkRegressor(**SMALL), x, y, cv=cv)
    assert list(ours) == ["fit_time", "score_time", "test_score"]
    np.testing.assert_allclose(ours["test_score"], theirs["test_score"], atol=1e-3)


@pytest.mark.slow
def test_a_custom_scorer(x, y):
    def most_sure(estimator, x, y):
        return estimator.predict_proba(x).max()

    ours, theirs = both(NetworkClassifier(**SMALL), x, y, cv=2, scoring=most_sure)
    np.testing.assert_allclose(ours["test_score"], theirs["test_score"], rtol=1e-4)


@pytest.mark.slow
def test_groups_stay_together_outside_and_inside(x, y):
    """As scikit-learn's, which routes the groups to the splitter and to `fit`."""
    groups = np.arange(N_ROWS) // 10
    ours = kerasnn.cross_validate(
        NetworkClassifier(**SMALL),
        x,
        y,
        cv=3,
        groups=groups,
        scoring="roc_auc",
        return_indices=True,
    )
    for train, test in zip(*ours["indices"].values(), strict=True):
        assert not set(groups[train]) & set(groups[test])
    with sklearn.config_context(enable_metadata_routing=True):
        theirs = model_selection.cross_validate(
            NetworkClassifier(**SMALL).set_fit_request(groups=True),
            x,
            y,
            cv=StratifiedGroupKFold(3),
            scoring="roc_auc",
            params={"groups": groups},
        )
    np.testing.assert_allclose(ours["test_score"], theirs["test_score"], atol=2e-3)


@pytest.mark.slow
def test_later_rows_are_tested(x, y):
    times = np.random.default_rng(0).permutation(N_ROWS) // 2
    ours = kerasnn.cross_validate(
        NetworkClassifier(**{**SMALL, "epochs": 2}),
        x,
        y,
        cv=2,
        time=times,
        gap=2,
        return_indices=True,
        return_estimator=True,
    )
    for train, test, one in zip(*ours["indices"].values(), ours["estimator"], strict=True):
        assert times[train].max() < times[test].min()
        left_out = ~np.isnan(one.oof_predictions_[:, 0])
        assert 0 < left_out.sum() < len(train)
        assert times[train][left_out].min() > times[train][~left_out].max()
    with pytest.raises(InputError, match=r"cv must be at most .*, 44; got cv=60"):
        kerasnn.cross_validate(NetworkClassifier(), x, y, cv=60, time=times)
    with pytest.raises(InputError, match="same number of rows; got 90 and 3"):
        kerasnn.cross_validate(NetworkClassifier(), x, y, groups=[1, 2, 3])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:column '(a|level)' has no:kerasnn.errors.DataWarning")
def test_folds_whose_networks_differ(x, y):
    """A level and missing numbers that are in two of three folds: other widths of x."""
    table = pd.DataFrame(x, columns=["a", "b", "c"])
    levels = np.where(np.arange(N_ROWS) % 2, "odd", "even")
    table["level"] = np.where(np.arange(N_ROWS) < 30, "first", levels)
    table.loc[:29, "a"] = np.nan
    ours, theirs = both(
        NetworkClassifier(**SMALL), table, y, cv=KFold(3), return_estimator=True
    )
    widths = [one.preprocessor_.n_in for one in ours["estimator"]]
    assert len(set(widths)) == 2
    np.testing.assert_array_equal(ours["test_score"], theirs["test_score"])
    assert_same_networks(ours["estimator"], theirs["estimator"])


@pytest.mark.slow
def test_folds_of_other_sizes(x, y):
    """Sizes that no common batch fits: 80 and 10 rows."""
    splits = [(np.arange(80), np.arange(80, 90)), (np.arange(80, 90), np.arange(80))]
    ours, theirs = both(NetworkClassifier(**SMALL), x, y, cv=splits, return_estimator=True)
    np.testing.assert_array_equal(ours["test_score"], theirs["test_score"])
    assert_same_networks(ours["estimator"], theirs["estimator"])


@pytest.mark.slow
def test_weights_go_to_the_training_rows(x):
    y = np.arange(N_ROWS) % 2  # nothing tells them apart
    weights = np.where(y == 1, 0.01, 1.0)
    ours = kerasnn.cross_validate(
        NetworkClassifier(**SMALL),
        x,
        y,
        cv=2,
        sample_weight=weights,
        scoring=lambda estimator, x, y: estimator.predict_proba(x)[:, 1].mean(),
    )
    theirs = model_selection.cross_validate(
        NetworkClassifier(**SMALL),
        x,
        y,
        cv=2,
        params={"sample_weight": weights},
        scoring=lambda estimator, x, y: estimator.predict_proba(x)[:, 1].mean(),
    )
    assert ours["test_score"].max() < 0.2
    np.testing.assert_allclose(ours["test_score"], theirs["test_score"], rtol=1e-3)


@pytest.mark.slow
def test_equal_folds_are_trained_in_one_go(monkeypatch, x, y):
    calls = []
    train_ensembles = cross_validation.train_ensembles

    def counted(tasks, options):
        calls.append({task.compile_key for task in tasks})
        return train_ensembles(tasks, options)

    monkeypatch.setattr(cross_validation, "train_ensembles", counted)
    kerasnn.cross_validate(NetworkClassifier(**SMALL), x, y, cv=5)
    assert [len(groups) for groups in calls] == [1]


def test_the_estimator_is_not_changed(x, y):
    estimator = NetworkClassifier(**SMALL)
    kerasnn.cross_validate(estimator, x, y, cv=2)
    assert vars(estimator) == vars(NetworkClassifier(**SMALL))


def test_a_foreign_estimator_is_refused(x, y):
    with pytest.raises(InputError) as caught:
        kerasnn.cross_validate(LogisticRegression(), x, y)
    assert str(caught.value) == (
        "cross_validate takes a NetworkClassifier or NetworkRegressor; got"
        " LogisticRegression: scikit-learn's cross_validate takes any"
    )


@pytest.mark.slow
def test_a_long_training_of_digits_ends_alike_as_well(digits):
    """A thousand float32 steps make much of a first difference: here there is none."""
    (x, y), _ = digits
    network = NetworkClassifier(
        hidden_units=(30,),
        members=1,
        folds=0,
        epochs=70,
        batch_size=64,
        embedding="none",
        dropout=0.0,
        driver="xla",
        random_state=0,
    )
    folds = {"cv": 3, "scoring": ["accuracy", "neg_log_loss"]}
    ours, theirs = both(network, x, y, **folds)
    for name in ("test_accuracy", "test_neg_log_loss"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-6)


def test_only_what_is_asked_for_is_described(monkeypatch, x, y):
    """Scores by name need predictions; a scorer of one's own may ask for everything."""
    network = NetworkClassifier(**{**SMALL, "epochs": 1})

    def explained(estimator, x, y):
        return len(estimator.explain(x)) + len(estimator.check(x))

    scores = kerasnn.cross_validate(network, x, y, cv=2, scoring={"all": explained})
    np.testing.assert_array_equal(scores["test_all"], [N_ROWS, N_ROWS])
    monkeypatch.setattr(base, "fit_novelty", None)
    kerasnn.cross_validate(network, x, y, cv=2, scoring=["accuracy"])
