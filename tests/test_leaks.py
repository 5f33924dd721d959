"""Columns that tell the target on their own."""

import numpy as np
import pandas as pd
import pytest

from kerasnn.datasets import checked_table, infer_schema
from kerasnn.datasets.profiling.leaks import leak_notices
from kerasnn.datasets.schema.target import target_values

ROWS = 300
RANDOM = np.random.default_rng(3)
AGE = RANDOM.normal(40, 12, ROWS)
TOWN = RANDOM.choice(["Bern", "Thun", "Chur"], ROWS)
CHURN = np.where(AGE + RANDOM.normal(0, 15, ROWS) > 45, "left", "stayed")
PRICE = 3 * AGE + RANDOM.normal(0, 20, ROWS)


def leaks(target, **columns):
    table = pd.DataFrame({"age": AGE, "town": TOWN, **columns, "target": target})
    schema = infer_schema(table, target="target")
    values = target_values(table["target"], schema.target)
    notices = leak_notices(checked_table(table, schema), values, schema.target)
    assert all(notice.is_warning for notice in notices)
    return {notice.columns[0]: notice.message for notice in notices}


def test_useful_columns_are_no_leak():
    assert leaks(CHURN) == {}
    assert leaks(PRICE) == {}


def test_the_target_in_other_words_is_named_with_the_evidence():
    found = leaks(CHURN, status=np.where(CHURN == "left", "closed", "open"))
    assert list(found) == ["status"]
    assert "100.0% of the rows right" in found["status"]
    assert "ignore=['status']" in found["status"]


def test_a_row_that_differs_does_not_hide_a_leak():
    status = np.where(CHURN == "left", "closed", "open")
    status[0] = "open" if status[0] == "closed" else "closed"
    assert "status" in leaks(CHURN, status=status)


def test_a_cell_that_is_filled_in_for_one_class_only_is_a_leak():
    when = pd.Series(RANDOM.integers(1, 500, ROWS).astype(float))
    assert list(leaks(CHURN, final_bill=when.where(CHURN == "left"))) == ["final_bill"]


@pytest.mark.parametrize("leak", [PRICE * 0.92 + 5, np.exp(PRICE / 50)])
def test_a_number_that_is_computed_from_the_target_is_a_leak(leak):
    assert list(leaks(PRICE, other=leak)) == ["other"]


def test_a_table_in_the_order_of_its_target_has_no_leak_in_a_constant_column():
    order = np.argsort(CHURN)
    table = pd.DataFrame({"flag": [0.0] * 299 + [1.0], "target": CHURN[order]})
    schema = infer_schema(table, target="target")
    values = target_values(table["target"], schema.target)
    assert leak_notices(checked_table(table, schema), values, schema.target) == []
