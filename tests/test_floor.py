"""No probability is surer than the validation rows allow."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import log_loss

from kerasnn.conformal.floor import fitted_floor
from tests.test_ensemble_validation import drawn_labels

N = 300


def sure_rows(rng, n_out, *, wrong=0):
    """Return probabilities that are sure to ten digits, and labels; some rows are wrong."""
    labels = rng.integers(n_out, size=N).astype(np.int32)
    given = np.full((N, n_out), 1e-10)
    said = labels.copy()
    said[:wrong] = (said[:wrong] + 1) % n_out
    given[np.arange(N), said] = 1 - (n_out - 1) * 1e-10
    return given, labels


@pytest.mark.parametrize("n_out", [2, 3, 10])
def test_without_a_mistake_nobody_is_surer_than_laplace(rng, n_out):
    given, labels = sure_rows(rng, n_out)
    floor = fitted_floor(given, labels, np.ones(N, np.float32))
    mixed = floor.mixed(given)
    assert mixed.max() == pytest.approx((N + 1) / (N + 2), abs=1e-8)
    assert mixed.min() >= 1 / (n_out - 1) / (N + 2) - 1e-12
    np.testing.assert_allclose(mixed.sum(axis=1), 1, rtol=1e-12)


def test_mistakes_of_sure_rows_raise_the_floor(rng):
    given, labels = sure_rows(rng, 2, wrong=6)  # 2 % of the rows
    floor = fitted_floor(given, labels, np.ones(N, np.float32))
    mixed = floor.mixed(given)
    assert 1 - mixed.max() == pytest.approx(0.02, abs=0.005)
    assert log_loss(labels, mixed) < 0.11 < log_loss(labels, given) / 2


def test_right_probabilities_are_left_but_for_the_least_share(rng):
    given = softmax(rng.normal(size=(N * 20, 3)), axis=1)
    labels = drawn_labels(given, rng).astype(np.int32)
    floor = fitted_floor(given, labels, np.ones(len(labels), np.float32))
    assert floor.share < 0.02
    np.testing.assert_allclose(floor.mixed(given), given, atol=0.02)


def test_the_best_class_stays_where_turning_it_makes_mistakes():
    """The rare class is right in each row that is nearly undecided."""
    labels = np.array([0] * 90 + [1] * 10, np.int32)
    given = np.where(labels[:, None] == [0, 1], 1.0, 0.0)
    given[labels == 1] = [0.499, 0.501]
    given[0] = [1e-9, 1 - 1e-9]  # a sure mistake, for which the base rates would pay
    floor = fitted_floor(given, labels, np.ones(100, np.float32))
    assert (floor.mixed(given).argmax(axis=1) == given.argmax(axis=1)).all()


def test_rows_of_unequal_weight_count_as_fewer(rng):
    given, labels = sure_rows(rng, 2)
    weights = np.where(np.arange(N) < 10, 1.0, 1e-9).astype(np.float32)
    floor = fitted_floor(given, labels, weights)
    assert floor.mixed(given).max() == pytest.approx(11 / 12, abs=1e-3)


def test_rows_that_no_member_left_out_do_not_count(rng):
    given, labels = sure_rows(rng, 2)
    given[:100] = np.nan
    floor = fitted_floor(given, labels, np.ones(N, np.float32))
    assert np.nanmax(floor.mixed(given)) == pytest.approx(201 / 202, abs=1e-8)
    nobody = fitted_floor(given[:100], labels[:100], np.ones(100, np.float32))
    assert (nobody.share, nobody.rates.tolist()) == (1.0, [0.5, 0.5])
