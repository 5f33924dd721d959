import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from kerasnn.errors import InputError
from kerasnn.reports import Score, compare_predictions, score_predictions
from kerasnn.reports.scores import losses


def rows_of(n_classes, *, rows=400, seed=0, decimals=3):
    """Labels and probabilities that tell something of them, with ties."""
    rng = np.random.default_rng(seed)
    raw = rng.gamma(0.7, size=(rows, n_classes)).round(decimals) + 10.0**-decimals
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    drawn = rng.uniform(size=(rows, 1))
    labels = (probabilities.cumsum(axis=1) < drawn).sum(axis=1).clip(0, n_classes - 1)
    return labels, probabilities


@pytest.mark.parametrize("n_classes", [2, 5])
def test_classification_scores_are_those_of_scikit_learn(n_classes):
    labels, probabilities = rows_of(n_classes, decimals=1)
    scores = score_predictions("classification", labels, probabilities, resamples=10)
    predicted = probabilities.argmax(axis=1)
    given = probabilities[:, 1] if n_classes == 2 else probabilities
    expected = {
        "accuracy": metrics.accuracy_score(labels, predicted),
        "error": 1 - metrics.accuracy_score(labels, predicted),
        "log_loss": metrics.log_loss(labels, probabilities),
        "auc": metrics.roc_auc_score(labels, given, multi_class="ovr"),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, predicted),
        "brier": metrics.brier_score_loss(labels, given),
    }
    assert {k: s.value for k, s in scores.items()} == pytest.approx(expected, abs=1e-12)


def test_regression_scores_are_those_of_scikit_learn(rng):
    targets = 1e5 + rng.normal(size=300)
    predicted = targets + rng.normal(size=300) / 3
    scores = score_predictions("regression", targets, predicted, resamples=10)
    assert {k: s.value for k, s in scores.items()} == pytest.approx(
        {
            "rmse": metrics.root_mean_squared_error(targets, predicted),
            "mae": metrics.mean_absolute_error(targets, predicted),
            "r2": metrics.r2_score(targets, predicted),
        },
        rel=1e-9,
    )


def resampled_by_hand(score, rows, resamples, seed):
    """The 2.5 % and 97.5 % points of a score of drawn rows, row by row."""
    rng = np.random.default_rng(seed)
    drawn = [score(rng.integers(rows, size=rows)) for _ in range(resamples)]
    return np.quantile(drawn, [0.025, 0.975])


def test_intervals_are_those_of_scores_of_the_rows_drawn():
    labels, probabilities = rows_of(3, rows=60, decimals=1)
    scores = score_predictions(
        "classification", labels, probabilities, resamples=50, seed=4
    )

    def auc(rows):
        return metrics.roc_auc_score(labels[rows], probabilities[rows], multi_class="ovr")

    def log_loss(rows):
        return metrics.log_loss(labels[rows], probabilities[rows], labels=[0, 1, 2])

    for name, score in (("auc", auc), ("log_loss", log_loss)):
        low, high = resampled_by_hand(score, 60, 50, seed=4)
        assert scores[name].low == pytest.approx(low, abs=1e-12)
        assert scores[name].high == pytest.approx(high, abs=1e-12)


def test_intervals_of_r2_are_those_of_the_rows_drawn(rng):
    targets = rng.normal(size=50)
    predicted = targets + rng.normal(size=50)
    scores = score_predictions("regression", targets, predicted, resamples=40, seed=1)
    low, high = resampled_by_hand(
        lambda rows: metrics.r2_score(targets[rows], predicted[rows]), 50, 40, seed=1
    )
    assert scores["r2"][1:] == pytest.approx((low, high), abs=1e-9)


def test_the_seed_decides_and_parts_make_no_difference(monkeypatch):
    given = ("classification", *rows_of(2))
    scores = score_predictions(*given, seed=1)
    monkeypatch.setattr("kerasnn.reports.scores.MAX_COUNTS", 1)  # one resample at a time
    again = score_predictions(*given, seed=1)
    assert again == {k: pytest.approx(score, abs=1e-12) for k, score in scores.items()}
    assert score_predictions(*given, seed=2)["auc"] != scores["auc"]


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    # Accuracy 0.7 in 150 rows, 200 times: the percentile interval falls a little short.
    covered = 0
    for seed in range(200):
        right = np.random.default_rng(seed).uniform(size=150) < 0.7
        labels = np.where(right, 0, 1)
        score = score_predictions(
            "classification", labels, np.tile([0.9, 0.1], (150, 1)), resamples=200
        )["accuracy"]
        covered += score.low <= 0.7 <= score.high
    assert 0.91 <= covered / 200 <= 0.98


@given(st.integers(2, 4), st.integers(1, 30), st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_scores_lie_in_their_range_whatever_the_order_of_the_rows(n_classes, rows, seed):
    labels, probabilities = rows_of(n_classes, rows=rows, seed=seed)
    scores = score_predictions("classification", labels, probabilities, resamples=30)
    assert all(score.low <= score.high for score in scores.values())
    for name in ("accuracy", "error"):
        assert 0 <= scores[name].low <= scores[name].value <= scores[name].high <= 1
    assert 0 <= scores["balanced_accuracy"].low <= scores["balanced_accuracy"].high <= 1
    order = np.random.default_rng(seed).permutation(rows)
    again = score_predictions(
        "classification", labels[order], probabilities[order], resamples=1
    )
    assert {k: s.value for k, s in again.items()} == pytest.approx(
        {k: s.value for k, s in scores.items()}
    )


def test_without_a_mistake_the_interval_of_the_error_is_wilsons():
    scores = score_predictions(
        "classification", np.array([0, 1] * 8), np.eye(2)[[0, 1] * 8]
    )
    # 1.96^2 / (16 + 1.96^2)
    assert scores["error"] == pytest.approx((0, 0, 0.19361), abs=1e-5)
    assert scores["accuracy"] == pytest.approx((1, 0.80639, 1), abs=1e-5)
    wrong = score_predictions("classification", np.array([1, 0] * 8), np.eye(2)[[0, 1] * 8])
    assert wrong["error"] == pytest.approx((1, 0.80639, 1), abs=1e-5)
    assert wrong["log_loss"].value == pytest.approx(36.04, abs=0.01)  # -log(2.2e-16)


def test_what_is_not_defined_is_left_out():
    one_class = score_predictions(
        "classification", np.zeros(9, int), np.full((9, 3), 1 / 3), resamples=20
    )
    assert "auc" not in one_class
    assert one_class["balanced_accuracy"].value == 1
    constant = score_predictions("regression", np.full(9, 0.1), np.zeros(9), resamples=20)
    assert set(constant) == {"rmse", "mae"}
    one_row = score_predictions("regression", np.ones(1), np.zeros(1))
    assert one_row == {"rmse": Score(1, 1, 1), "mae": Score(1, 1, 1)}


def test_a_difference_is_told_apart_where_single_intervals_overlap(rng):
    targets = rng.normal(size=200) * 10
    noise = rng.normal(size=200) * 5
    ours, theirs = targets + noise, targets + 1.1 * noise
    a, b = (score_predictions("regression", targets, p)["rmse"] for p in (ours, theirs))
    assert a.high > b.low
    gap = compare_predictions("regression", targets, ours, theirs)["rmse"]
    assert gap.value == pytest.approx(a.value - b.value)
    assert gap.low < gap.high < 0
    same = compare_predictions("regression", targets, ours, ours)["rmse"]
    assert same == (0, 0, 0)


def test_losses_of_rows_are_log_loss_and_squared_error():
    probabilities = np.array([[0.5, 0.5], [0.1, 0.9]], np.float32)
    np.testing.assert_allclose(
        losses("classification", np.array([0, 1]), probabilities),
        [0.693147, 0.105361],
        atol=1e-6,
    )
    assert losses("regression", np.array([1.0, 2.0]), np.array([4.0, 2.0])).tolist() == [
        9,
        0,
    ]


HALVES = np.full((2, 2), 0.5)
WRONG = [
    (
        ("classification", np.array([0, 1, 1]), HALVES),
        "classification needs truth [rows] and predicted [rows, n_classes]; got (3,) and"
        " (2, 2)",
    ),
    (
        ("classification", np.array([0, 2]), HALVES),
        "truth must be whole numbers in 0..1, indices of the classes; got int64 in 0..2",
    ),
    (
        ("classification", np.array([0.0, 1.0]), HALVES),
        "truth must be whole numbers in 0..1, indices of the classes; got float64 in"
        " 0.0..1.0",
    ),
    (
        ("classification", np.array([0, 1]), np.array([[0.5, 0.5], [0.5, 0.75]])),
        "predicted must be probabilities, each row summing to 1; row 1 is [0.5, 0.75]",
    ),
    (
        ("classification", np.array([0, 1]), np.array([[-0.5, 1.5], [0.5, 0.5]])),
        "predicted must be probabilities, each row summing to 1; row 0 is [-0.5, 1.5]",
    ),
    (
        ("regression", np.zeros(2), np.zeros((2, 1))),
        "regression needs truth and predicted to be [rows]; got (2,) and (2, 1)",
    ),
    (
        ("regression", np.zeros(2), np.array([0, np.nan])),
        "predicted must be finite; row 1 is nan",
    ),
    (("regression", np.zeros(0), np.zeros(0)), "scores need at least one row; got none"),
]


@pytest.mark.parametrize(("given", "message"), WRONG)
def test_what_cannot_be_is_refused(given, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        score_predictions(*given)


def test_more_rows_make_narrower_intervals():
    widths = []
    for rows in (100, 1000, 10_000):
        scores = score_predictions("classification", *rows_of(2, rows=rows), resamples=200)
        widths.append(scores["auc"].high - scores["auc"].low)
    for wide, narrow in pairwise(widths):
        assert 2 < wide / narrow < 5  # about the square root of 10
