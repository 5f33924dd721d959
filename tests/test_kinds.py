"""What cells mean: stray cells, truths, numbers and dates in several dresses."""

import dataclasses
import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnn import InputError
from kerasnn.datasets import (
    ColumnHints,
    ReadOptions,
    Schema,
    check_rows,
    checked_table,
    infer_schema,
)
from kerasnn.datasets.cells.number_format import NumberFormat
from kerasnn.datasets.cells.parsing import spelling_key

NUMBERS = [str(1.5 * i + 0.25) for i in range(20)]


def infer(values, *, reading=None, **hints):
    """The schema of a column `a` beside a column of numbers."""
    table = {"a": values, "other": [1.5] * (len(values) - 1) + [2.5]}
    return infer_schema(table, hints=ColumnHints(**hints), reading=reading)


def codes(schema):
    return [notice.code for notice in schema.notices]


# ---------------------------------------------------------------------- stray cells


@pytest.mark.parametrize(
    ("values", "kind", "texts"),
    [
        ([*NUMBERS, "abc", "Unknown"], "numeric", ("abc", "Unknown")),
        (["1.5", "2", "unknown", "TBD"], "numeric", ("unknown", "TBD")),
        (["1", "2", "inf"], "numeric", ("inf",)),
        ([*NUMBERS[:9], "abc"], "categorical", ()),
        ([*NUMBERS[:12], *"ab"], "categorical", ()),
        ([*NUMBERS[:15], "007"], "categorical", ()),  # a code would lose its zeros
        (["2020-01-01", "2021-05-06", "missing"], "datetime", ("missing",)),
        (["2020-01-01"] * 30 + ["2020-05-06", "2020-02-30"], "datetime", ("2020-02-30",)),
        (["yes", "no"] * 20 + ["unknown"], "boolean", ("unknown",)),
        (["ja", "nein"] * 20 + ["unknown"], "boolean", ("unknown",)),
        (["yes", "no", "unknown"] * 9, "categorical", ()),  # a level of its own
        ([1.5, 2, 3, "unknown"], "numeric", ("unknown",)),
    ],
)
def test_a_few_stray_cells_are_missing(values, kind, texts):
    schema = infer(values)
    column = schema.column("a")
    assert (column.kind, column.missing_texts) == (kind, texts)
    assert column.missing == len(texts)
    assert codes(schema) == (["stray-cells"] if texts else [])
    again = Schema.from_dict(schema.to_dict())
    assert again == schema
    rows = {"a": values, "other": np.ones(len(values))}
    assert checked_table(rows, again)["a"].isna().sum() == len(texts)


def test_the_notice_names_rows_texts_and_the_way_out():
    (notice,) = infer([*NUMBERS, "abc", "?", "Unknown", "abc"]).notices
    assert (notice.columns, notice.rows) == (("a",), 3)
    for part in (
        "3 cells of 24",
        "'abc', 'Unknown'",
        "rows 20, 22, 23",
        "categorical=['a']",
    ):
        assert part in notice.message
    kept = infer([*NUMBERS, "abc"], categorical=["a"])
    assert kept.column("a").n_levels == 21
    assert not kept.notices


@pytest.mark.parametrize("values", [[*NUMBERS, "abc"], ["2020-01-01", "2021-01-01", "tbd"]])
def test_strict_makes_stray_cells_an_error(values):
    with pytest.raises(InputError, match="values of two types"):
        infer(values, reading=ReadOptions(strict=True))


def test_a_hint_reads_the_other_cells_as_missing():
    schema = infer(["1", "2", "x"], numeric=["a"])
    assert schema.column("a").missing_texts == ("x",)
    with pytest.raises(InputError, match="is not a number"):
        infer(["1", "2", "x"], numeric=["a"], reading=ReadOptions(strict=True))


def test_infinite_numbers_are_missing_where_tables_are_read():
    values = [1.5, np.inf, 2.0, -np.inf]
    with pytest.raises(InputError, match="row 1: inf is not finite"):
        infer(values)
    schema = infer(values, reading=ReadOptions())
    assert (schema.column("a").missing, codes(schema)) == (2, ["infinite-cells"])
    table = checked_table({"a": [np.inf, 1.0], "other": [1, 2]}, schema)
    assert table["a"].isna().tolist() == [True, False]


def test_texts_that_the_user_names_are_missing_in_every_column():
    table = {"a": [1, -999, 3.0], "b": ["x", "none", "y"], "c": ["yes", "no", "-999"]}
    schema = infer_schema(table, reading=ReadOptions(na=("-999", "none")))
    assert [c.missing for c in schema.columns] == [1, 1, 1]
    for rows in (table, {**table, "a": ["1", "-999.00", "3"]}):
        assert checked_table(rows, schema).isna().sum().tolist() == [1, 1, 1]


# ---------------------------------------------------------------------- truths


@pytest.mark.parametrize(
    "pair",
    [
        ("False", "True"),
        ("FALSE", "TRUE"),
        ("no", "Yes"),
        ("off", "ON"),
        ("n", "Y"),
        (0, 1),
    ],
)
def test_all_spellings_of_truths_give_one_table(pair):
    truths = np.array([0, 1, 1, 0] * 3)
    schema = infer_schema({"a": truths.astype(bool), "other": range(12)})
    rows = {"a": [pair[i] for i in truths], "other": range(12)}
    expected = ["True" if i else "False" for i in truths]
    assert checked_table(rows, schema)["a"].tolist() == expected
    if pair != (0, 1):
        assert undressed(infer_schema(rows)) == undressed(schema)


def test_mixed_cases_are_one_kind():
    column = infer(["True", "TRUE", "true", "False", "1"]).column("a")
    assert (column.kind, column.levels, column.counts) == (
        "boolean",
        ("False", "True"),
        (1, 4),
    )


def test_zeros_and_ones_may_be_spelled_later():
    schema = infer([0, 1, 1, 0])
    assert schema.column("a").kind == "numeric"
    rows = {"a": ["TRUE", "no", "1", "0.0"], "other": [1] * 4}
    assert checked_table(rows, schema)["a"].tolist() == [1, 0, 1, 0]
    with pytest.raises(InputError, match="'yes' is not a number"):
        checked_table({"a": ["yes"], "other": [1]}, infer([0, 1, 2]))


def test_levels_of_older_schemas_take_other_spellings():
    old = Schema.from_dict(
        {
            "format": 1,
            "columns": [{"name": "a", "kind": "boolean", "levels": ["no", "yes"]}],
        }
    )
    cells = [True, "FALSE", "yes", 1, 0, "maybe", None]
    found = checked_table({"a": cells}, old)["a"]
    assert found.tolist() == ["yes", "no", "yes", "yes", "no", "maybe", None]


# ---------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("limits", "read"),
    [
        (["<0.5", "> 100", "90+", "\u22653", "~5"], [0.5, 100, 90, 3, 5]),
        (["<=1,000.5", "2,000+", "<1,000"], [1000.5, 2000, 1000]),
    ],
)
def test_limits_are_read_as_their_numbers(limits, read):
    schema = infer([*NUMBERS, *limits])
    column = schema.column("a")
    again = Schema.from_dict(json.loads(schema.to_json()))
    found = checked_table({"a": [*limits, "0.5"], "other": [1] * (len(limits) + 1)}, again)
    assert (column.kind, column.missing_texts) == ("numeric", ())
    assert codes(schema)[0] == "limit-cells"
    assert f"{limits[0]!r} as {read[0]:g}" in schema.notices[0].message
    assert found["a"].tolist() == [*read, 0.5]
    assert not check_rows({"a": [limits[0]], "other": [1]}, again, strict=False).notices


@pytest.mark.parametrize(
    "values",
    [
        ["0", "1", "2", "3+"] * 5,  # as few as categories have
        [">50K", "<=50K"] * 5,
        [*NUMBERS[:12], ">5", "<=5"],  # neither of them is 5
        [str(n) + mark for n in range(1, 7) for mark in ("", "+", "-")],  # school marks
        ["18-25", "26-35", "36-50", "51+"] * 5,
    ],
)
def test_texts_that_only_look_like_limits_are_categories(values):
    schema = infer(values)
    assert schema.column("a").kind == "categorical"
    assert "limit-cells" not in codes(schema)


@pytest.mark.parametrize("cell", ["1" * 5000, "<" + "1" * 5000, "1" * 5000 + "+"])
def test_a_number_of_thousands_of_digits_is_told(cell):
    schema = infer([*NUMBERS, "<0.5"])
    with pytest.raises(InputError, match="column 'a', row 0: "):
        checked_table({"a": [cell], "other": [1]}, schema)


def test_a_limit_is_read_among_later_rows():
    schema = infer([*NUMBERS, "1.25"])
    rows = {"a": ["<0.5", "1.5"], "other": [1, 1]}
    result = check_rows(rows, schema, strict=False)
    assert "limits such as <5 and 90+ as their numbers" in result.notices[0].message
    assert result.rows["a"].tolist() == [0.5, 1.5]
    unlike = {"a": ["<5 mg", "1.5"], "other": [1, 1]}  # the training has no unit
    with pytest.raises(InputError, match="'<5 mg' is not a number"):
        check_rows(unlike, schema, strict=True)


def test_the_format_is_part_of_the_schema_and_of_the_reason():
    schema = infer(["$1,234.50", "$7"])
    column = schema.column("a")
    assert column.number_format == NumberFormat(".", ",", "$")
    assert "in $" in column.reason
    again = Schema.from_dict(schema.to_dict())
    rows = {"a": ["$2,000", "3", "(4)"], "other": [1] * 3}
    assert checked_table(rows, again)["a"].tolist() == [2000, 3, -4]


def test_other_columns_tell_what_a_comma_is():
    ambiguous = {"a": ["1,234", "5,678"], "b": ["1.234", "5.678"]}
    alone = infer_schema(ambiguous)
    assert [c.high for c in alone.columns] == [5678, 5.678]
    assert codes(alone) == ["ambiguous-numbers"]
    assert "decimal=','" in alone.notices[0].message
    beside = infer_schema({**ambiguous, "c": ["44,2", "7,5"]})
    assert [c.high for c in beside.columns] == [5.678, 5678, 44.2]
    assert codes(beside) == ["ambiguous-numbers"] * 2
    said = infer_schema(ambiguous, reading=ReadOptions(decimal=","))
    assert [c.high for c in said.columns] == [5.678, 5678]
    assert not said.notices


def test_a_file_leaves_ambiguous_numbers_to_the_schema(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a;b;c\n1.234;44,2;1.5\n5.678;7,5;2.5\n")
    schema = infer_schema(path)
    assert [c.high for c in schema.columns] == [5678, 44.2, 2.5]
    assert checked_table(path, schema)["a"].tolist() == [1234, 5678]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1.234,5", "1.5"], [1234.5, 1.5]),
        (["$1,234", "$2,000"], [1234, 2000]),  # 1.234 and 2 would be out of range
        (["24,500", "1500,250"], [24.5, 1500.25]),
        (["unknown", "44,2"], [np.nan, 44.2]),
    ],
)
def test_later_rows_may_be_written_in_another_way_if_it_is_clear(cells, expected):
    schema = infer([20.0, 4000.0])
    found = check_rows({"a": cells, "other": [1, 2]}, schema, strict=True)
    np.testing.assert_array_equal(found.rows["a"], expected)
    codes = ["placeholder-cells"] * ("unknown" in cells) + ["other-format"]
    assert [notice.code for notice in found.notices] == codes


def test_later_dates_may_be_written_in_another_way_if_it_is_clear():
    schema = infer(["2021-01-05", "2021-03-01"])
    found = check_rows(
        {"a": ["25.09.2021", "01.02.2022"], "other": [1, 2]}, schema, strict=True
    )
    assert found.rows["a"].astype(str).tolist() == ["2021-09-25", "2022-02-01"]
    with pytest.raises(InputError, match="'03/04/2021' is not a date"):
        checked_table({"a": ["03/04/2021", "05/04/2021"], "other": [1, 2]}, schema)


def test_a_plain_column_tells_how_decimal_commas_are_read():
    schema = infer([1.5, 2.5])
    rows = {"a": ["4,200", "5,100"], "other": [1, 2]}
    with pytest.raises(InputError, match="decimal=','"):
        checked_table(rows, schema)
    reading = ReadOptions(decimal=",")
    found = check_rows(rows, schema, strict=True, reading=reading).rows
    assert found["a"].tolist() == [4.2, 5.1]


@pytest.mark.parametrize(
    ("values", "kind", "first"),
    [
        (pd.Series([1.5, None, 2], dtype="Float64"), "numeric", 1.5),
        (pd.to_timedelta(["1h", None, "2h"]).to_series(), "numeric", 3600.0),
        (pd.period_range("2021-03", periods=3, freq="M"), "datetime", "2021-03-01"),
        (pd.Series([dt.time(7, 30), None, dt.time(8)]), "datetime", "1970-01-01T07:30"),
        (pd.cut([1, 2, 3], 3), "categorical", "(0.998, 1.667]"),
        (pd.interval_range(0, 3), "categorical", "(0, 1]"),
        (np.array([2**60 + 1, 2**60, 2**60 + 1], np.uint64), "categorical", str(2**60 + 1)),
    ],
    ids=lambda value: str(getattr(value, "dtype", "")),
)
def test_rarer_dtypes_are_read(values, kind, first):
    schema = infer(pd.Series(values).reset_index(drop=True))
    assert schema.column("a").kind == kind
    rows = {"a": pd.Series(values).reset_index(drop=True), "other": [1, 2, 3]}
    found = checked_table(rows, schema)["a"].iloc[0]
    assert found == (pd.Timestamp(first) if kind == "datetime" else first)


def test_long_whole_numbers_are_ids_and_no_two_become_one():
    values = np.arange(30, dtype=np.uint64) + 2**60
    (left_out,) = infer(values).left_out
    assert "an id or free text: 30 different" in left_out.reason


# ---------------------------------------------------------------------- dates


def test_an_ambiguous_order_is_said():
    schema = infer(["8/4/2021", "1/2/2021", "3/3/2021"])
    (notice,) = schema.notices
    assert notice.code == "ambiguous-dates"
    assert "date_format='%d/%m/%Y'" in notice.message
    said = infer(["8/4/2021", "1/2/2021"], reading=ReadOptions(date_format="%d/%m/%Y"))
    assert said.column("a").first == "2021-02-01T00:00:00"
    assert not said.notices
    assert not infer(["8/4/2021", "1/22/2021"]).notices


def test_numbers_that_may_be_dates_are_proposed():
    values = [20210925, 20200101, 20190505]
    proposed = infer(values)
    assert (proposed.column("a").kind, codes(proposed)) == ("numeric", ["number-dates"])
    for asked in (
        infer(values, datetime=["a"]),
        infer([*map(str, values)], datetime=["a"]),
    ):
        column = asked.column("a")
        assert (column.first, column.date_format) == ("2019-05-05T00:00:00", "%Y%m%d")
        assert not asked.notices
    rows = {"a": [20210926.0, None], "other": [1, 2]}
    found = checked_table(rows, infer(values, datetime=["a"]))["a"]
    assert found.iloc[0] == pd.Timestamp("2021-09-26")


# ---------------------------------------------------------------------- at predict


def test_cells_that_cannot_be_read_are_listed_and_missing():
    schema = infer_schema(
        {"n": [1.5, 2, 3], "d": ["2020-01-01", "2020-01-02", None], "c": ["x", "y", "x"]}
    )
    rows = {"n": [1, "12 kg", np.inf], "d": ["soon", "2021-01-01", ""], "c": ["z", "x", ""]}
    checked = check_rows(rows, schema, strict=False)
    assert [(c.row, c.column, c.value) for c in checked.invalid] == [
        (0, "d", "soon"),
        (1, "n", "12 kg"),
        (2, "n", np.inf),
    ]
    assert "row 1: '12 kg' is not a number" in checked.invalid[1].message
    assert checked.rows["n"].isna().tolist() == [False, True, True]
    assert checked.rows["d"].isna().tolist() == [True, False, True]
    with pytest.raises(InputError, match="column 'n', row 1: '12 kg'"):
        check_rows(rows, schema, strict=True)


def test_columns_without_any_known_value_are_said():
    schema = infer_schema(
        {"n": [1.5, 2, 3], "c": ["x", "y", "x"], "b": [True, False, None]}
    )
    rows = {"n": [None, None], "c": ["z", None], "b": ["up", "down"]}
    notices = check_rows(rows, schema, strict=False).notices
    assert [n.columns for n in notices] == [("n",), ("c",), ("b",)]
    assert all(n.code == "unseen-column" and n.is_warning for n in notices)
    assert "no level that the network knows (it has 'z')" in notices[1].message
    known = {"n": [1, None], "c": ["z", "x"], "b": ["yes", "no"]}
    assert not check_rows(known, schema, strict=False).notices


# ---------------------------------------------------------------------- one table


def undressed(schema):
    """The schema without what may differ: reasons and formats."""
    plain = {"reason": "", "number_format": None, "date_format": "", "missing_texts": ()}
    columns = tuple(dataclasses.replace(c, **plain, has_zone=None) for c in schema.columns)
    return dataclasses.replace(schema, columns=columns)


def german(value):
    return f"{value:,.2f}".replace(",", " ").replace(".", ",").replace(" ", ".")


NUMBER_DRESSES = (
    repr,
    german,
    "{:,.2f}".format,
    "${:,.2f}".format,
    lambda v: f"{german(v)} \u20ac",
    lambda v: f"({-v:,.2f})" if v < 0 else f"{v:,.2f}",
    float,
)
DATE_DRESSES = (
    dt.date.isoformat,
    lambda d: d.strftime("%d/%m/%Y"),
    lambda d: d.strftime("%d.%m.%y"),
    lambda d: f"{d.month}/{d.day}/{d.year}",
    lambda d: d.strftime("%B %d, %Y"),
    lambda d: d.strftime("%d-%b-%Y"),
    lambda d: f"{d.year}-{d.month}-{d.day}",
    pd.Timestamp,
    lambda d: d,
)
TRUTH_DRESSES = (bool, str, lambda t: str(t).upper(), lambda t: "yes" if t else "No")
MISSING_DRESSES = (None, "", "NA", "#N/A", "n/a", "<NA>", ".", " ? ", np.nan)


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(
        st.tuples(
            st.floats(-1e6, 1e6).map(lambda v: round(v, 2)) | st.none(),
            st.dates(dt.date(1930, 1, 1), dt.date(2029, 12, 31)) | st.none(),
            st.booleans() | st.none(),
        ),
        max_size=8,
    ),
    dress=st.tuples(
        st.sampled_from(NUMBER_DRESSES),
        st.sampled_from(DATE_DRESSES),
        st.sampled_from(TRUTH_DRESSES),
        st.sampled_from(MISSING_DRESSES),
    ),
)
def test_one_table_in_several_dresses_is_one_table(rows, dress):
    # These rows decide what a comma is, and which field is the day.
    rows = [
        (1234.5, dt.date(2021, 1, 31), True),
        (-0.25, dt.date(2021, 12, 13), False),
        *rows,
    ]
    *dresses, missing = dress
    table = {
        name: [missing if row[i] is None else dresses[i](row[i]) for row in rows]
        for i, name in enumerate("ndt")
    }
    plain = {
        "n": np.array([row[0] for row in rows], np.float64),
        "d": pd.Series([row[1] for row in rows], dtype="datetime64[s]"),
        "t": pd.Series([row[2] for row in rows], dtype="boolean"),
    }
    expected, found = infer_schema(plain), infer_schema(table)
    assert undressed(found) == undressed(expected)
    pd.testing.assert_frame_equal(
        checked_table(table, found), checked_table(plain, expected)
    )


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        ([f"{i}.5" if i % 2 else f"{i + 1} kg" for i in range(40)], "numbers"),
        (
            [
                f"1{i % 9}.06.20{i + 10}" if i % 2 else f"Feb 1, 20{i + 10}"
                for i in range(40)
            ],
            "dates",
        ),
    ],
)
def test_a_column_written_in_several_ways_is_a_category_with_a_warning(cells, what):
    schema = infer(cells * 3)
    assert schema.column("a").kind == "categorical"
    (notice,) = schema.notices
    assert notice.code == "mixed-formats"
    assert notice.is_warning
    assert what in notice.message


def test_dates_as_text_are_no_classes():
    table = {"a": range(40), "y": [f"2021-01-{i % 28 + 1:02}" for i in range(40)]}
    with pytest.raises(InputError, match="holds dates"):
        infer_schema(table, target="y")


def test_percent_may_be_missing_later_where_the_numbers_fit():
    schema = infer(["12%", "80%"])
    rows = {"a": ["0.5", "0.2"], "other": [1, 2]}
    assert checked_table(rows, schema)["a"].tolist() == [0.5, 0.2]
    for cells in (["50", "20"], ["0.5", "50"], [0.5, 0.4, 50], ["0,5", "50"]):
        with pytest.raises(InputError, match="in percent"):
            checked_table({"a": cells, "other": [1] * len(cells)}, schema)


def test_a_point_that_may_be_either_beside_decimal_points_is_refused():
    schema = infer(["1.234,5", "5.678,25"])
    rows = {"a": ["1.446", "2.5", "145.87"], "other": [1, 2, 3]}
    with pytest.raises(
        InputError, match=r"'1\.446' may be 1446, as in the training, or 1\.446"
    ):
        checked_table(rows, schema)
    checked = check_rows(rows, schema, strict=False)
    assert [cell.row for cell in checked.invalid] == [0]
    for decimal, value in ((",", 1446), (".", 1.446)):
        reading = ReadOptions(decimal=decimal)
        found = check_rows(rows, schema, strict=True, reading=reading)
        assert found.rows["a"].tolist() == [value, 2.5, 145.87]


def test_texts_that_are_no_truths_are_said():
    schema = infer(["yes", "no"])
    found = check_rows({"a": ["yes", "maybe"], "other": [1, 2]}, schema, strict=True)
    (notice,) = found.notices
    assert notice.code == "no-truths"
    assert "1 of 2" in notice.message
    assert "'maybe'" in notice.message


@pytest.mark.parametrize(
    ("before", "cells", "expected"),
    [
        ([0.04, 0.97], ["63.7%", "4.1%"], [0.637, 0.041]),
        ([0.3, 97.0], ["63.7%", "41%"], None),  # 0.637, or 63.7
        (["3‰", "97‰"], ["6.4%", "2%"], None),
        (["3 km", "97 km"], ["$6.4", "$9"], None),
        (["63.7%", "4%"], [63.7, 4.0], None),  # typed, as in Parquet
        (["63.7%", "4%"], [0.637, np.nan], [0.637, np.nan]),
        (["63.7%", "4%"], [0.7, 0.0], [0.7, 0.0]),  # outside, and no percents either
        (["63.7%", "4%"], ["0.7", "0.8"], [0.7, 0.8]),
        (["60%", "-20%"], [0.65, -0.3], [0.65, -0.3]),
        (["60%", "-20%"], [45.0, -9.0], None),
        ([0.04, 0.637], ["70%", "0.5%"], [0.7, 0.005]),
        (["63.7%", "4%"], ["63,7", "4,5"], None),
        (["1.234,5", "1,2"], ["1.234", "12.5"], [1.234, 12.5]),
    ],
)
def test_later_numbers_of_another_size_are_read_if_it_is_clear(before, cells, expected):
    schema = infer(before)
    rows = {"a": cells, "other": [1, 2]}
    found = check_rows(rows, schema, strict=False)
    if expected is None:
        assert [cell.row for cell in found.invalid] == [0, 1]
        assert found.rows["a"].isna().all()
    else:
        assert not found.invalid
        np.testing.assert_array_equal(found.rows["a"], expected)


def test_later_dates_in_the_other_order_are_all_read_so():
    schema = infer(["25/09/2021", "01/02/2022"])
    rows = {"a": ["02/08/2020", "01/29/2021"], "other": [1, 2]}
    found = check_rows(rows, schema, strict=False)
    assert found.rows["a"].astype(str).tolist() == ["2020-02-08", "2021-01-29"]
    assert codes(found) == ["other-format"]
    both = check_rows(
        {"a": ["29/01/2021", "01/29/2021"], "other": [1, 2]}, schema, strict=False
    )
    assert [cell.row for cell in both.invalid] == [1]


def test_halves_are_no_unit():
    assert infer(["36½", "20½", "36½"]).column("a").kind == "categorical"


@pytest.mark.parametrize("other", ["no", 0, "FALSE"])
def test_truths_of_cells_and_of_text_are_one_column(other):
    schema = infer([True, other, True, other])
    assert schema.column("a").kind == "boolean"
    rows = checked_table({"a": [True, other], "other": [1, 2]}, schema)
    assert rows["a"].tolist() == ["True", "False"]


@pytest.mark.parametrize(
    ("known", "other"),
    [
        ("red", "Red"),
        ("New York", "New\u00a0York"),
        ("Z\u00fcrich", "Zu\u0308rich"),
        ("Bonn", "Bonn\u200b"),
        ("007", "7"),
        ("M\u00e1laga", "MALAGA"),
        ("18-25", "18 \u2013 25"),
        ("O'Neil", "O\u2019Neil"),
        ("New York", "new_york"),
    ],
)
def test_levels_that_are_spelled_otherwise_later_are_said(known, other):
    schema = infer([known, "x", known, "x"])
    rows = {"a": [other, "x", "new"], "other": [1, 2, 3]}
    (notice,) = check_rows(rows, schema, strict=False).notices
    assert (notice.code, notice.rows, notice.is_warning) == ("other-spellings", 1, True)
    assert f"{other!r}, which differs from {known!r}" in notice.message
    assert not check_rows({"a": ["x", "new"], "other": [1, 2]}, schema, strict=True).notices


ZONED = ["2024-05-01T10:00:00+02:00", "2024-05-01 09:30:00.5Z", "2024-06-01 08:00 UTC"]
NAIVE = ["2024-05-01 10:00", "2024-05-01T11:00:00", "2024-06-01 08:00:00"]


@pytest.mark.parametrize(("known", "other"), [(ZONED, NAIVE), (NAIVE, ZONED)])
@pytest.mark.parametrize("typed", [False, True])
def test_times_without_the_zone_of_the_training_are_said(known, other, typed):
    def cells(texts):
        return [pd.Timestamp(text) for text in texts] if typed else texts

    schema = infer(cells(known))
    rows = {"a": cells(other), "other": [1, 1, 1]}
    (notice,) = check_rows(rows, schema, strict=True).notices
    assert (notice.code, notice.is_warning) == ("other-zones", True)
    assert "all are taken as UTC" in notice.message
    same = {"a": ZONED if known is ZONED else NAIVE, "other": [1, 1, 1]}
    assert not check_rows(same, schema, strict=True).notices
    day = {"a": ["2024-05-01"] * 3, "other": [1, 1, 1]}
    assert not check_rows(day, schema, strict=True).notices


def test_levels_that_are_spelled_almost_alike_are_said():
    schema = infer(["Oslo", "oslo", "Rome", "Bonn", "Bonn "] * 3)
    assert codes(schema) == ["alike-levels"]
    assert "'Oslo', 'oslo' differ only in case" in schema.notices[0].message
    assert not codes(infer(["Oslo", "Rome", "Bonn"] * 3))


@pytest.mark.parametrize(
    ("known", "other"), [("-1", "1"), ("A+", "A-"), ("C", "C++"), ("\u304b", "\u304c")]
)
def test_other_levels_are_no_other_spelling(known, other):
    assert spelling_key(known) != spelling_key(other)


def test_numbers_in_several_units_that_are_left_out_are_said():
    values = [f"{i}.5 {'CR' if i % 2 else 'DR'}" for i in range(40)]
    schema = infer(values)
    assert [c.name for c in schema.left_out] == ["a"]
    assert codes(schema) == ["mixed-formats"]
