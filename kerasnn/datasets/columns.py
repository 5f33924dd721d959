"""What is known of a column once its kind is: its range, its levels, its dates."""

import numpy as np
import pandas as pd

from kerasnn.choices import ColumnKind
from kerasnn.datasets.cells import Cells, category_text
from kerasnn.datasets.checking import check_dates, check_numbers
from kerasnn.datasets.schema import MOST_LEVELS, Column
from kerasnn.errors import InputError


def described(kind: ColumnKind, name: str, cells: Cells, reason: str) -> Column:
    """A column of this kind, which has a value or more.

    Raises:
        InputError: the cells are not of this kind: no finite number, no date, or more than
            two values of a boolean.
    """
    return _BUILDERS[kind](name, cells, reason)


def _numeric(name: str, cells: Cells, reason: str) -> Column:
    values = check_numbers(name, cells)
    return Column(
        name,
        "numeric",
        reason,
        missing=cells.missing,
        low=float(np.nanmin(values)),
        high=float(np.nanmax(values)),
    )


def _levels(cells: Cells) -> tuple[list[str], list[int]]:
    """All levels, the most frequent first, of equal ones that which sorts first."""
    texts = category_text(cells)
    codes, levels = pd.factorize(texts)
    counts = np.bincount(codes[codes >= 0], minlength=len(levels))
    order = sorted(range(len(levels)), key=lambda i: (-counts[i], levels[i]))
    return [levels[i] for i in order], [int(counts[i]) for i in order]


def _categorical(name: str, cells: Cells, reason: str) -> Column:
    levels, counts = _levels(cells)
    return Column(
        name,
        "categorical",
        reason,
        missing=cells.missing,
        levels=tuple(levels[:MOST_LEVELS]),
        counts=tuple(counts[:MOST_LEVELS]),
        n_levels=len(levels),
    )


def _boolean(name: str, cells: Cells, reason: str) -> Column:
    levels, counts = _levels(cells)
    if len(levels) > 2:
        raise InputError(
            f"column {name!r} has {len(levels):,} different values, {levels[0]!r},"
            f" {levels[1]!r}, {levels[2]!r}...; a boolean has two at most"
        )
    found = dict(zip(levels, counts, strict=True))
    if cells.content == "booleans":
        order = ["False", "True"]
    else:
        order = sorted(levels, key=str.casefold)  # f t, false true, n y, no yes, 0 1
    return Column(
        name,
        "boolean",
        reason,
        missing=cells.missing,
        levels=tuple(order),
        counts=tuple(found.get(level, 0) for level in order),
        n_levels=len(levels),
    )


def _datetime(name: str, cells: Cells, reason: str) -> Column:
    values = check_dates(name, cells)
    values = values[~np.isnat(values)]
    return Column(
        name,
        "datetime",
        reason,
        missing=cells.missing,
        first=str(values.min()),
        last=str(values.max()),
    )


_BUILDERS = {
    "numeric": _numeric,
    "categorical": _categorical,
    "boolean": _boolean,
    "datetime": _datetime,
}
