"""Hints of the user about columns: their kinds, and which to ignore."""

import dataclasses
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from kerasnn.choices import ColumnKind
from kerasnn.datasets.names import check_names
from kerasnn.errors import InputError

Hint = ColumnKind | Literal["ignore"]


@dataclass(frozen=True)
class ColumnHints:
    """Names of columns whose kind the user knows, whatever their cells look like.

    A single name may be given as text. These columns are left out only if they are
    constant.

    Args:
        numeric: numbers.
        categorical: categories.
        boolean: columns of two values at most.
        datetime: dates and times.
        text: free text.
        ignore: columns that are left out.
    """

    numeric: Iterable[str] = ()
    categorical: Iterable[str] = ()
    boolean: Iterable[str] = ()
    datetime: Iterable[str] = ()
    text: Iterable[str] = ()
    ignore: Iterable[str] = ()

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            names = getattr(self, field.name)
            names = (names,) if isinstance(names, str) else tuple(names)
            object.__setattr__(self, field.name, names)

    def by_column(self, columns: Collection[str], target: str | None) -> dict[str, Hint]:
        """Return the hint for each column that has one.

        Args:
            columns: of the table.
            target: the column to predict.

        Raises:
            InputError: a name is not a column, is the target, or has two hints.
        """
        found: dict[str, Hint] = {}
        hints: dict[Hint, Iterable[str]] = vars(self)  # type: ignore[assignment]
        for hint, names in hints.items():
            check_names(names, columns, by=hint)
            for name in names:
                if name == target:
                    raise InputError(
                        f"{name!r} is the target and cannot be in {hint} as well; task="
                        " says whether it is a class or a number"
                    )
                if found.setdefault(name, hint) != hint:
                    raise InputError(
                        f"column {name!r} is named in {found[name]} and in {hint}; one of"
                        " them"
                    )
        return found
