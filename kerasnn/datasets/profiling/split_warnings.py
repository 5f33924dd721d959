"""Reasons why a random split into training and test makes a score too good.

Duplicate rows, rows of one person or thing on both sides, and an order in time.
"""

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets.cells.factorized import factorize
from kerasnn.datasets.notices import Notice
from kerasnn.datasets.profiling.leaks import (
    MAX_EXAMINED_ROWS,
    leave_one_out_mean,
    neighbours_mean,
    prediction_error,
    truth_matrix,
)
from kerasnn.datasets.schema.schema import Target

_MIN_TESTED = 10
_MIN_REPEATED = 5  # test rows
_MIN_REPEATED_SHARE = 0.02
_MIN_RARE = 2  # values of a repeated row that are rare
_MAX_RARE, _MAX_RARE_SHARE = 2, 0.005  # rows with a rare value
_ENTITIES = frozenset(
    [
        *("id", "ids", "uid", "uuid", "patient", "subject", "user", "customer", "client"),
        *("person", "player", "student", "household", "family", "account", "device"),
        *("session", "participant", "respondent", "driver", "employee"),
    ]
)
_MIN_GROUPS = 5
_MIN_GROUP_ROWS = 2  # on average
_MIN_SHARED = 0.5  # of the test rows have rows of their group in the training
_TIMES = frozenset(
    ["year", "date", "time", "timestamp", "datetime", "period", "quarter", "epoch"]
)
_MIN_TIMES = 10
_TREND_REACH = 25  # rows before and after: the trend in time
_MAX_ERROR = 0.9  # of a prediction that beats another, relative to that one's error


def split_notices(
    raw: pd.DataFrame,
    checked: pd.DataFrame,
    values: NDArray[Any],
    target: Target,
    tested: NDArray[np.bool_],
    *,
    in_time: bool = False,
) -> list[Notice]:
    """Return a warning for each reason that is found.

    Args:
        raw: [rows, columns] the whole table, in its order.
        checked: [rows, columns] the columns that are used, from `checked_table`.
        values: [rows] class indices, or float64.
        target: of the values.
        tested: [rows] whether a row is a test row.
        in_time: whether all test rows are later than the others.
    """
    if not tested.any():
        return []
    truth = truth_matrix(values, target)
    found = [_few_test_rows(int(tested.sum())), _repeated_rows(checked, values, tested)]
    found += [
        _group(name, raw[name], truth, tested)
        for name in raw.columns
        if name != target.name and _words(name) & _ENTITIES
    ]
    found += [
        _time_order(name, checked[name], truth)
        for name, dtype in zip(checked.columns, checked.dtypes, strict=True)
        if not in_time
        and (dtype.kind == "M" or (dtype.kind == "f" and _words(name) & _TIMES))
    ]
    return [notice for notice in found if notice is not None]


def _few_test_rows(n_tested: int) -> Notice | None:
    if n_tested >= _MIN_TESTED:
        return None
    rows = "1 test row" if n_tested == 1 else f"{n_tested} test rows"
    message = f"scores from {rows} are unreliable: cross_validate uses all rows"
    return Notice("few-test-rows", message, rows=n_tested, is_warning=True)


def _repeated_rows(
    checked: pd.DataFrame, values: NDArray[Any], tested: NDArray[np.bool_]
) -> Notice | None:
    table = checked.assign(**{"": values})
    hashes = pd.util.hash_pandas_object(table, index=False).to_numpy()
    repeated = np.isin(hashes[tested], hashes[~tested])
    least = max(_MIN_REPEATED, _MIN_REPEATED_SHARE * len(repeated))
    if repeated.sum() < least:
        return None
    count = int((repeated & _are_rare(checked)[tested]).sum())
    if count < least:
        return None
    return Notice(
        "repeated-rows",
        f"{count:,} of {int(tested.sum()):,} test rows also occur among the training rows,"
        " with the same target: the scores are too good. Remove duplicate rows first",
        rows=count,
        is_warning=True,
    )


def _are_rare(checked: pd.DataFrame) -> NDArray[np.bool_]:
    """Return [rows] whether several values of a row are rare: a duplicate is no chance."""
    rare = np.zeros(len(checked), np.intp)
    for name in checked:
        codes, levels = pd.factorize(checked[name])
        counts = np.bincount(codes[codes >= 0], minlength=len(levels))
        counts = np.append(counts, len(codes))  # code -1 is missing
        rare += counts[codes] <= max(_MAX_RARE, _MAX_RARE_SHARE * len(checked))
    return rare >= _MIN_RARE


def _group(
    name: str, column: pd.Series, truth: NDArray[np.float64], tested: NDArray[np.bool_]
) -> Notice | None:
    codes = factorize(column).codes
    n_groups = len(np.unique(codes[codes >= 0]))
    if n_groups < _MIN_GROUPS or (codes >= 0).sum() < _MIN_GROUP_ROWS * n_groups:
        return None
    shared = np.isin(codes[tested], codes[~tested]) & (codes[tested] >= 0)
    if shared.mean() < _MIN_SHARED or not _tells_target(codes, truth):
        return None
    return Notice(
        "groups",
        f"{shared.mean():.0%} of the test rows have a {name!r} that training rows have too,"
        " and rows with the same one have similar targets: for a new one the scores are"
        f" too good. group={name!r} tests with whole groups",
        columns=(name,),
        rows=int(shared.sum()),
        is_warning=True,
    )


def _tells_target(codes: NDArray[np.intp], truth: NDArray[np.float64]) -> bool:
    by_group = prediction_error(truth, leave_one_out_mean(truth, codes + 1))
    constant = prediction_error(truth, leave_one_out_mean(truth, np.zeros_like(codes)))
    return by_group <= _MAX_ERROR * constant


def _time_order(name: str, column: pd.Series, truth: NDArray[np.float64]) -> Notice | None:
    known = column.dropna()
    if known.nunique() < _MIN_TIMES or len(known) < len(column) / 2:
        return None
    is_sorted = known.is_monotonic_increasing or known.is_monotonic_decreasing
    alike = column.dtype.kind == "M" and _neighbours_are_alike(column, truth)
    if not is_sorted and not alike:
        return None
    evidence = (
        f"the rows are in the order of {name!r}"
        if is_sorted
        else f"rows that are near in {name!r} have similar targets"
    )
    return Notice(
        "time-order",
        f"{evidence}, and the test rows are drawn at random among them: for later rows the"
        f" scores may be too good. time={name!r} tests with the latest rows",
        columns=(name,),
        is_warning=True,
    )


def _neighbours_are_alike(column: pd.Series, truth: NDArray[np.float64]) -> bool:
    """Return whether the nearest rows in time predict better than the trend."""
    order = np.argsort(column.to_numpy(), kind="stable")[: 10 * MAX_EXAMINED_ROWS]
    by_nearest, by_trend = (
        prediction_error(truth[order], neighbours_mean(truth[order], reach))
        for reach in (2, _TREND_REACH)
    )
    return by_nearest <= _MAX_ERROR * by_trend


def _words(name: str) -> set[str]:
    """Return the words of a name: {"patient", "id"} for patientId and patient_id."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", name).casefold()
    return set(re.split(r"[^a-z]+", spaced))
