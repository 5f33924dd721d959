import re

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from kerasnn.errors import InputError
from kerasnn.estimators import baselines
from kerasnn.estimators.baselines import BaselineInputs as Inputs
from kerasnn.estimators.baselines import baseline_predictions


def test_constant_predicts_the_shares_of_the_classes_or_the_mean(rng):
    x, test = rng.normal(size=(10, 2)), rng.normal(size=(3, 2))
    labels = np.array([0, 0, 0, 0, 0, 2, 2, 2, 2, 1])
    found = baseline_predictions(
        "classification", Inputs(x), labels, Inputs(test), n_classes=4
    )
    assert found["constant"].tolist() == [[0.5, 0.1, 0.4, 0.0]] * 3
    found = baseline_predictions("regression", Inputs(x), np.arange(10.0), Inputs(test))
    assert found["constant"].tolist() == [4.5] * 3
    assert list(found) == ["linear", "constant"]


def test_linear_is_scikit_learns_on_standardised_inputs(rng):
    x, test = rng.normal(3, 5, size=(80, 3)), rng.normal(3, 5, size=(9, 3))
    scaler = StandardScaler().fit(x)
    scaled, scaled_test = scaler.transform(x), scaler.transform(test)
    labels = (x.sum(axis=1) > 9).astype(int)
    found = baseline_predictions(
        "classification", Inputs(x), labels, Inputs(test), n_classes=2
    )
    expected = LogisticRegression(max_iter=200).fit(scaled, labels)
    np.testing.assert_allclose(found["linear"], expected.predict_proba(scaled_test))
    y = x[:, 0] - x[:, 1]
    found = baseline_predictions("regression", Inputs(x), y, Inputs(test))
    expected = Ridge().fit(scaled, y).predict(scaled_test)
    np.testing.assert_allclose(found["linear"], expected)


def test_codes_are_levels_not_numbers(rng):
    codes = rng.integers(0, 4, size=(400, 1))
    y = np.array([5.0, -3.0, 5.0, -3.0])[codes[:, 0]]  # no line through the codes
    found = baseline_predictions(
        "regression",
        Inputs(np.zeros((400, 0)), codes),
        y,
        # 9 was never seen.
        Inputs(np.zeros((5, 0)), np.array([[0], [1], [2], [3], [9]])),
    )["linear"]
    np.testing.assert_allclose(found[:4], [5, -3, 5, -3], atol=0.2)
    assert found[4] == pytest.approx(y.mean(), abs=0.6)


def test_one_class_only_is_predicted_for_sure():
    found = baseline_predictions(
        "classification",
        Inputs(np.zeros((4, 1))),
        np.full(4, 1),
        Inputs(np.zeros((2, 1))),
        n_classes=3,
    )
    assert found["linear"].tolist() == found["constant"].tolist() == [[0, 1, 0]] * 2


def test_the_linear_model_learns_from_drawn_rows_with_every_class(rng):
    labels = np.zeros(3000, int)
    labels[:1500], labels[-1] = 1, 2  # one row only of class 2
    drawn = baselines._drawn_rows("classification", labels, 100, seed=0)
    assert 100 <= len(drawn) <= 101
    assert set(labels[drawn]) == {0, 1, 2}
    assert (np.diff(drawn) > 0).all()
    x = rng.normal(size=(3000, 2)) + labels[:, None]
    found = baseline_predictions(
        "classification", Inputs(x), labels, Inputs(x[-5:]), n_classes=3, max_rows=100
    )
    assert (found["linear"] > 0).all()


def test_very_many_inputs_and_classes_leave_a_thousand_rows(monkeypatch):
    monkeypatch.setattr(baselines, "_MAX_CELLS", 5_000)
    x = np.arange(3000.0)[:, None]
    found = baseline_predictions("regression", Inputs(x), x[:, 0] ** 2, Inputs(x[:1]))
    limited = baseline_predictions(
        "regression", Inputs(x), x[:, 0] ** 2, Inputs(x[:1]), max_rows=1000
    )
    assert found["linear"] != limited["linear"]
    monkeypatch.setattr(baselines, "_MAX_CELLS", 500)
    found = baseline_predictions("regression", Inputs(x), x[:, 0] ** 2, Inputs(x[:1]))
    assert found["linear"] == limited["linear"]


WRONG = [
    (
        {"y_train": np.zeros(3)},
        "x_train and y_train must have the same rows, x_train and x_test the same columns;"
        " got (4, 2), (3,) and (4, 2)",
    ),
    (
        {"test": Inputs(np.zeros((4, 3)))},
        "x_train and y_train must have the same rows, x_train and x_test the same columns;"
        " got (4, 2), (4,) and (4, 3)",
    ),
    (
        {"test": Inputs(np.zeros((4, 2)), np.zeros((3, 1)))},
        "x_test must be [rows, n_in] and codes_test [rows, n_codes]; got (4, 2) and (3, 1)",
    ),
]


@pytest.mark.parametrize(("given", "message"), WRONG)
def test_rows_that_do_not_match_are_refused(given, message):
    right = {
        "train": Inputs(np.zeros((4, 2))),
        "y_train": np.zeros(4),
        "test": Inputs(np.zeros((4, 2))),
    }
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        baseline_predictions("regression", **(right | given))
