import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnn import InputError
from kerasnn.datasets import checked_table, infer_schema

TRAINING = {
    "age": [1, 2.5, None],
    "day": ["2020-01-01", "2020-01-02", None],
    "smokes": ["yes", "no", None],
    "city": ["Bonn", "Kiel", None],
    "constant": [1, 1, 1],
}


@pytest.fixture(scope="module")
def schema():
    return infer_schema(TRAINING)


def rows_of(table):
    return [list(row) for row in table.astype(object).where(table.notna(), None).to_numpy()]


def test_rows_come_in_the_order_and_the_dtypes_of_the_schema(schema):
    table = checked_table(TRAINING, schema)
    assert list(table.columns) == ["age", "day", "smokes", "city"]
    assert [str(dtype) for dtype in table.dtypes] == [
        "float64",
        "datetime64[s]",
        "object",
        "object",
    ]
    assert rows_of(table) == [
        [1.0, pd.Timestamp("2020-01-01"), "True", "Bonn"],
        [2.5, pd.Timestamp("2020-01-02"), "False", "Kiel"],
        [None, None, None, None],
    ]
    assert [type(cell) for cell in table.iloc[2, 2:]] == [type(None)] * 2


def test_reordered_and_extra_columns_make_no_difference(schema):
    table = pd.DataFrame(TRAINING)[["city", "constant", "smokes", "age", "day"]]
    table.insert(2, "more", [[], {}, object()])  # not even looked at
    pd.testing.assert_frame_equal(
        checked_table(table, schema), checked_table(TRAINING, schema)
    )


def test_numbers_and_dates_as_text_and_new_categories_are_taken(schema):
    table = checked_table(
        {
            "age": [" 1e3 ", "", "?", "-7"],
            "day": ["2021-05-06T07:08:09Z", dt.date(2021, 1, 1), "NA", ""],
            "smokes": [True, False, None, True],
            "city": ["Ulm", 3.0, " Kiel ", ""],
        },
        schema,
    )
    assert rows_of(table) == [
        [1000.0, pd.Timestamp("2021-05-06T07:08:09"), "True", "Ulm"],
        [None, pd.Timestamp("2021-01-01"), "False", "3"],
        [None, None, None, "Kiel"],
        [-7.0, None, "True", None],
    ]


def test_no_rows_are_no_rows(schema):
    table = checked_table(pd.DataFrame(TRAINING)[:0], schema)
    assert table.shape == (0, 4)
    assert str(table.dtypes["day"]) == "datetime64[s]"


@pytest.mark.parametrize("dtype", [object, "string", "category"])
def test_text_of_any_dtype_is_the_same(schema, dtype):
    table = pd.DataFrame(TRAINING)
    for name in ("smokes", "city", "day"):
        table[name] = table[name].astype(dtype)
    pd.testing.assert_frame_equal(
        checked_table(table, schema), checked_table(TRAINING, schema)
    )


@pytest.mark.parametrize(
    "dtype", [np.int8, np.uint64, np.float32, bool, "Int64", "Float32"]
)
def test_numbers_of_any_dtype_are_float64(dtype):
    schema = infer_schema({"a": [1.5, 2]})
    table = checked_table(pd.DataFrame({"a": pd.Series([0, 1], dtype=dtype)}), schema)
    assert table["a"].dtype == np.float64
    assert table["a"].tolist() == [0.0, 1.0]


@pytest.mark.slow
@given(st.lists(st.none() | st.floats(allow_infinity=False), min_size=1))
def test_finite_numbers_stay_as_they_are(values):
    schema = infer_schema({"a": [1.5, 2]})
    expected = np.array(values, dtype=np.float64)
    for given_as in (values, expected, [None if v is None else repr(v) for v in values]):
        found = checked_table({"a": given_as}, schema)["a"].to_numpy()
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"age": [1, 2, "12 kg"]},
            "column 'age', row 2: '12 kg' is not a number. The column is numeric: its cells"
            " are numbers, or empty where missing",
        ),
        (
            {"age": [1, dt.date(2020, 1, 2), 3]},
            "column 'age', row 1: datetime.date(2020, 1, 2) is not a number. The column is"
            " numeric: its cells are numbers, or empty where missing",
        ),
        (
            {"age": np.array([1, np.inf, np.nan])},
            "column 'age', row 1: inf is not finite. Give a finite number, or leave the"
            " cell empty where it is missing",
        ),
        (
            {"age": ["1", "2", "-1e999"]},
            "column 'age', row 2: -inf is not finite. Give a finite number, or leave the"
            " cell empty where it is missing",
        ),
        (
            {"day": ["2020-01-01", "2020-02-30", "x"]},
            "column 'day', row 1: '2020-02-30' is not a date. The column is of dates: its"
            " cells are YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS (ISO 8601), or empty where"
            " missing",
        ),
        (
            {"day": np.array([20200101, 3, 4])},
            "column 'day', row 0: 20200101 is not a date. The column is of dates: its"
            " cells are YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS (ISO 8601), or empty where"
            " missing",
        ),
        (
            {"city": ["Bonn", ["Kiel"], None]},
            "column 'city' holds ['Kiel'], of type list; cells are numbers, text, booleans"
            " or dates",
        ),
    ],
)
def test_a_cell_that_does_not_fit_is_told(schema, change, message):
    with pytest.raises(InputError) as caught:
        checked_table({**TRAINING, **change}, schema)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["age", "day", "smokes"],
            "the table has no column 'city'; it has age, day, smokes",
        ),
        (
            ["AGE", "days", "city", "other"],
            "the table has no columns 'age' (did you mean 'AGE'?), 'day' (did you mean"
            " 'days'?), 'smokes'; it has AGE, days, city, other",
        ),
        ([], "the table has no columns 'age', 'day', 'smokes', 'city'; it has no columns"),
    ],
)
def test_missing_columns_are_told(schema, names, message):
    with pytest.raises(InputError) as caught:
        checked_table({name: [1] for name in names}, schema)
    assert str(caught.value) == message


def test_many_missing_columns_are_told_in_short():
    schema = infer_schema(np.arange(20.0).reshape(2, 10) ** 2)
    with pytest.raises(InputError) as caught:
        checked_table({f"column {i}": [1] for i in range(12)}, schema)
    assert str(caught.value) == (
        "the table has no columns 'x0', 'x1', 'x2', 'x3', 'x4', 'x5' and 4 more; it has"
        " column 0, column 1, column 2, column 3, column 4, column 5, column 6, ...,"
        " column 11 (12 columns)"
    )
