"""Numbers in local dress are the numbers that a person reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnn.datasets.cells.number_format import (
    NumberFormat,
    find_number_format,
    has_decimal_commas,
    is_ambiguous,
    may_be_thousands,
)


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["44,2", "157,0"], [44.2, 157.0]),
        (["1.234,5", "7", "1.234.567"], [1234.5, 7, 1234567]),
        (["$1,234", "$5", "$12,345.50"], [1234, 5, 12345.5]),
        (["1,234.50 \u20ac", "7.00 \u20ac"], [1234.5, 7]),
        (["EUR 5,50", "6,70"], [5.5, 6.7]),
        (["CHF 1'234.50", "CHF 7.00"], [1234.5, 7]),
        (["12%", "0.5 %", "7%", "0"], [0.12, 0.005, 0.07, 0]),
        (["1 234", "1\u00a0234\u202f567,5"], [1234, 1234567.5]),
        (["1\u2019234.50", "7"], [1234.5, 7]),
        (["1,234", "5,678"], [1234, 5678]),
        (["12,34,567", "1,234"], [1234567, 1234]),
        (["(1,234)", "500", "($7)"], [-1234, 500, -7]),
        (["-$5", "$-5", "$5-", "\u22125"], [-5, -5, -5, -5]),
        (["12 km", "7 km", "0"], [12, 7, 0]),
        (["1.5e3", "1,000"], [1500, 1000]),
        (["20\u00b0C", "-3.5\u00b0C"], [20, -3.5]),
        (["30:15:00", "1:02:03", "2:03"], [108900, 3723, 123]),
        (["1:23.45", "58.31", "-0:01,5"], [83.45, 58.31, -1.5]),
        (["1 days 02:03:04", "-1 days +23:00:00", "1 day, 0:00:01"], [93784, -3600, 86401]),
    ],
)
def test_a_format_reads_the_numbers_of_its_column(texts, numbers):
    found = find_number_format(texts)
    assert [found.read(text) for text in texts] == numbers


@pytest.mark.parametrize(
    "texts",
    [
        ["a", "b"],
        ["192.168.1.1", "10.0.0.1"],
        ["1,2,3", "4,5,6"],
        ["A12", "B7"],
        ["+49 30 1234567", "030 7654"],
        ["2021-09-25", "Jan 7:30"],
        ["100:98", "99:97"],
        ["1:75:00", "2:60:10"],
        ["1e", "12..5"],
    ],
)
def test_other_texts_have_no_format(texts):
    assert find_number_format(texts) is None


def test_texts_of_another_unit_are_not_read():
    found = find_number_format(["12 km"] * 9 + ["5 mi"])
    assert found.read("7 km") == 7
    assert found.read("5 mi") is None
    percent = find_number_format(["12%", "7%"])
    assert percent.read("13") is None  # 13 or 0.13?
    assert found.read("km 7") is None
    mixed = find_number_format(["1 A", "2 B", "3 C"])
    assert mixed is None or mixed.read("1 A") is None


def test_a_known_separator_decides():
    for decimal, number in ((".", 1234), (",", 1.234)):
        assert find_number_format(["1,234"], decimal=decimal).read("1,234") == number
    assert find_number_format(["1.234"], decimal=",").read("1.234") == 1234
    assert find_number_format(["1.234"], thousands=".").read("1.234") == 1234
    assert find_number_format(["44,2"], decimal=".") is None
    with pytest.raises(ValueError, match="another character than thousands"):
        NumberFormat(",", ",")


@pytest.mark.parametrize(
    ("texts", "ambiguous"),
    [
        (["12", "1,234"], "1,234"),
        (["1,234", "12,345,678"], ""),
        (["1,234", "1.5"], ""),
        (["$1,234", "$17"], "$1,234"),
        (["44,2", "1,234"], ""),
    ],
)
def test_three_digits_alone_are_ambiguous(texts, ambiguous):
    assert is_ambiguous(texts, find_number_format(texts)) == ambiguous


def test_points_before_three_digits_may_be_thousands():
    assert may_be_thousands(["1.234", "5", "12.345"])
    assert not may_be_thousands(["1.234", "1.5"])
    assert not may_be_thousands(["0.234"])
    assert not may_be_thousands(["1", "2"])


def test_decimal_commas_are_seen():
    assert has_decimal_commas(["44,2", "1.234,5", "7"])
    assert not has_decimal_commas(["1,234", "7"])
    assert not has_decimal_commas(["20,22", *"123456789"])  # lists of numbers
    assert find_number_format(["20,22", *"123456789"]).read("20,22") is None
    assert not has_decimal_commas(["44,2", "1.5", "a", "b"])


@given(
    st.floats(-1e9, 1e9).map(lambda v: round(v, 2)),
    st.sampled_from([(".", ","), (",", "."), (",", " "), (".", "'")]),
    st.sampled_from(["", "$", "km"]),
)
def test_a_number_that_is_dressed_is_the_number(value, separators, unit):
    decimal, thousands = separators
    text = f"{value:,.2f}".replace(",", "T").replace(".", decimal)
    text = text.replace("T", thousands)
    text = f"{text} {unit}".strip() if unit != "$" else f"${text}"
    assert NumberFormat(decimal, thousands, unit).read(text) == value
