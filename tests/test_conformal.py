"""Intervals and sets cover what they promise, and are narrow where a row is easy."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from kerasnn.conformal import (
    ValidationValues,
    check_coverage,
    check_validation_rows,
    fit_intervals,
    fit_sets,
    rows_needed,
    with_best_class,
)
from kerasnn.conformal.features import member_spread
from kerasnn.conformal.quantiles import MAX_STORED, ScoreTable
from kerasnn.errors import InputError
from tests.test_ensemble_validation import drawn_labels

N, MEMBERS, REPEATS = 1500, 8, 2


def bound(table, coverage):
    return float(table.bounds(tf.constant([coverage], tf.float64))[0])


@pytest.mark.parametrize(
    ("n_rows", "coverage", "rank"),
    [(9, 0.9, 9), (10, 0.9, 10), (99, 0.9, 90), (99, 0.5, 50), (99, 0.001, 1)],
)
def test_the_bound_is_the_score_of_the_rank_that_the_coverage_needs(n_rows, coverage, rank):
    scores = np.random.default_rng(0).permutation(np.arange(1.0, n_rows + 1))
    assert bound(ScoreTable.of(scores), coverage) == rank


def test_a_coverage_that_too_few_rows_can_promise_has_no_finite_bound():
    table = ScoreTable.of(np.arange(8.0))
    assert rows_needed(0.9) == 9
    assert bound(table, 0.9) == np.inf
    with pytest.raises(InputError, match=r"at least 9 validation rows.* are 8.*0\.88"):
        check_validation_rows(0.9, 8)
    check_validation_rows(0.9, 9)


def test_scores_of_many_rows_are_stored_in_part_and_rounded_up():
    scores = np.random.default_rng(0).exponential(size=50_000)
    table = ScoreTable.of(scores)
    assert len(table.scores) == MAX_STORED
    for coverage in (0.05, 0.5, 0.9, 0.99, 0.9999, 50_000 / 50_001):
        share = np.mean(scores <= bound(table, coverage))
        assert coverage - 1e-9 <= share <= coverage + 0.001


@pytest.mark.parametrize("coverage", [0, 1, 0.0, 1.0, -0.1, 90, np.nan, True, "0.9", None])
def test_a_coverage_is_a_number_between_0_and_1(coverage):
    with pytest.raises(InputError, match="coverage must be a number between 0 and 1"):
        check_coverage(coverage)
    if isinstance(coverage, float):
        assert np.isnan(bound(ScoreTable.of(np.arange(20.0)), coverage))


def values_of(rng, n, *, noise, members=REPEATS):
    """Return rows whose errors grow with x[:, 1]; members differ a little."""
    x = rng.normal(size=(n, 3)).astype(np.float32)
    truth = np.sin(x[:, 0]) + noise(x[:, 1], rng.normal(size=n))
    outputs = np.sin(x[:, 0])[None] + 0.1 * rng.normal(size=(members, n))
    codes = rng.integers(4, size=(n, 1)).astype(np.int32)
    return ValidationValues(
        outputs=outputs[..., None].astype(np.float32),
        targets=truth[:, None].astype(np.float32),
        weights=np.ones(n, np.float32),
        x=x,
        codes=codes,
        n_numeric=3,
        members=MEMBERS,
    )


def fitted(values):
    return fit_intervals(values, values.targets.min(axis=0), values.targets.max(axis=0))


def ends_of(intervals, rows, coverage=0.9):
    wanted = tf.fill([len(rows.x)], tf.constant(coverage, tf.float64))
    given = map(tf.constant, (rows.outputs, rows.x, rows.codes))
    return intervals.ends(*given, wanted).numpy()[..., 0].T


def growing(size, normal):
    return np.exp(size) * 0.3 * normal


def skewed(size, normal):
    return np.where(normal > 0, 0.5, 0.05) * normal


def plain(size, normal):
    return 0.3 * normal


@pytest.mark.parametrize("noise", [growing, skewed, plain])
@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_intervals_cover_their_share_of_new_rows(rng, noise, coverage):
    intervals = fitted(values_of(rng, N, noise=noise))
    new = values_of(rng, 4000, noise=noise, members=MEMBERS)
    lower, upper = ends_of(intervals, new, coverage)
    inside = (lower <= new.targets[:, 0]) & (new.targets[:, 0] <= upper)
    assert inside.mean() == pytest.approx(coverage, abs=0.04)


def test_rows_that_are_hard_to_predict_get_wide_intervals(rng):
    intervals = fitted(values_of(rng, N, noise=growing))
    new = values_of(rng, 4000, noise=growing, members=MEMBERS)
    lower, upper = ends_of(intervals, new)
    inside = (lower <= new.targets[:, 0]) & (new.targets[:, 0] <= upper)
    for tenth in np.array_split(np.argsort(new.x[:, 1]), 10):
        assert inside[tenth].mean() > 0.75
    order = np.argsort(new.x[:, 1])
    width = upper - lower
    assert width[order[-400:]].mean() > 8 * width[order[:400]].mean()


def test_skewed_errors_get_skewed_intervals(rng):
    intervals = fitted(values_of(rng, N, noise=skewed))
    new = values_of(rng, 100, noise=skewed, members=MEMBERS)
    lower, upper = ends_of(intervals, new)
    centre = new.outputs.mean(axis=0)[:, 0]
    assert (upper - centre).mean() > 3 * (centre - lower).mean()


def test_without_anything_to_learn_every_row_has_the_same_width(rng):
    intervals = fitted(values_of(rng, 30, noise=growing))
    lower, upper = ends_of(intervals, values_of(rng, 50, noise=growing, members=MEMBERS))
    np.testing.assert_allclose(upper - lower, (upper - lower)[0], rtol=1e-5)


def test_the_errors_of_few_members_are_extrapolated_to_all(rng):
    """The mean of two members has a variance of 0.5, that of eight of 0.125."""
    truth = 10 * rng.normal(size=(4000, 1)).astype(np.float32)
    outputs = truth + rng.normal(size=(2, 4000, 1)).astype(np.float32)
    rows = values_of(rng, 4000, noise=plain)._replace(outputs=outputs)
    wide = {}
    for noise in (2.0, 0.0):
        targets = truth + noise * rng.normal(size=truth.shape).astype(np.float32)
        lower, upper = ends_of(fitted(rows._replace(targets=targets)), rows)
        wide[noise] = (upper - lower).mean() / 2
    assert wide[2.0] == pytest.approx(1.645 * np.sqrt(4 + 1 / MEMBERS), rel=0.04)
    # Nothing but the members' errors: these are left as they are.
    assert wide[0.0] == pytest.approx(1.645 * np.sqrt(0.5), rel=0.06)


def test_validation_and_new_rows_have_the_same_mean_spread(rng):
    few = member_spread(tf.constant(rng.normal(size=(2, 9000, 1))), 2)
    many = member_spread(tf.constant(rng.normal(size=(8, 9000, 1))), 2)
    assert float(tf.reduce_mean(few)) == pytest.approx(float(tf.reduce_mean(many)), abs=0.1)
    assert np.std(few) > 1.8 * np.std(many)


def test_rows_without_weight_do_not_count(rng):
    values = values_of(rng, 100, noise=plain)
    weights = np.where(np.arange(100) < 50, values.weights, 0)
    assert fitted(values._replace(weights=weights)).n_validation_rows == 50
    assert fitted(values._replace(weights=weights * 0)) is None


def test_several_outputs_have_intervals_of_their_own(rng):
    one = values_of(rng, 300, noise=plain)
    two = one._replace(
        outputs=np.concatenate([one.outputs, one.outputs * 0], axis=2),
        targets=np.concatenate([one.targets, one.targets * 10], axis=1),
    )
    wanted = tf.fill([300], tf.constant(0.9, tf.float64))
    ends = fitted(two).ends(*map(tf.constant, (two.outputs, two.x, two.codes)), wanted)
    assert ends.shape == (300, 2, 2)
    widths = (ends[:, 1] - ends[:, 0]).numpy().mean(axis=0)
    assert widths[1] > 8 * widths[0]


@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_sets_cover_their_share_of_new_rows(rng, coverage):
    given = softmax(rng.normal(size=(6000, 4)) * 2, axis=1)
    labels = drawn_labels(given, rng).astype(np.int32)
    sets = fit_sets(given[:2000], labels[:2000], np.ones(2000, np.float32))
    new, wanted = given[2000:].astype(np.float32), np.full(4000, coverage)
    inside = sets.contains(tf.constant(new), tf.constant(wanted)).numpy()
    covered = inside[np.arange(4000), labels[2000:]].mean()
    assert covered == pytest.approx(coverage, abs=0.03)
    assert 1 < inside.sum(axis=1).mean() < 3


def test_an_easy_table_has_empty_sets_unless_they_are_not_wanted(rng):
    labels = rng.integers(2, size=1000).astype(np.int32)
    sure = rng.uniform(0.95, 1, size=1000)
    given = np.where(labels[:, None] == [0, 1], sure[:, None], 1 - sure[:, None])
    sets = fit_sets(given, labels, np.ones(1000, np.float32))
    inside = sets.contains(
        tf.constant(given, tf.float32), tf.fill([1000], tf.constant(0.9, tf.float64))
    ).numpy()
    assert 0.08 < (~inside.any(axis=1)).mean() < 0.11
    filled = with_best_class(inside, given)
    assert (filled.sum(axis=1) == 1).all()
    assert (filled.argmax(axis=1) == labels).all()
    assert fit_sets(given * np.nan, labels, np.ones(1000, np.float32)) is None
