"""Slices of larger errors, and the sections of a report about reasons."""

import numpy as np
import pandas as pd

from kerasnn.datasets import Column
from kerasnn.reports.error_slices import error_slices
from kerasnn.reports.reason_sections import EffectCurve, TableReasons, reason_sections

COLUMNS = (
    Column("age", "numeric", low=0.0, high=100.0),
    Column("city", "categorical", levels=("Lyon", "Oslo"), counts=(1, 1)),
)


def rows_of(n: int, seed: int = 0) -> tuple[pd.DataFrame, np.random.Generator]:
    rng = np.random.default_rng(seed)
    age = np.where(rng.random(n) < 0.2, np.nan, rng.uniform(0, 100, n))
    return pd.DataFrame({"age": age, "city": rng.choice(["Lyon", "Oslo"], n)}), rng


def test_a_level_and_a_range_with_larger_errors_are_named() -> None:
    table, rng = rows_of(1000)
    oslo, old = table["city"] == "Oslo", table["age"] > 80
    losses = rng.exponential(1 + 1.0 * oslo + 2.0 * old)
    found = error_slices(table, losses, COLUMNS)
    assert {(one.column, one.values.split(" to ")[0][:2]) for one in found} >= {
        ("city", "Os")
    }
    (age,) = [one for one in found if one.column == "age"]
    low, high = map(float, age.values.split(" to "))
    assert 70 < low < 90 < high <= 100
    assert age.loss > 1.5 * age.others


def test_missing_cells_are_a_slice() -> None:
    table, rng = rows_of(1000)
    losses = rng.exponential(1 + 2.0 * table["age"].isna())
    found = error_slices(table, losses, COLUMNS)
    assert (found[0].column, found[0].values) == ("age", "missing")


def test_chance_makes_a_slice_in_few_tables_only() -> None:
    tables = (rows_of(300, seed) for seed in range(40))
    found = [bool(error_slices(t, rng.exponential(1, 300), COLUMNS)) for t, rng in tables]
    assert sum(found) <= 4  # 2 are expected at most


def test_few_rows_and_columns_without_levels_give_no_slice() -> None:
    table, _ = rows_of(40)
    assert error_slices(table, np.arange(40.0), COLUMNS) == []
    dates = pd.DataFrame({"day": pd.to_datetime(["2020-01-01"] * 100)})
    assert error_slices(dates, np.arange(100.0), (Column("day", "datetime"),)) == []
    empty = pd.DataFrame({"age": [np.nan] * 100})
    assert error_slices(empty, np.arange(100.0), COLUMNS[:1]) == []


def test_sections_show_contributions_curves_worst_rows_and_slices() -> None:
    contributions = pd.DataFrame({"age": [1.0, -3.0], "city": [0.5, 0.25]})
    reasons = TableReasons(
        contributions=contributions,
        scale="logit of yes",
        curves=[
            EffectCurve("age", [0.0, 50.0], np.array([[0.0, 1.0], [0.5, 2.0]])),
            # The mean of these equal numbers is larger than each of them.
            EffectCurve("city", ["Lyon", "Oslo"], np.full((3, 2), 0.1)),
        ],
        worst=pd.DataFrame({"age": [np.nan, 51.0], "city": ["Lyon", "x" * 90]}),
        worst_contributions=contributions,
        worst_numbers=[7, 3],
        worst_answers=[("yes", "no (98%)"), ("no", "yes (91%)")],
        slices=[],
    )
    bars, curves, worst, slices = reason_sections(reasons)
    assert [row[0].text for row in bars.table.cells] == ["age", "city"]
    assert [row[1].text for row in bars.table.cells] == ["2.00", "0.38"]
    assert bars.table.cells[0][0].bar == 1
    assert list(curves.figures) == ["age", "city"]
    assert worst.table.cells[0][3].text == "age = missing (+1); city = Lyon (+0.5)"
    assert worst.table.cells[1][3].text == f"age = 51 (-3); city = {'x' * 57}... (+0.25)"
    assert slices.table is None
    assert "larger beyond chance" in slices.text
