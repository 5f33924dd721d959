"""Groups stay on one side, validation rows are later, and bad input is named."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import TimeSeriesSplit

from kerasnn.ensembles.recipe import memory_recipe
from kerasnn.errors import InputError
from kerasnn.splits import (
    Folds,
    folds_for,
    group_codes,
    group_hashes,
    last_block,
    stratified_folds,
    time_values,
    whole_groups,
)


def labels(rng, n, classes=3):
    return rng.permutation(np.resize(np.arange(classes), n)).astype(np.int32)


# --- folds ------------------------------------------------------------------------


def test_without_groups_and_times_the_folds_are_the_stratified_ones(rng):
    y = labels(rng, 40)
    splits = Folds().splits(y, 4, repeats=2, seed=7)
    for repeat in range(2):
        folds = stratified_folds(y, 4, seed=(7, repeat))
        for fold in range(4):
            learned, left_out = splits[4 * repeat + fold]
            np.testing.assert_array_equal(left_out, np.flatnonzero(folds == fold))
            np.testing.assert_array_equal(learned, np.flatnonzero(folds != fold))


@given(
    sizes=st.lists(st.integers(1, 20), min_size=4, max_size=30),
    kind=st.sampled_from(["labels", "numbers"]),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=40)
def test_every_group_is_left_out_once_in_each_repeat(sizes, kind, seed):
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    y = labels(rng, len(groups)) if kind == "labels" else rng.normal(size=len(groups))
    splits = Folds(groups).splits(y, 4, repeats=2, seed=seed)
    for learned, left_out in splits:
        assert len(left_out)
        assert not set(groups[learned]) & set(groups[left_out])
        assert len(learned) + len(left_out) == len(groups)
    for repeat in range(2):
        rows = np.concatenate([s.left_out for s in splits[4 * repeat : 4 * repeat + 4]])
        np.testing.assert_array_equal(np.sort(rows), np.arange(len(groups)))


def test_folds_of_groups_have_similar_classes(rng):
    groups = np.repeat(np.arange(60), 5)
    y = np.repeat(rng.permutation(np.resize([0, 0, 1], 60)), 5).astype(np.int32)
    for _, left_out in Folds(groups).splits(y, 4, repeats=1, seed=0):
        assert y[left_out].mean() == pytest.approx(1 / 3, abs=0.05)


@given(
    n_rows=st.integers(20, 90),
    n_times=st.integers(6, 90),
    gap=st.integers(0, 3),
    n_folds=st.integers(1, 4),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=60)
def test_all_validation_rows_are_later_and_ties_are_together(
    n_rows, n_times, gap, n_folds, seed
):
    times = np.random.default_rng(seed).integers(0, n_times, n_rows).astype(float)
    folds = Folds(times=times, gap=gap)
    if folds.maximum(n_rows) < n_folds:
        return
    splits = folds.splits(np.zeros(n_rows), n_folds, repeats=1, seed=0)
    every = np.concatenate([split.left_out for split in splits])
    assert len(splits) == n_folds
    assert len(np.unique(every)) == len(every)
    for learned, left_out in splits:
        assert len(learned) >= 2
        assert times[learned].max() < times[left_out].min()
        assert (times < times[left_out].min()).sum() - len(learned) == gap


def test_members_in_time_learn_from_half_of_the_rows_at_least(rng):
    times = rng.permutation(64).astype(float)
    splits = Folds(times=times).splits(np.zeros(64), 4, repeats=2, seed=0)
    assert [len(s.learned) for s in splits] == [32, 40, 48, 56] * 2
    assert all(len(s.left_out) == 8 for s in splits)


def test_rows_in_order_are_chained_as_by_scikit_learn():
    ours = Folds(times=np.arange(50.0), gap=2).chained(4)
    theirs = TimeSeriesSplit(4, gap=2).split(np.empty(50))
    for split, (learned, left_out) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(split.learned, learned)
        np.testing.assert_array_equal(split.left_out, left_out)


def test_fewer_groups_or_times_than_folds_give_fewer_folds():
    recipe = memory_recipe("binary", 100, {}, Folds(np.arange(100) // 34))
    assert (recipe.folds, recipe.members) == (3, 15)
    recipe = memory_recipe("binary", 100, {}, Folds(times=np.arange(100.0) // 50))
    assert (recipe.folds, recipe.members) == (1, 16)


@pytest.mark.parametrize(
    ("division", "overrides", "said"),
    [
        (Folds(np.zeros(100, int)), {}, "all 100 rows .* one group.*folds=0"),
        (Folds(np.arange(100) // 34), {"folds": 4}, "different groups, 3; got folds=4"),
        (Folds(times=np.ones(100)), {}, "all 100 rows .* same time.*folds=0"),
        (Folds(times=np.arange(100.0) // 50), {"folds": 2}, "times.*, 1; got folds=2"),
        (Folds(times=np.arange(100.0), gap=98), {}, "gap must leave .* got gap=98"),
    ],
)
def test_divisions_that_give_no_folds_are_named(division, overrides, said):
    with pytest.raises(InputError, match=said):
        memory_recipe("binary", 100, overrides, division)
    assert memory_recipe("binary", 100, {"folds": 0}, division).folds == 0


# --- columns ----------------------------------------------------------------------


def test_groups_of_any_dtype_have_the_same_codes_and_hashes():
    given_as = [["7", "x", "7"], np.array(["7", "x", "7"]), pd.Categorical(["7", "x", "7"])]
    for values in given_as:
        assert group_codes(values).tolist() == [0, 1, 0]
    whole, floats = (group_hashes(np.array([7, 8, 7], d), seed=3) for d in (int, float))
    texts = group_hashes(["7", "8", "7"], seed=3)
    np.testing.assert_array_equal(whole, floats)
    np.testing.assert_array_equal(whole, texts)
    assert whole[0] != whole[1]
    many = group_hashes(np.arange(5000), seed=0)
    assert 0 <= many.min() < many.max() < 1
    assert (many < 0.2).mean() == pytest.approx(0.2, abs=0.02)
    assert (many != group_hashes(np.arange(5000), seed=1)).all()


@pytest.mark.parametrize(
    "values",
    [
        [3, 1, 2],
        ["3.5", "1", "2"],
        ["2021-03-01", "2019-12-31", "2020-01-01T05:00"],
        ["31.03.2021", "01.02.2019", "17.06.2020"],
        pd.to_datetime(["2021-03-01", "2019-12-31", "2020-01-01"]),
    ],
)
def test_times_are_numbers_or_dates(values):
    assert np.argsort(time_values(values)).tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("groups", "time", "gap", "said"),
    [
        ([1, None, 2], None, 0, "groups must be known.*missing in 1 of 3, first in row 1"),
        (None, [1.0, np.nan, np.nan], 0, "time must be known.*missing in 2 of 3"),
        (None, ["2020-01-01", "", "2020-01-02"], 0, "time must be known.*in row 1"),
        (None, ["a", "b", "a"], 0, "time must be numbers or dates.*got 'a'"),
        (None, [True, False, True], 0, "time must be numbers or dates"),
        (None, [1.0, np.inf, 2.0], 0, "inf is not finite"),
        (np.zeros((3, 1)), None, 0, r"groups must be \[rows\].*\(3, 1\)"),
        ([1, 2, 3], [1, 2, 3], 0, "groups and time must not be given together"),
        (None, None, 2, "gap needs time="),
        (None, [1, 2, 3], -1, "gap must be a whole number of at least 0; got -1"),
    ],
)
def test_groups_and_times_that_cannot_be_used_are_named(groups, time, gap, said):
    with pytest.raises(InputError, match=said):
        folds_for(groups, time, gap)


# --- test rows --------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.1, 0.2, 0.35, 0.5])
def test_whole_groups_have_about_the_share_and_the_classes(share, rng):
    groups = np.repeat(np.arange(80), rng.integers(2, 9, 80))
    y = labels(rng, len(groups))
    trained, tested = whole_groups(groups, y, share, seed=1)
    assert (trained != tested).all()
    assert not set(groups[trained]) & set(groups[tested])
    assert tested.mean() == pytest.approx(share, abs=0.04)
    assert np.bincount(y[tested]) / tested.sum() == pytest.approx(1 / 3, abs=0.12)
    assert (tested != whole_groups(groups, y, share, seed=2).tested).any()


def test_no_class_loses_all_its_groups(rng):
    groups = np.repeat(np.arange(12), 10)
    y = (groups < 2).astype(np.int32)
    for seed in range(20):
        trained, tested = whole_groups(groups, y, 0.5, seed=seed)
        assert set(y[trained]) == {0, 1}
        assert 0 < tested.sum() < len(y)


def test_the_last_block_is_tested_and_ties_are_together():
    times = np.repeat(np.arange(10.0), 7)[::-1]
    trained, tested = last_block(times, 0.22, gap=3)
    assert times[trained].max() < times[tested].min() == 8
    assert tested.sum() == 14
    assert (~trained & ~tested).sum() == 3
    assert not last_block(times, 0).tested.any()


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda: whole_groups(np.zeros(9, int), np.ones(9), 0.2, seed=0), "one group"),
        (lambda: last_block(np.ones(9), 0.2), "all 9 rows have the same time"),
        (lambda: last_block(np.arange(9.0), 0.2, gap=7), "gap must leave .*got gap=7"),
    ],
)
def test_rows_that_cannot_be_divided_are_named(draw, said):
    with pytest.raises(InputError, match=said):
        draw()
