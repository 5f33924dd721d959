import datetime as dt

import numpy as np
import pandas as pd
import pytest

from kerasnn import InputError
from kerasnn.datasets import ReadOptions, infer_target, usable_rows
from kerasnn.datasets.cells.factorized import factorize
from kerasnn.datasets.schema.kinds import CellOptions
from kerasnn.datasets.schema.target import target_notices, target_values


@pytest.mark.parametrize(
    ("values", "classes", "counts", "reason"),
    [
        (["b", "a", "b", "a", "b"], ("a", "b"), (2, 3), "text, 2 different"),
        ([True, False] * 2, ("False", "True"), (2, 2), "true or false"),
        (
            [1, -1, 1, -1],
            ("-1", "1"),
            (2, 2),
            "whole numbers, 2 different in 4 rows; task= says otherwise",
        ),
        (
            np.array([2.0, 10.0, 1.0] * 10),
            ("1", "2", "10"),
            (10, 10, 10),
            "whole numbers, 3 different in 30 rows; task= says otherwise",
        ),
        (
            ["2", "10", "1"] * 10,
            ("1", "2", "10"),
            (10, 10, 10),
            "whole numbers, 3 different in 30 rows; task= says otherwise",
        ),
        (
            pd.Series([1.5, 2.5, 1.5, 2.5], dtype="category"),
            ("1.5", "2.5"),
            (2, 2),
            "a category column, 2 different",
        ),
    ],
)
def test_classes_are_found_in_order(values, classes, counts, reason):
    target = infer_target(values)
    assert (target.task, target.reason) == ("classification", reason)
    assert (target.classes, target.counts) == (classes, counts)
    assert (target.low, target.high) == (None, None)


@pytest.mark.parametrize(
    ("values", "low", "high", "reason"),
    [
        ([1.5, 2, 3], 1.5, 3.0, "numbers that are not whole"),
        (["1.5", "2"], 1.5, 2.0, "numbers that are not whole"),
        (
            range(30),
            0.0,
            29.0,
            "whole numbers, 30 different in 30 rows; task= says otherwise",
        ),
        (
            list(range(21)) * 100,
            0.0,
            20.0,
            "whole numbers, 21 different in 2,100 rows; task= says otherwise",
        ),
        (
            [1, 2, 3] * 9,
            1.0,
            3.0,
            "whole numbers, 3 different in 27 rows; task= says otherwise",
        ),
    ],
)
def test_amounts_are_a_regression(values, low, high, reason):
    target = infer_target(values)
    assert (target.task, target.reason) == ("regression", reason)
    assert (target.low, target.high, target.classes) == (low, high, ())


def test_the_task_can_be_said():
    assert infer_target([0, 1] * 5, task="regression").reason == "as asked"
    assert infer_target([0, 1] * 5, task="regression").high == 1.0
    target = infer_target([1.5, 2, "x"] * 2, task="classification")
    assert target.classes == ("1.5", "2", "x")


def test_the_name_is_that_of_the_series():
    assert infer_target(pd.Series([1.5, 2], name="price")).name == "price"
    assert infer_target(pd.Series([1.5, 2])).name == "y"
    assert infer_target([1.5, 2], name="t").name == "t"


@pytest.mark.parametrize(
    ("values", "task", "message"),
    [
        ([None, np.nan, "?"], None, "has no values: all 3 rows are missing"),
        ([], None, "has no values: there are no rows"),
        (
            ["a", "b", " NA ", None],
            None,
            "is missing in 2 of 4 rows, first in row 2. Fill it in, or leave these rows"
            " out",
        ),
        (
            ["a", "a"],
            None,
            "is constant: all 2 rows are 'a'. There is nothing to tell apart; is it the"
            " right column?",
        ),
        (
            np.array([3, 3, 3]),
            "regression",
            "is constant: all 3 rows are 3. There is nothing to tell apart; is it the right"
            " column?",
        ),
        (
            ["a", "b", "a", "a"],
            None,
            "has a class with one row only: 'b', row 1. Each class needs two rows or more:"
            " add some, leave the class out or, where it is a number, say"
            " task='regression'",
        ),
        (
            [f"class {i}" for i in range(7)],
            None,
            "has classes with one row only: 'class 0', 'class 1', 'class 2', 'class 3',"
            " 'class 4', .... Each class needs two rows or more: add some, leave the class"
            " out or, where it is a number, say task='regression'",
        ),
        (np.array([1.5, np.inf]), None, "row 1: inf is not finite"),
        ([1, -np.inf], "regression", "row 1: -inf is not finite"),
        (
            ["1.5", "?x", "2"],
            "regression",
            "row 1: '?x' is not a number, and task='regression' needs numbers",
        ),
        (
            [dt.date(2020, 1, 1), dt.date(2021, 1, 1)],
            None,
            "holds dates; give numbers, such as days, or say task='classification'",
        ),
        (
            [1, 2, 1, "two"],
            None,
            "has values of two types: row 0 is 1, row 3 is 'two'. Put the rows right, or"
            " say task='classification'",
        ),
    ],
)
def test_a_target_that_cannot_be_used_is_told(values, task, message):
    with pytest.raises(InputError) as caught:
        infer_target(values, name="grade", task=task)
    assert str(caught.value).removeprefix("the target 'grade'").lstrip(", ") == message
    assert str(caught.value).startswith("the target 'grade'")


def lenient(**options):
    return CellOptions(ReadOptions(**options), is_lenient=True)


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        (["$1,234", "$7.50"], 7.5, 1234.0),
        (["44,2", "1.234,5"], 44.2, 1234.5),
        (["12%", "7.5%"], 0.075, 0.12),
    ],
)
def test_numbers_in_local_dress_are_amounts(values, low, high):
    target = infer_target(values, name="price")
    assert (target.task, target.low, target.high) == ("regression", low, high)
    assert target_values(pd.Series(values[::-1]), target).tolist() in (
        [low, high],
        [high, low],
    )
    assert infer_target(values, task="regression").low == low


def test_counts_with_rare_values_are_amounts():
    target = infer_target([0, 1, 2] * 30 + [7])
    assert target.task == "regression"
    assert "in one row only" in target.reason
    assert infer_target([0, 1, 2] * 30 + [7, 7]).task == "classification"


def test_rows_without_a_usable_target_are_left_out_and_said():
    values = pd.Series(["a", "b", None, "a", "b", "c", "NA"], name="y")
    target = infer_target(values, cells=lenient())
    assert (target.classes, target.counts) == (("a", "b"), (2, 2))
    usable = usable_rows(values, target)
    assert usable.tolist() == [True, True, False, True, True, False, False]
    assert target_values(values[usable], target).tolist() == [0, 1, 0, 1]
    notices = target_notices(factorize(values), target)
    assert [(n.code, n.rows) for n in notices] == [
        ("missing-target", 2),
        ("one-row-class", 1),
    ]
    for strict in (None, CellOptions(ReadOptions(strict=True))):
        with pytest.raises(InputError, match="is missing in 2 of 7 rows"):
            infer_target(values, cells=strict)


def test_stray_cells_of_a_target_of_numbers_are_missing():
    values = pd.Series([*(str(i + 0.5) for i in range(30)), "unknown", "inf"], name="y")
    target = infer_target(values, cells=lenient())
    assert (target.task, target.high) == ("regression", 29.5)
    assert usable_rows(values, target).tolist() == [True] * 30 + [False] * 2
    with pytest.raises(InputError, match="is not a number"):
        infer_target(values)


def test_what_is_left_must_be_a_target():
    with pytest.raises(InputError, match="is constant: all 3 rows are 'a'"):
        infer_target(["a", "a", None, "b"], cells=lenient())
    with pytest.raises(InputError, match="with one row only"):
        infer_target(["a", "b", "c"], cells=lenient())


def test_other_spellings_of_the_classes_are_the_same_truths():
    target = infer_target(["no", "Yes"] * 5)
    assert target.classes == ("Yes", "no")
    rows = pd.Series(["YES", "false", "1", "0.0", "no"])
    assert target_values(rows, target).tolist() == [0, 1, 0, 1, 1]
    assert target_values(pd.Series([True, False]), target).tolist() == [0, 1]
    mixed = infer_target(["True", "TRUE", "True", "false"] * 2)
    assert (mixed.classes, mixed.counts) == (("False", "True"), (2, 6))
    with pytest.raises(InputError, match="'maybe' is not one of the classes"):
        target_values(pd.Series(["maybe"]), target)


def test_a_nullable_boolean_is_false_and_true():
    values = pd.Series([True, False, None] * 2, dtype="boolean")
    assert infer_target(values, cells=lenient()).classes == ("False", "True")


def test_long_whole_numbers_that_differ_in_most_rows_are_amounts():
    amounts = [2**55 + 1000 * i for i in range(60)]
    for values in (amounts, [str(value) for value in amounts]):
        assert infer_target(values, cells=CellOptions(is_lenient=True)).task == "regression"
    codes = [2**55, 2**55 + 1] * 30
    assert infer_target(codes).classes == (str(2**55), str(2**55 + 1))


def test_classes_that_differ_only_in_case_are_said():
    column = factorize(["Good", "bad", "Bad", "Good", "bad", "Bad"])
    (notice,) = target_notices(column, infer_target(column))
    assert (notice.code, notice.is_warning) == ("alike-classes", True)
    assert "'Bad', 'bad'" in notice.message


def test_a_class_that_reads_as_missing_is_named():
    with pytest.raises(InputError, match="3 are missing: empty, or a text such as '-'"):
        infer_target(["+", "-"] * 3, cells=CellOptions(is_lenient=True))


def test_many_rows_in_classes_of_their_own_are_a_warning():
    names = factorize(["a", "a", "b", "b", *"cdefg"])
    target = infer_target(names, cells=CellOptions(is_lenient=True))
    (notice,) = target_notices(names, target)
    assert (notice.code, notice.is_warning) == ("one-row-class", True)


def test_times_may_be_durations_to_predict():
    times = ["0:58:30", "1:02:03", "2:15:00"] * 4
    with pytest.raises(
        InputError, match="times of day or durations; say task='regression'"
    ):
        infer_target(times)
    target = infer_target(times, task="regression")
    assert (target.task, target.low, target.high) == ("regression", 3510, 8100)
    longer = infer_target(["30:15:00", "1:02:03", "2:15:00"] * 4)
    assert (longer.task, longer.high) == ("regression", 108900)
