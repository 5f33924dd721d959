"""Reasons for a report: contributions, effect curves and the worst of the test rows."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.datasets import Column, checked_table
from kerasnn.explanations import explained_scale
from kerasnn.reports.error_slices import error_slices
from kerasnn.reports.formatting import format_number
from kerasnn.reports.reason_sections import EffectCurve, TableReasons
from kerasnn.reports.scores import losses
from kerasnn.tables.fitting import FittedTable

MAX_EXPLAINED = 200  # rows; a row takes some milliseconds
_N_WORST = 10
_N_CURVES = 4
_CURVE_ROWS = 40
_N_VALUES = 24  # of a numeric column
_MAX_LEVELS = 10


def table_reasons(
    fitted: FittedTable, truth: NDArray[Any], predicted: NDArray[Any]
) -> TableReasons:
    """Explain some test rows and the worst ones.

    Args:
        fitted: the network and its rows.
        truth: [test rows] class indices, or float64.
        predicted: [test rows, n_classes] probabilities, or [test rows].
    """
    estimator, target = fitted.estimator, fitted.rows.target
    rows = fitted.rows.inputs(tested=True).reset_index(drop=True)
    of_rows = losses(target.task, truth, predicted)
    some = np.random.default_rng(fitted.rows.seed).permutation(len(rows))[:MAX_EXPLAINED]
    worst = np.argsort(-of_rows, kind="stable")[:_N_WORST]
    frame = estimator.explain(rows.iloc[np.concatenate([some, worst])]).iloc[:, :-1]
    contributions = frame[: len(some)]
    order = contributions.abs().mean().sort_values(ascending=False, kind="stable").index
    columns = {column.name: column for column in fitted.schema.columns}
    checked = checked_table(rows, fitted.schema)
    first = [columns[str(name)] for name in order[:_N_CURVES]]
    place = int(np.bincount(truth).argmax()) if len(target.classes) > 2 else 0
    return TableReasons(
        contributions=contributions,
        scale=_scale(target.name, target.classes),
        curves=list(_effect_curves(fitted, checked.iloc[some[:_CURVE_ROWS]], first, place)),
        worst=checked.iloc[worst],
        worst_contributions=frame[len(some) :],
        worst_numbers=worst.tolist(),
        worst_answers=[_answer(target.classes, truth[i], predicted[i]) for i in worst],
        slices=error_slices(checked, of_rows, fitted.schema.columns),
    )


def _scale(name: str, classes: Sequence[str]) -> str:
    """Name what contributions are measured in."""
    if not classes:
        return name
    return f"logit of {classes[1]}" if len(classes) == 2 else "logarithm of the probability"


def _answer(classes: Sequence[str], true: Any, predicted: Any) -> tuple[str, str]:
    """Return the texts of a true and a predicted value."""
    if not classes:
        return format_number(float(true)), format_number(float(predicted))
    best = int(np.argmax(predicted))
    return classes[int(true)], f"{classes[best]} ({predicted[best]:.0%})"


def _effect_curves(
    fitted: FittedTable, rows: pd.DataFrame, columns: Sequence[Column], place: int
) -> Iterator[EffectCurve]:
    """Yield the curve of each column that has values to vary."""
    for column in columns:
        values = _values(rows[column.name], column)
        if len(values) < 2:
            continue
        varied = pd.concat([rows] * len(values), ignore_index=True)
        varied[column.name] = pd.Series(np.repeat(np.array(values, object), len(rows)))
        if column.kind == "numeric":
            varied[column.name] = varied[column.name].astype(float)
        members = _member_values(fitted, varied)[..., place]
        shape = (len(members), len(values), len(rows))
        yield EffectCurve(column.name, values, members.reshape(shape).mean(axis=2))


def _values(cells: pd.Series, column: Column) -> list[Any]:
    """Return the values that a column is set to; none for dates and free text."""
    if column.kind == "numeric":
        known = cells.dropna().to_numpy(np.float64)
        if not len(known):
            return []
        return np.unique(np.quantile(known, np.linspace(0, 1, _N_VALUES))).tolist()
    if column.kind in ("categorical", "boolean"):
        return list(column.levels[:_MAX_LEVELS])
    return []


def _member_values(fitted: FittedTable, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Return [members, rows, values] of checked rows, on the scale of contributions."""
    network = fitted.estimator.network_
    prepared = map(tf.constant, fitted.estimator.preprocessor_.prepare(rows))
    outputs = network.common_outputs(*prepared)
    answers = explained_scale(network.config.task, network.member_answers(outputs))
    return np.asarray(answers, np.float64)
