"""Contributions as a DataFrame: a column for each column of the table."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.errors import InputError

MEAN = "(mean)"  # the column of the mean answer

Outputs = Mapping[str, NDArray[Any]]


def contribution_frame(
    outputs: Outputs, columns: Sequence[str], classes: Sequence[Any], *, of: Any = None
) -> pd.DataFrame:
    """Return the contributions of the columns, and the mean answer in a last column.

    A row's sum is its answer: a logit, or a value.

    Args:
        outputs: of an `Explainer`, with `probabilities` or `value`.
        columns: names of the table's columns, in order.
        classes: labels; none for a regression.
        of: the class, or the number of the value, that is explained. None explains the
            value, the second of two classes, and of more the predicted class of each row.

    Raises:
        InputError: there is no such class or value, or it must be given.
    """
    contributions = _chosen(outputs, outputs["contributions"], classes, of)
    frame = pd.DataFrame(contributions, columns=list(columns))
    name = MEAN if MEAN not in frame else f"{MEAN} of the answers"
    frame[name] = _chosen(outputs, outputs["base"], classes, of)
    return frame


def error_frame(
    outputs: Outputs, columns: Sequence[str], classes: Sequence[Any], *, of: Any = None
) -> pd.DataFrame:
    """Return the standard errors of the contributions; see `contribution_frame`."""
    errors = _chosen(outputs, outputs["standard_error"], classes, of)
    return pd.DataFrame(np.abs(errors), columns=list(columns))


def _chosen(
    outputs: Outputs, values: NDArray[Any], classes: Sequence[Any], of: Any
) -> NDArray[Any]:
    """Return [rows, ...] of one class or value, from [rows, ..., values].

    Raises:
        InputError: there is no such class or value, or it must be given.
    """
    n_classes = len(classes)
    if outputs["base"].ndim == 1:
        place = _place(classes or [0], of) if of is not None else max(n_classes - 1, 0)
        # The logit of the first of two classes is that of the second, negated.
        return -values if n_classes == 2 and place == 0 else values
    if of is not None:
        return values[..., _place(classes or range(values.shape[-1]), of)]
    if not n_classes:
        raise InputError(
            f"the answer has {values.shape[-1]} values; say which to explain: of=0,"
            " of=1, ..."
        )
    best = outputs["probabilities"].argmax(axis=1)
    return np.take_along_axis(
        values, best.reshape(-1, *[1] * (values.ndim - 1)), axis=-1
    ).squeeze(-1)


def _place(classes: Sequence[Any], of: Any) -> int:
    """Return the place of a class or value.

    Raises:
        InputError: there is none.
    """
    found = [place for place, label in enumerate(classes) if str(label) == str(of)]
    if not found:
        raise InputError(
            f"of must be a class or value of the answer: {', '.join(map(str, classes))};"
            f" got {of!r}"
        )
    return found[0]
