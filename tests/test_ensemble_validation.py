"""Validation rows decide the loss, the temperature, and which epoch is as good."""

import dataclasses

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.metrics import log_loss

from kerasnn.ensembles.recipe import LARGE, SMALL, default_recipe
from kerasnn.ensembles.task import EnsembleTask, NetworkShape
from kerasnn.ensembles.validation import (
    ValidationScore,
    mean_predictions,
    stacked_outputs,
    validation_score,
)
from kerasnn.splits import stratified_folds

N = 4000


def task_of(targets, kind, *, members=2, folds=2, weights=None, **recipe):
    n = len(targets)
    return EnsembleTask(
        x=np.zeros((n, 1), np.float32),
        codes=np.zeros((n, 0), np.int32),
        targets=targets,
        weights=np.ones(n, np.float32) if weights is None else weights,
        shape=NetworkShape(
            n_numeric=1,
            n_in=1,
            n_out={"multiclass": 3, "binary": 2, "regression": 1}[kind],
            task=kind,
            cardinalities=(),
        ),
        recipe=dataclasses.replace(
            default_recipe(kind, n), members=members, folds=folds, **recipe
        ),
        seed=0,
    )


def drawn_labels(probabilities, rng):
    return (rng.random((len(probabilities), 1)) > probabilities.cumsum(axis=1)).sum(axis=1)


def test_logits_that_are_three_times_too_large_get_three_times_the_temperature(rng):
    logits = rng.normal(size=(N, 3))
    labels = drawn_labels(softmax(logits, axis=1), rng).astype(np.int32)
    score = validation_score(task_of(labels, "multiclass"), 3 * logits[None])
    assert score.inverse_temperature == pytest.approx(1 / 3, rel=0.1)
    expected = log_loss(labels, softmax(3 * score.inverse_temperature * logits, axis=1))
    assert score.loss == pytest.approx(expected, rel=1e-4)
    plain = validation_score(
        task_of(labels, "multiclass", calibrate=False), 3 * logits[None]
    )
    assert plain.inverse_temperature == 1
    assert plain.loss == pytest.approx(log_loss(labels, softmax(3 * logits, axis=1)))


def test_two_classes_need_one_logit(rng):
    logits = rng.normal(size=(N, 1))
    labels = (rng.random(N) < expit(logits[:, 0])).astype(np.int32)
    task = task_of(labels, "binary", calibrate=False)
    score = validation_score(task, logits[None])
    assert score.loss == pytest.approx(log_loss(labels, expit(logits[:, 0])))
    answers = mean_predictions("binary", logits[None], 2.0)
    np.testing.assert_allclose(answers[:, 1], expit(2 * logits[:, 0]))
    np.testing.assert_allclose(answers.sum(axis=1), 1)


def test_a_mean_over_more_members_gets_a_lower_temperature(rng):
    truth = rng.normal(size=(N, 1))
    labels = (rng.random(N) < expit(truth[:, 0])).astype(np.int32)
    noisy = truth + rng.normal(size=(2, N, 1))  # two members, each wrong in its own way
    alone = validation_score(task_of(labels, "binary"), noisy[:1]).inverse_temperature
    few = validation_score(task_of(labels, "binary", members=4), noisy).inverse_temperature
    many = validation_score(
        task_of(labels, "binary", members=64, folds=32), noisy
    ).inverse_temperature
    assert alone < few < many < 1.2


def test_the_loss_of_a_regression_is_that_of_the_mean_over_repeats(rng):
    targets = rng.normal(size=(N, 1)).astype(np.float32)
    outputs = rng.normal(size=(2, N, 1))
    weights = rng.uniform(0.5, 1.5, N).astype(np.float32)
    score = validation_score(task_of(targets, "regression", weights=weights), outputs)
    squares = (outputs.mean(axis=0) - targets)[:, 0] ** 2
    assert score.loss == pytest.approx(np.average(squares, weights=weights))
    assert score.inverse_temperature == 1


def test_outputs_of_members_are_ordered_by_the_rows_that_they_left_out():
    task = task_of(np.arange(11, dtype=np.int32) % 2, "binary", members=4, folds=2)
    outputs = [
        rows[:, None] + 100.0 * (m // 2) for m, rows in enumerate(task.validation_rows)
    ]
    stacked = stacked_outputs(task, outputs)
    np.testing.assert_array_equal(stacked[0, :, 0], np.arange(11))
    np.testing.assert_array_equal(stacked[1, :, 0], np.arange(11) + 100)


def test_worse_by_chance_is_as_good_and_significantly_worse_is_not():
    ones = np.ones(4)
    best = ValidationScore(np.array([1.0, 1.0, 1.0, 1.0]), ones)
    # Mean difference 0.5, standard deviation 1.5, standard error 0.75.
    by_chance = ValidationScore(np.array([-1.0, 3.0, 3.0, 1.0]), ones)
    assert by_chance.is_as_good_as(best, 1.0)
    assert not by_chance.is_as_good_as(best, 0.5)
    significant = ValidationScore(np.array([1.1, 1.2, 1.1, 1.2]), ones)
    assert not significant.is_as_good_as(best, 2.0)
    assert best.is_as_good_as(best, 0.0)


@pytest.mark.parametrize("n_folds", [2, 5, 8])
def test_folds_are_of_equal_size_and_like_targets_are_spread(n_folds, rng):
    labels = rng.permutation(np.repeat([0, 1, 2], [40, 9, 3]))
    folds = stratified_folds(labels, n_folds, seed=1)
    sizes = np.bincount(folds, minlength=n_folds)
    assert sizes.max() - sizes.min() <= 1
    for label in range(3):
        counts = np.bincount(folds[labels == label], minlength=n_folds)
        assert counts.max() - counts.min() <= 2
    assert (folds == stratified_folds(labels, n_folds, seed=1)).all()
    assert (folds != stratified_folds(labels, n_folds, seed=2)).any()


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("n_rows", [2, SMALL - 1, SMALL, LARGE - 1, LARGE, 10**7])
def test_the_default_recipe_fits_together_for_any_number_of_rows(task, n_rows):
    recipe = default_recipe(task, n_rows)
    assert recipe.members % recipe.folds == 0
    assert recipe.repeats == 2
    assert 8 <= recipe.epochs <= 96
    assert recipe.frequent_value_codes == (n_rows >= LARGE)
