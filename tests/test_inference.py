import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasnn import InputError
from kerasnn.datasets import (
    MAX_LEVELS,
    Column,
    ColumnHints,
    LeftOut,
    ReadOptions,
    checked_table,
    infer_schema,
)


def infer(table, target=None, task=None, reading=None, **hints):
    return infer_schema(
        table, target=target, task=task, hints=ColumnHints(**hints), reading=reading
    )


def column(values, **given):
    """What is found of a column `a`, or why it is left out."""
    table = {"a": values, "other": [1.5] * (len(values) - 1) + [2.5]}
    schema = infer(table, **given)
    found = {c.name: c for c in (*schema.columns, *schema.left_out)}
    return found["a"]


@pytest.mark.parametrize(
    ("values", "kind", "reason"),
    [
        ([1.5, 2, None], "numeric", "numbers"),
        (list(range(11)), "numeric", "whole numbers"),
        (
            [1, 2, 3, 1],
            "numeric",
            "whole numbers, 3 different: if they are codes, give categorical=['a']",
        ),
        ([0, 1, 0], "numeric", "whole numbers, 2 different"),
        (["1.5", " 2", "?"], "numeric", "text that is all numbers, numbers"),
        ([True, False, None], "boolean", "true or false"),
        (["no", "YES", ""], "boolean", "'no' for false, 'YES' for true"),
        (["t", "f", "t"], "boolean", "'f' for false, 't' for true"),
        (["t", "y", "t"], "categorical", "text, 2 different"),
        (["m", "f", None], "categorical", "text, 2 different"),
        (["t", "f", "u"], "categorical", "text, 3 different"),
        (["007", "12", "13"], "categorical", "text, 3 different"),
        (["1.5", "2", "12 kg"], "categorical", "text, 3 different"),
        ([dt.date(2020, 1, 2), None, dt.date(2021, 1, 2)], "datetime", "dates"),
        (["2020-01-02", "", "2020-01-02 10:00"], "datetime", "text that is dates"),
        (["2020-01-02", "2020", "2021"], "categorical", "text, 3 different"),
        (["x", None], "categorical", "text, 1 different"),
    ],
)
def test_the_kind_is_found_with_its_reason(values, kind, reason):
    found = column(values)
    assert (found.kind, found.reason) == (kind, reason)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pd.Series([1, None, 3], dtype="Int64"), "numeric"),
        (np.array([1, 2], dtype=np.float32), "numeric"),
        (pd.Series([True, None, False], dtype="boolean"), "boolean"),
        (pd.Series(["x", None, "y"], dtype="string"), "categorical"),
        (pd.Series([1, 2, 1], dtype="category"), "categorical"),
        (pd.Series(["no", "yes"], dtype="category"), "categorical"),
        (pd.to_datetime(["2020-01-01", None, "2021-01-01"]).to_series(), "datetime"),
        (np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[D]"), "datetime"),
    ],
    ids=lambda value: str(getattr(value, "dtype", value)),
)
def test_the_kind_of_typed_columns(values, kind):
    assert column(values).kind == kind


def test_what_is_known_of_each_kind():
    schema = infer(
        {
            "n": [3, None, -1.5, 2, 2],
            "c": ["b", "a", "c", "b", None],
            "b": ["no", "yes", "?", "yes", "yes"],
            "d": ["2021-01-01", "1066-10-14T09:00:00", None, None, "2020-01-01"],
        }
    )
    assert schema.columns == (
        Column("n", "numeric", "numbers", missing=1, low=-1.5, high=3.0),
        Column(
            "c",
            "categorical",
            "text, 3 different",
            missing=1,
            levels=("b", "a", "c"),
            counts=(2, 1, 1),
            n_levels=3,
        ),
        Column(
            "b",
            "boolean",
            "'no' for false, 'yes' for true",
            missing=1,
            levels=("False", "True"),
            counts=(1, 3),
            n_levels=2,
        ),
        Column(
            "d",
            "datetime",
            "text that is dates",
            missing=2,
            first="1066-10-14T09:00:00",
            last="2021-01-01T00:00:00",
            has_zone=False,
        ),
    )
    assert schema.rows == 5


NAMES_30 = [f"name {i}" for i in range(30)]


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("x", [7.0] * 5, "constant: always 7"),
        ("x", ["f"] * 5, "constant: always 'f'"),
        ("x", [None, np.nan, "NA", "?"], "all values are missing"),
        (
            "x",
            NAMES_30,
            "an id or free text: 30 different texts in 30 rows; categorical=['x'] keeps it",
        ),
        (
            "x",
            [*NAMES_30[:29], "name 1", None],
            "an id or free text: 29 different texts in 30 rows; categorical=['x'] keeps it",
        ),
        (
            "PassengerId",
            [i * i for i in range(30)],
            "an id by its name, and 30 different whole numbers; numeric=['PassengerId']"
            " keeps it",
        ),
        (
            "n",
            list(range(104, 4, -1)),
            "row numbers: 5 to 104, each once; numeric=['n'] keeps it",
        ),
    ],
)
def test_what_carries_nothing_is_left_out_with_the_reason(name, values, reason):
    schema = infer({name: values, "other": [1.5] * (len(values) - 1) + [2.5]})
    assert schema.left_out == (LeftOut(name, reason),)
    assert schema.names == ("other",)


@pytest.mark.parametrize(
    "name", ["id", "customer_id", "ID code", "userID", "index", "Unnamed: 0", "Row number"]
)
def test_names_of_ids_are_known(name):
    assert infer({name: range(30), "x": [1.5] * 29 + [2]}).names == ("x",)


@pytest.mark.parametrize("name", ["width", "idea", "humidity", "row_length", "paid"])
def test_other_names_are_no_ids(name):
    assert name in infer({name: range(30), "x": [1.5] * 29 + [2]}).names


@pytest.mark.parametrize(
    "values",
    [
        NAMES_30[:20],  # too few rows to tell
        [*NAMES_30[:28], "name 0", "name 1"],  # 28 of 30 differ
        [0.5 + i for i in range(200)],  # not whole
        [*range(199), 400],  # not one after the other
        list(range(99)),  # too few to tell
        [f"2020-01-{i + 1:02}" for i in range(30)],
        pd.Series(NAMES_30, dtype="category"),
    ],
)
def test_columns_that_differ_in_each_row_without_being_ids_stay(values):
    assert isinstance(column(values), Column)


def test_whoever_names_a_column_keeps_it():
    table = {"id": range(200), "name": [f"n{i}" for i in range(200)]}
    schema = infer(table, numeric=["id"], categorical="name")
    assert [(c.name, c.kind, c.reason) for c in schema.columns] == [
        ("id", "numeric", "as asked"),
        ("name", "categorical", "as asked"),
    ]
    assert schema.columns[1].n_levels == 200


@pytest.mark.parametrize(
    ("values", "given", "levels"),
    [
        ([3, 1, 3, None], {"categorical": ["a"]}, ("3", "1")),
        ([3.5, "x", True], {"categorical": ["a"]}, ("3.5", "True", "x")),
        ([1, 0, 0, None], {"boolean": ["a"]}, ("False", "True")),
        (["yes", "NO", "1"], {"boolean": ["a"]}, ("False", "True")),
        (["m", "f"], {"boolean": ["a"]}, ("f", "m")),
        (["x", None], {"boolean": ["a"]}, ("x",)),
    ],
)
def test_a_kind_that_is_asked_for_is_given(values, given, levels):
    found = column(values, **given)
    assert (found.kind, found.levels) == (next(iter(given)), levels)


def test_text_is_read_as_the_numbers_and_dates_that_are_asked_for():
    table = {"n": ["007", "08"], "d": ["2020-01-02", None]}
    schema = infer(table, numeric=["n"], datetime=["d"])
    assert (schema.columns[0].low, schema.columns[0].high) == (7.0, 8.0)
    assert schema.columns[1].first == "2020-01-02T00:00:00"


def test_ignored_columns_are_not_looked_at():
    schema = infer({"a": [[1], [2]], "b": [1, 2]}, ignore=["a"])
    assert schema.left_out == (LeftOut("a", "as asked"),)


def test_the_target_is_no_column():
    schema = infer({"y": ["a", "b"] * 2, "x": [1, 2, 3, 4]}, target="y")
    assert schema.names == ("x",)
    assert schema.left_out == ()
    assert (schema.target.name, schema.target.classes) == ("y", ("a", "b"))
    by_task = infer({"y": [0, 1] * 2, "x": range(4)}, target="y", task="regression")
    assert by_task.target.task == "regression"


@pytest.mark.slow
def test_the_levels_of_a_column_of_a_million_levels_are_cut():
    texts = np.array([f"u{i:06}" for i in range(1_000_000)], dtype=object)
    texts[:3] = "often"
    table = {"user": texts, "x": np.arange(1_000_000) % 7}
    left_out = infer(table).left_out
    assert left_out == (
        LeftOut(
            "user",
            "an id or free text: 999,998 different texts in 1,000,000 rows;"
            " categorical=['user'] keeps it",
        ),
    )
    user = infer(table, categorical=["user"]).columns[0]
    assert user.n_levels == 999_998
    assert len(user.levels) == len(user.counts) == MAX_LEVELS == 1000
    assert user.levels[:3] == ("often", "u000003", "u000004")
    assert user.counts[:2] == (3, 1)


@given(st.lists(st.none() | st.sampled_from("abcdefg"), min_size=1), st.randoms())
def test_row_order_does_not_change_the_schema(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    assert column([*values, "z"]) == column(["z", *shuffled])


@given(st.lists(st.none() | st.integers(-5, 5) | st.floats(-1e3, 1e3), min_size=3))
def test_the_rows_that_gave_a_schema_fit_it(values):
    table = pd.DataFrame(
        {"a": values, "b": [str(v) for v in values], "c": range(len(values))}
    )
    schema = infer(table, categorical=["c"])
    checked = checked_table(table, schema)
    for found in schema.columns:
        assert checked[found.name].isna().sum() == found.missing
        if found.kind == "numeric":
            assert checked[found.name].min() == found.low


def message_of(table, **given):
    with pytest.raises(InputError) as caught:
        infer(table, **given)
    return str(caught.value)


NUMBERS_40 = [str(i * 1.5) for i in range(40)]


@pytest.mark.parametrize(
    ("values", "given", "message"),
    [
        (
            [1, 2.5, None, "x"],
            {},
            "column 'a' has values of two types: row 0 is 1, row 3 is 'x'. Put the cells"
            " right, or say categorical=['a']. Or leave the column out: ignore=['a']",
        ),
        (
            ["yes", None, True],
            {},
            "column 'a' has values of two types: row 0 is 'yes', row 2 is True. Put the"
            " cells right, or say categorical=['a']. Or leave the column out: ignore=['a']",
        ),
        (
            [*NUMBERS_40, "12 kg"],
            {"reading": ReadOptions(strict=True)},
            "column 'a' has values of two types: row 0 is '0.0', row 40 is '12 kg'. Put the"
            " cells right, or say categorical=['a']. Or leave the column out: ignore=['a']",
        ),
        (
            [1.5, np.inf, 2],
            {},
            "column 'a', row 1: inf is not finite. Give a finite number, or leave the cell"
            " empty where it is missing. Or leave the column out: ignore=['a']",
        ),
        (
            ["1", "x"],
            {"numeric": ["a"]},
            "column 'a', row 1: 'x' is not a number. The column is numeric: its cells are"
            " numbers, or empty where missing. Or leave the column out: ignore=['a']",
        ),
        (
            ["2020-01-01", "2020-01-02"] * 20 + ["2020-02-30"],
            {"reading": ReadOptions(strict=True)},
            "column 'a' has values of two types: row 0 is '2020-01-01', row 40 is"
            " '2020-02-30'. Put the cells right, or say categorical=['a']. Or leave the"
            " column out: ignore=['a']",
        ),
        (
            ["31/13/2020", "2020-01-02"],
            {"datetime": ["a"]},
            "column 'a', row 0: '31/13/2020' is not a date. The column is of dates: its"
            " cells are YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS (ISO 8601), or empty where"
            " missing. Or leave the column out: ignore=['a']",
        ),
        (
            ["x", "y", "z", "z"],
            {"boolean": ["a"]},
            "column 'a' has 3 different values, 'z', 'x', 'y'...; a boolean has two at"
            " most. Or leave the column out: ignore=['a']",
        ),
        (
            [1, [2], 3],
            {},
            "column 'a' holds [2], of type list; cells are numbers, text, booleans or"
            " dates. Or leave the column out: ignore=['a']",
        ),
    ],
)
def test_a_column_that_cannot_be_used_is_told(values, given, message):
    assert message_of({"a": values, "other": range(len(values))}, **given) == message


@pytest.mark.parametrize(
    ("table", "given", "message"),
    [
        (
            {"age": [1, 2], "sex": ["f", "m"]},
            {"target": "agee"},
            "the table has no column 'agee' (did you mean 'age'?) that target names; it has"
            " age, sex",
        ),
        (
            {"age": [1, 2], "sex": ["f", "m"]},
            {"categorical": ["sex", "town"]},
            "the table has no column 'town' that categorical names; it has age, sex",
        ),
        (
            {"age": [1, 2], "sex": ["f", "m"]},
            {"categorical": ["sex"], "ignore": ["sex"]},
            "column 'sex' is named in categorical and in ignore; one of them",
        ),
        (
            {"age": [1, 2], "sex": ["f", "m"]},
            {"target": "sex", "categorical": ["sex"]},
            "'sex' is the target and cannot be in categorical as well; task= says whether"
            " it is a class or a number",
        ),
        (
            {"age": [], "sex": []},
            {},
            "the table has no rows; a schema is inferred from rows",
        ),
        (
            {"y": [1.5, 2]},
            {"target": "y"},
            "the table has no column beside the target 'y'",
        ),
        (
            {"a": [1, 1], "b": [None, None], "c": [1, 2], "y": [1.5, 2]},
            {"target": "y", "ignore": ["c"]},
            "the table has no column that can be used beside the target 'y':\n"
            "  'a': constant: always 1\n  'b': all values are missing\n  'c': as asked",
        ),
        (
            {"a": [1, 2], "y": [None, None]},
            {"target": "y"},
            "the target 'y' has no values: all 2 rows are missing",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_told(table, given, message):
    assert message_of(table, **given) == message
