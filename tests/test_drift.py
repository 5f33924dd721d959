"""New rows that are unlike those of the training."""

import numpy as np
import pandas as pd

from kerasnn.datasets import checked_table, infer_schema
from kerasnn.datasets.schema.drift import drift_notices

ROWS = 60
TRAINING = pd.DataFrame(
    {
        "area": np.linspace(20.0, 80.0, ROWS),
        "town": ["Bern", "Thun", "Chur"] * 20,
        "rooms": [1.0, 2.0, None] * 20,
    }
)
SCHEMA = infer_schema(TRAINING)


def found(**columns):
    rows = TRAINING.iloc[:20].assign(**columns)
    notices = drift_notices(checked_table(rows, SCHEMA), SCHEMA)
    return [(notice.columns, notice.message) for notice in notices]


def test_rows_of_the_training_have_no_drift():
    assert found() == []


def test_numbers_out_of_range_are_counted():
    ((columns, message),) = found(area=[500.0] * 8 + [30.0] * 12)
    assert columns == ("area",)
    assert "8 of 20 rows" in message
    assert "20 to 80" in message


def test_levels_never_seen_are_shown():
    ((columns, message),) = found(town=["BERN"] * 15 + ["Thun"] * 5)
    assert columns == ("town",)
    assert "15 of 20 rows" in message
    assert "'BERN'" in message


def test_a_column_that_is_missing_now_is_named_with_the_share_before():
    ((columns, message),) = found(rooms=[None] * 20)
    assert columns == ("rooms",)
    assert "20 of 20 rows" in message
    assert "33%" in message


def test_few_rows_say_nothing():
    rows = checked_table(TRAINING.iloc[:5].assign(area=500.0), SCHEMA)
    assert drift_notices(rows, SCHEMA) == []
