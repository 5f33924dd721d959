"""Placeholders, and a row of totals."""

import numpy as np
import pandas as pd
import pytest

from kerasnn.datasets import checked_table, infer_schema
from kerasnn.datasets.profiling.odd_values import odd_value_notices

ROWS = 80
RANDOM = np.random.default_rng(7)


def notices(table):
    checked = checked_table(table, infer_schema(table))
    return odd_value_notices(table, checked)


def table(**columns):
    area = RANDOM.uniform(20, 90, ROWS).round(1)
    return pd.DataFrame(
        {"area": area, "town": RANDOM.choice(["Bern", "Thun"], ROWS), **columns}
    )


def test_usual_numbers_are_no_placeholders():
    skewed = np.exp(RANDOM.normal(0, 2, ROWS))
    assert notices(table(skewed=skewed, counts=RANDOM.poisson(2, ROWS))) == []


@pytest.mark.parametrize("value", [-999, -200, 9999])
def test_a_repeated_number_far_from_all_others_is_a_placeholder(value):
    co = RANDOM.uniform(0.1, 12, ROWS).round(2)
    co[::10] = value
    (notice,) = notices(table(co=co))
    assert notice.columns == ("co",)
    assert notice.rows == 8
    assert f"na=['{value}']" in notice.message


def test_one_number_far_from_all_others_is_an_outlier():
    co = RANDOM.uniform(0.1, 12, ROWS)
    co[3] = 9999
    assert notices(table(co=co)) == []


def test_a_last_row_with_the_sums_is_named():
    sold = table(a=RANDOM.integers(1, 9, ROWS), b=RANDOM.integers(1, 9, ROWS))
    total = pd.DataFrame({"area": [sold.area.mean()], "town": ["Bern"]})
    total = total.assign(a=sold.a.sum(), b=sold.b.sum())
    (notice,) = notices(pd.concat([sold, total], ignore_index=True))
    assert notice.code == "total-row"
    assert "row, 80" in notice.message


def test_a_last_row_that_is_called_total_is_named():
    sold = table()
    sold.loc[ROWS - 1, "town"] = "Total"
    assert [notice.code for notice in notices(sold)] == ["total-row"]


def test_a_town_that_is_called_all_is_no_total():
    sold = table()
    sold.loc[[3, ROWS - 1], "town"] = "All"
    assert notices(sold) == []


def test_dates_that_mean_never_are_placeholders():
    days = pd.date_range("2020-01-01", periods=ROWS).strftime("%d.%m.%Y").to_numpy(object)
    assert notices(table(until=days)) == []
    days[::10] = "31.12.9999"
    (notice,) = notices(table(until=days))
    assert (notice.columns, notice.rows) == (("until",), 8)
    assert "9999-12-31 occurs in 8 rows" in notice.message
    assert "na=['31.12.9999']" in notice.message
