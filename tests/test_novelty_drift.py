"""Histograms of columns beside each other: false alarms, shifts, and what is said."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.datasets import load_breast_cancer

from kerasnn.datasets import Column, Schema, Target, checked_table, infer_schema
from kerasnn.datasets.schema.limits import ColumnLimits
from kerasnn.novelty.bins import MAX_LEVEL_BINS, fit_bins
from kerasnn.novelty.combinations import fit_combinations
from kerasnn.novelty.drift import CellCounts, count_cells, find_drift
from kerasnn.novelty.fitting import fit_novelty
from kerasnn.novelty.reference import ColumnReference, Reference
from kerasnn.novelty.statistics import (
    out_of_range_p_value,
    population_stability_index,
    same_distribution_p_value,
    still_rejected,
)


def mixed_table(rows=1000):
    """Heavy tails, ties, rare levels, missing cells, dates, almost constant columns."""
    rng = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "normal": rng.normal(0, 1, rows),
            "income": np.exp(rng.normal(8, 2, rows)).round(2),
            "gain": np.where(rng.random(rows) < 0.95, 0.0, rng.normal(5000, 900, rows)),
            "rooms": rng.integers(1, 7, rows).astype(float),
            "gaps": np.where(rng.random(rows) < 0.4, np.nan, rng.normal(0, 1, rows)),
            "city": [f"city {k}" for k in rng.geometric(0.03, rows)],
            "shop": rng.choice([f"shop {k}" for k in range(60)], rows),
            "open": rng.choice(["yes", "no"], rows, p=[0.98, 0.02]),
            "day": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(rng.integers(0, 900, rows), "D"),
        }
    )


def cancer_table():
    return load_breast_cancer(as_frame=True).data.iloc[:, ::5]


def drifted(before, now, schema):
    limits = [ColumnLimits.of(column) for column in schema.columns]
    references = [ColumnReference.fit(c, before[c.name]) for c in schema.columns]
    counts = [
        count_cells(one, now[one.bins.name], limit)
        for one, limit in zip(references, limits, strict=True)
    ]
    roles = ["column"] * len(counts)
    found = find_drift([*zip(roles, references, counts, strict=True)])
    return {one.name for one in found if one.drifted}


@pytest.mark.slow_cases
@pytest.mark.parametrize("make", [mixed_table, cancer_table])
def test_a_hundred_shuffled_halves_give_two_false_alarms_at_most(make):
    whole = make()
    alarms = 0
    schema = infer_schema(whole)
    table = checked_table(whole, schema)
    for seed in range(100):
        halves = np.array_split(np.random.default_rng(seed).permutation(len(table)), 2)
        before, now = (table.iloc[half] for half in halves)
        alarms += bool(drifted(before, now, schema))
    assert alarms <= 2


@pytest.mark.parametrize("make", [mixed_table, cancer_table])
def test_half_a_standard_deviation_is_named_and_nothing_else(make):
    table = make()
    table = table.sample(1000, replace=len(table) < 1000, random_state=0)
    schema = infer_schema(table)
    table = checked_table(table, schema)
    for column in schema.columns:
        if column.kind == "numeric":
            moved = table[column.name] + 0.5 * table[column.name].std()
            found = drifted(table, table.assign(**{column.name: moved}), schema)
            assert found == {column.name}


def test_few_new_rows_beside_many_give_no_alarm():
    """Two unseen levels of 1,000 rows are nothing, whatever a chi-square test says."""
    rng = np.random.default_rng(3)
    cities = pd.Series([f"city {k}" for k in rng.zipf(1.5, 60_000)], dtype=object)
    levels = cities[:50_000].value_counts().index.tolist()
    column = Column(
        "city", "categorical", levels=tuple(levels[:1000]), n_levels=len(levels)
    )
    before = ColumnReference.fit(column, cities[:50_000])
    parts = [cities[start : start + 100] for start in range(50_000, 60_000, 100)]
    found = [
        find_drift([("column", before, count_cells(before, part, ColumnLimits.of(column)))])
        for part in parts
    ]
    assert sum(one.drifted for (one,) in found) <= 1


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"gaps": np.nan}, "gaps"),
        ({"city": "Atlantis"}, "city"),
        ({"gain": 10_000_000.0}, "gain"),
        ({"open": None}, "open"),
        ({"day": pd.Timestamp("2031-05-05")}, "day"),
    ],
)
def test_a_tenth_of_the_cells_that_are_new_is_named(change, name):
    table = mixed_table(2000)
    schema = infer_schema(table)
    table = checked_table(table, schema)
    before, now = table[:1000], table[1000:].copy()
    assert not drifted(before, now, schema)
    ((column, value),) = change.items()
    rows = now.index[now[column].notna()][:150]
    now.loc[rows, column] = value
    assert drifted(before, now, schema) == {name}


def test_counts_of_parts_add_up_to_those_of_the_whole():
    table = mixed_table()
    schema = infer_schema(table)
    table = checked_table(table, schema)
    for column in schema.columns:
        limits = ColumnLimits.of(column)
        before = ColumnReference.fit(column, table[column.name][:500])
        whole = count_cells(before, table[column.name], limits)
        parts = [count_cells(before, table[column.name][i::3], limits) for i in range(3)]
        added = parts[0] + parts[1] + parts[2]
        np.testing.assert_array_equal(added.bins, whole.bins)
        assert (added.outside, added.unseen) == (whole.outside, whole.unseen)
        assert added.mean == pytest.approx(whole.mean)
        many = len(column.levels) > MAX_LEVEL_BINS
        assert sum(before.counts) == (250 if many else 500)


def test_the_index_is_that_of_the_formula():
    before, now = np.array([50, 30, 20]), np.array([20, 30, 50])
    expected = 2 * 0.3 * np.log(0.5 / 0.2)
    assert population_stability_index(before, now) == pytest.approx(expected)
    assert population_stability_index(before, before) == 0


def test_the_test_is_scipys_where_bins_are_full():
    before, now = np.array([50, 30, 20]), np.array([30, 30, 40])
    table = np.stack([before, now])
    expected = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    assert same_distribution_p_value(before, now) == pytest.approx(expected.pvalue)
    assert same_distribution_p_value(before, before) == 1.0
    assert same_distribution_p_value(before, np.zeros(3, int)) == 1.0


def test_values_out_of_range_are_as_likely_as_the_formula_says():
    rng = np.random.default_rng(0)
    draws = rng.random((4000, 30))
    before, now = draws[:, :20], draws[:, 20:]
    outside = (now > before.max(axis=1, keepdims=True)).sum(axis=1)
    outside += (now < before.min(axis=1, keepdims=True)).sum(axis=1)
    p_values = np.array([out_of_range_p_value(k, 20, 10) for k in outside])
    for level in (0.2, 0.05, 0.01):
        assert (p_values <= level).mean() <= level


def test_holms_method_is_that_of_the_book():
    p_values = np.array([0.01, 0.04, 0.03, 0.005])
    assert still_rejected(p_values, 0.05).tolist() == [True, False, False, True]


def test_a_column_of_unreadable_cells_has_drifted():
    before = ColumnReference.fit(Column("x", "numeric"), pd.Series(np.arange(100.0)))
    now = CellCounts(np.array(before.counts), unreadable=20)
    (found,) = find_drift([("column", before, now)])
    assert found.drifted
    assert found.unreadable == pytest.approx(1 / 6)


@pytest.mark.parametrize(
    ("spread", "has_drifted"), [(0.5, False), (0.8, False), (1.1, False), (2.5, True)]
)
def test_predictions_are_like_those_of_left_out_or_of_learned_rows(spread, has_drifted):
    """Those of learned rows are surer; those of new rows are between the two."""
    rng = np.random.default_rng(0)

    def predictions(spread):
        return 1 / (1 + np.exp(rng.normal(0, 3 * spread, (2000, 1)))) * [1, 0] + [0, 1e-9]

    left_out, learned, now = (predictions(s) for s in (0.5, 1.1, spread))
    target = Target("y", "classification", classes=("no", "yes"))
    schema = Schema((Column("x", "numeric"),), target=target)
    fitted = fit_novelty(pd.DataFrame({"x": rng.normal(size=60)}), schema)
    fitted = fitted.with_predictions(
        target, left_out[:, ::-1], np.zeros(2000, int), learned[:, ::-1]
    )
    (before,) = fitted.reference.predictions
    read = Reference.from_json(fitted.reference.to_json(), source="it").predictions
    assert read == (before,)
    cells = pd.Series(now[:, 0])
    (found,) = find_drift([("prediction", before, count_cells(before, cells))])
    assert found.drifted == has_drifted


def test_a_value_of_many_rows_has_a_bin_of_its_own():
    cells = pd.Series([0.0] * 95 + [1.0, 2.0, 3.0, 4.0, 5.0])
    bins = fit_bins(Column("gain", "numeric"), cells)
    codes = bins.codes(pd.Series([0.0, 1e-3, 0.0, np.nan, -1.0]))
    assert codes[0] == codes[2] != codes[1]
    assert codes[3] == bins.size - 1
    assert codes[4] < codes[0]


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e300])
def test_numbers_that_differ_by_rounding_are_in_one_bin(size):
    rng = np.random.default_rng(0)
    near = 1 - 10.0 ** -rng.uniform(7, 16, 100)  # as probabilities at their ceiling are
    cells = pd.Series(np.concatenate([near, [1.0] * 100, rng.random(100)]) * size)
    bins = fit_bins(Column("p", "numeric"), cells)
    assert len(set(bins.codes(cells[:200]))) == 1
    assert len(set(bins.codes(cells[200:]))) > 5
    single = pd.Series((cells.to_numpy() / size).astype(np.float32).astype(float) * size)
    assert np.abs(bins.counts(cells) - bins.counts(single)).max() <= 1


def test_repeated_numbers_with_rounding_errors_are_in_the_bins_of_the_exact_ones():
    rng = np.random.default_rng(0)
    years = pd.Series(rng.integers(1990, 2015, 1000).astype(float))
    inexact = years + rng.normal(0, 3e-7, 1000)  # as a target that was standardised
    bins = fit_bins(Column("year", "numeric"), inexact)
    assert len(set(bins.codes(years))) > 5
    assert bins.counts(years).tolist() == bins.counts(inexact).tolist()
    assert bins.codes(pd.Series([1989.0, 1990.0])).tolist() == [0, 1]


def test_pairs_that_belong_together_are_found():
    rng = np.random.default_rng(0)
    first, third = rng.integers(0, 4, 1000), rng.integers(0, 4, 1000)
    second = np.where(rng.random(1000) < 0.997, first, rng.integers(0, 4, 1000))
    codes = np.stack([first, second, third], axis=1).astype(np.int32)
    tree = fit_combinations(codes, np.array([4, 4, 4], np.int32))
    assert sorted(tree.pairs.ravel().tolist()) == [0, 1]
    usual, unusual = tree.of_rows(np.array([[2, 2, 0], [2, 3, 0]], np.int32)).sum(axis=1)
    assert usual <= tree.threshold < unusual
    assert tree.n_unlikely <= 20


def test_columns_that_do_not_depend_have_no_tree():
    codes = np.random.default_rng(0).integers(0, 4, (1000, 3)).astype(np.int32)
    sizes = np.array([4, 4, 4], np.int32)
    assert fit_combinations(codes, sizes) is None
    assert fit_combinations(codes[:10], sizes) is None


def test_dates_of_which_only_repeating_parts_are_used_do_not_drift():
    days = pd.Series(pd.date_range("2020-01-01", periods=100), name="day")
    for repeating_only in (False, True):
        ends = (str(days.min()), str(days.max()))
        column = Column("day", "datetime", first=ends[0], last=ends[1])
        column = replace(column, repeating_only=repeating_only)
        before, limits = ColumnReference.fit(column, days), ColumnLimits.of(column)
        now = count_cells(before, days + pd.Timedelta(days=500), limits)
        (found,) = find_drift([("column", before, now)])
        assert found.drifted == (not repeating_only)
        assert now.outside == (0 if repeating_only else 100)
