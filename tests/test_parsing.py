"""What a cell says does not depend on the dtype of its column."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnn import InputError
from kerasnn.datasets import MISSING_TEXTS, category_text
from kerasnn.datasets.cells.factorized import factorize
from kerasnn.datasets.cells.parsing import are_plain_numbers, dates, numbers

WHOLE = ["1", "2", None, "1"]


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, None, 1],
        [1.0, 2.0, None, 1.0],
        ["1", "2", None, "1"],
        ["1.0", " 2 ", "?", "1.0"],
        np.array([1, 2, np.nan, 1]),
        np.array(["1", "2", "NA", "1"]),
        pd.Series([1, 2, None, 1], dtype="Int64"),
        pd.Series(["1", "2", None, "1"], dtype="category"),
        pd.Series([1, 2, None, 1], dtype="category"),
        pd.Series(["1", "2", None, "1"], dtype="string"),
        [Decimal(1), Decimal("2.0"), pd.NA, 1],
        [b"1", 2, pd.NaT, np.float32(1)],
    ],
    ids=lambda values: f"{type(values).__name__} {getattr(values, 'dtype', '')}",
)
def test_whole_numbers_have_one_text(values):
    assert category_text(values).tolist() == WHOLE


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([True, False, None, 1], ["True", "False", None, "1"]),
        ([np.float32(0.1), 0.1, 1e300, 2.5e-7], ["0.1", "0.1", "1e+300", "2.5e-07"]),
        ([-0.0, "-3.0", 2**60], ["0", "-3", "1152921504606846976"]),
        (["007", "1.50", "1e3", "v1.0"], ["007", "1.50", "1e3", "v1.0"]),
        ([dt.date(2020, 2, 3), None], ["2020-02-03T00:00:00", None]),
        (
            pd.to_datetime(["2020-02-03T04:05:06.7+02:00"]).to_series(),
            ["2020-02-03T02:05:06"],
        ),
        (
            [*MISSING_TEXTS, " NA ", "none", "unknown"],
            [None] * (len(MISSING_TEXTS) + 1) + ["none", "unknown"],
        ),
        ([], []),
    ],
)
def test_each_value_has_its_text(values, texts):
    found = category_text(values)
    assert found.dtype == object
    assert found.tolist() == texts


@pytest.mark.slow
@given(st.lists(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text())))
def test_a_text_of_a_level_is_its_own_text(values):
    once = category_text(values)
    assert category_text(once).tolist() == once.tolist()


@given(
    st.lists(st.one_of(st.none(), st.booleans(), st.integers(0, 2), st.text(max_size=1)))
)
def test_cells_put_together_again_are_the_column(values):
    column = factorize(values)
    assert len(set(map(repr, column.values))) == len(column.values)
    assert column.counts.sum() + column.missing == len(values)
    for code, value in zip(column.codes, values, strict=True):
        text = value.strip() if isinstance(value, str) else value
        if code < 0:
            assert text is None or text in MISSING_TEXTS
        else:
            assert repr(column.values[code]) == repr(text)


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_numbers_written_as_text_are_the_same_numbers(values):
    read, wrong = numbers([repr(value) for value in values])
    np.testing.assert_array_equal(read, values)
    assert not wrong.any()
    finite = [repr(value) for value in values if np.isfinite(value)]
    assert are_plain_numbers(factorize(finite)) or not finite


def test_numbers_are_read_as_python_writes_them():
    texts = ["1", "-2.5e3", " .5 ", "+7", "1.", "007", "inf", "-Infinity", "", "?"]
    read, wrong = numbers(texts)
    np.testing.assert_array_equal(
        read, [1, -2500, 0.5, 7, 1, 7, np.inf, -np.inf, np.nan, np.nan]
    )
    assert not wrong.any()


@pytest.mark.parametrize(
    "text", ["1_000", "1,5", "0x10", "1e", ".", "-", "\u0661", "12 kg"]
)
def test_other_text_is_no_number(text):
    read, wrong = numbers([text, "1"])
    assert np.isnan(read[0])
    assert wrong.tolist() == [text not in MISSING_TEXTS, False]


@pytest.mark.parametrize("text", ["007", "-01", "12345678901234567890", "9007199254740993"])
def test_codes_of_digits_are_not_plain_numbers(text):
    assert not are_plain_numbers(factorize([text, "1"]))


def test_dates_are_read_to_the_second_in_utc():
    values = [
        "2020-02-29",
        "2020-02-29T23:59:59.999",
        "2020-02-29 12:30",
        "2020-02-29T12:30:00Z",
        "2020-02-29T12:30:00+02:00",
        "9999-12-31",
        "0001-01-01",
        dt.date(2020, 2, 29),
        np.datetime64("2020-02-29T01:02:03.5"),
        pd.Timestamp("2020-02-29T01:02:03.123456789"),
        None,
    ]
    read, wrong = dates(values)
    assert read.dtype == "datetime64[s]"
    assert not wrong.any()
    assert read.astype(str).tolist() == [
        "2020-02-29T00:00:00",
        "2020-02-29T23:59:59",
        "2020-02-29T12:30:00",
        "2020-02-29T12:30:00",
        "2020-02-29T10:30:00",
        "9999-12-31T00:00:00",
        "0001-01-01T00:00:00",
        "2020-02-29T00:00:00",
        "2020-02-29T01:02:03",
        "2020-02-29T01:02:03",
        "NaT",
    ]


@pytest.mark.parametrize(
    "value",
    ["2021-02-29", "31/12/2020", "20201231", "2020-13-1", "9999-12-31T23:59-01", 2020],
)
def test_what_is_no_date_is_told(value):
    read, wrong = dates([value, "2020-01-01"])
    assert np.isnat(read[0])
    assert wrong.tolist() == [True, False]


@pytest.mark.parametrize(
    ("series", "message"),
    [
        (
            pd.Series([[1], [2]], name="tags"),
            "column 'tags' holds [1], of type list; cells are numbers, text, booleans or"
            " dates",
        ),
        (
            pd.Series([1j, 2], name="z"),
            "column 'z' holds 1j, of type complex; cells are numbers, text, booleans or"
            " dates",
        ),
    ],
)
def test_other_cells_are_refused(series, message):
    for read in (factorize, category_text, numbers, dates):
        with pytest.raises(InputError) as caught:
            read(series)
        assert str(caught.value) == message
