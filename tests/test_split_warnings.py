"""Reasons why a random split makes a score too good."""

import numpy as np
import pandas as pd

from kerasnn.datasets import checked_table, infer_schema
from kerasnn.datasets.profiling.split_warnings import split_notices
from kerasnn.datasets.schema.target import target_values

ROWS = 400
RANDOM = np.random.default_rng(5)
TESTED = RANDOM.random(ROWS) < 0.25


def warned(table):
    schema = infer_schema(table, target="y")
    values = target_values(table["y"], schema.target)
    checked = checked_table(table, schema)
    notices = split_notices(table, checked, values, schema.target, TESTED)
    return {notice.code: notice for notice in notices}


def numbers(**columns):
    x = RANDOM.normal(size=(ROWS, 2))
    y = x[:, 0] + RANDOM.normal(size=ROWS)
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], **columns, "y": y})


def test_independent_rows_give_no_warning():
    assert warned(numbers()) == {}


def test_rows_on_both_sides_are_counted():
    table = numbers()
    copies = np.flatnonzero(TESTED)[:30]
    table.iloc[copies] = table.iloc[np.flatnonzero(~TESTED)[:30]].to_numpy()
    notice = warned(table)["repeated-rows"]
    assert notice.rows == 30
    assert f"30 of {TESTED.sum()} test rows" in notice.message


def test_equal_rows_of_columns_with_few_values_are_chance():
    votes = pd.DataFrame(RANDOM.choice(["yes", "no"], (ROWS, 3)), columns=list("abc"))
    assert warned(votes.assign(y=RANDOM.choice(["p", "q"], ROWS))) == {}


def test_an_entity_on_both_sides_is_a_warning_if_it_tells_the_target():
    patient = RANDOM.integers(0, 40, ROWS)
    table = numbers(patient_id=[f"P{i}" for i in patient])
    assert warned(table) == {}
    table["y"] += 5 * RANDOM.normal(size=40)[patient]
    notice = warned(table)["groups"]
    assert notice.columns == ("patient_id",)
    assert "100% of the test rows" in notice.message


def test_rows_in_the_order_of_a_time_are_a_warning():
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(ROWS), unit="D")
    assert warned(numbers(when=when))["time-order"].columns == ("when",)
    shuffled = pd.Series(when).sample(frac=1, random_state=0).to_numpy()
    assert warned(numbers(when=shuffled)) == {}


def test_a_shuffled_table_of_a_series_is_a_warning():
    hours = RANDOM.permutation(ROWS)
    walk = np.cumsum(RANDOM.normal(size=ROWS))
    table = numbers(when=pd.Timestamp("2024-01-01") + pd.to_timedelta(hours, unit="h"))
    assert "similar targets" in warned(table.assign(y=walk[hours]))["time-order"].message


def test_a_year_in_order_is_a_time_and_another_number_is_not():
    assert "time-order" in warned(numbers(year=1980.0 + np.arange(ROWS) // 10))
    assert warned(numbers(weight=1980.0 + np.arange(ROWS) // 10)) == {}
