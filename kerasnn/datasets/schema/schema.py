"""The schema of a table: kinds, levels and ranges of its columns, as readable JSON.

`inference` infers a schema from rows, and `checking` checks other rows against it.
"""

import dataclasses
import datetime as dt
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, get_args

from kerasnn.choices import ColumnKind, Task
from kerasnn.datasets.cells.number_format import NumberFormat
from kerasnn.datasets.notices import Notice
from kerasnn.errors import InputError
from kerasnn.json_forms import check_form
from kerasnn.manifest import SCHEMA_FORM
from kerasnn.notebook import html_table

MAX_LEVELS = 1000  # kept of a categorical column, the most frequent ones

_FORMAT = 1


@dataclass(frozen=True)
class Column:
    """A column that the network uses.

    Attributes:
        name: as in the table.
        kind: "numeric", "categorical", "boolean", "datetime" or "text" (free text).
        reason: why it has this kind, for the user.
        missing: number of missing values.
        low, high: numeric: minimum and maximum of the finite values.
        first, last: datetime: the earliest and the latest, as ISO 8601.
        levels: categorical: the texts of its levels, by descending frequency, then sorted,
            at most `MAX_LEVELS`; boolean: "False" and "True", whatever their spelling
            was, or the two texts of a column that the user calls boolean.
        counts: rows of each of these levels.
        n_levels: number of levels before the limit; numeric: 2 if all values are 0 or 1,
            which later rows may spell as booleans.
        missing_texts: texts that are missing values of this column, beside
            `MISSING_TEXTS`.
        number_format: numeric: how text writes the numbers; None for plain ones.
        date_format: datetime: how text writes the dates, beside ISO 8601; see
            `cells.date_format`.
        repeating_only: datetime: whether only parts that repeat become features, such as
            the weekday, and not the days since 1970.
        has_zone: datetime: whether the times have a zone, and so became UTC; None if some
            have, or if it is unknown.
    """

    name: str
    kind: ColumnKind
    reason: str = ""
    missing: int = 0
    low: float | None = None
    high: float | None = None
    first: str | None = None
    last: str | None = None
    levels: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    n_levels: int = 0
    missing_texts: tuple[str, ...] = ()
    number_format: NumberFormat | None = None
    date_format: str = ""
    repeating_only: bool = False
    has_zone: bool | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(ColumnKind):
            raise ValueError(
                f"column {self.name!r} is of kind {self.kind!r}, not of"
                f" {', '.join(get_args(ColumnKind))}"
            )


@dataclass(frozen=True)
class LeftOut:
    """A column that the network does not use, and the reason."""

    name: str
    reason: str


@dataclass(frozen=True)
class Target:
    """The column to predict.

    Attributes:
        name: of the column.
        task: "classification" or "regression".
        reason: why it has this task, for the user.
        classes: classification: the texts of the classes, in the order of the outputs.
        counts: rows of each class.
        low, high: regression: minimum and maximum.
        missing_texts: texts that are missing targets, beside `MISSING_TEXTS`.
        number_format: regression: how text writes the numbers; None for plain ones.
    """

    name: str
    task: Task
    reason: str = ""
    classes: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    low: float | None = None
    high: float | None = None
    missing_texts: tuple[str, ...] = ()
    number_format: NumberFormat | None = None


@dataclass(frozen=True)
class Schema:
    """The columns of a table.

    Attributes:
        columns: those that are used, in the order of the network's inputs.
        left_out: those that are not used.
        target: the column to predict, if it is known.
        rows: number of rows from which the schema was inferred.
        notices: guesses and repairs; two schemas may be equal without equal notices.
    """

    columns: tuple[Column, ...]
    left_out: tuple[LeftOut, ...] = ()
    target: Target | None = None
    rows: int = 0
    notices: tuple[Notice, ...] = field(default=(), compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns that are used."""
        return tuple(column.name for column in self.columns)

    @property
    def has_text(self) -> bool:
        """True if a column is free text."""
        return any(column.kind == "text" for column in self.columns)

    def __repr__(self) -> str:
        """The number of rows, and of columns of each kind."""
        kinds = Counter(column.kind for column in self.columns)
        texts = [f"{count} {kind}" for kind, count in kinds.items()]
        if self.left_out:
            texts.append(f"{len(self.left_out)} left out")
        target = "" if self.target is None else f", target {self.target.name!r}"
        return f"Schema({self.rows} rows, {', '.join(texts) or 'no columns'}{target})"

    def _repr_html_(self) -> str:
        rows: list[tuple[str, ...]] = []
        if self.target is not None:
            target = self.target
            rows.append((target.name, f"target, {target.task}", "", target.reason))
        rows += [(c.name, c.kind, f"{c.missing:,}", c.reason) for c in self.columns]
        rows += [(column.name, "left out", "", column.reason) for column in self.left_out]
        return html_table(repr(self), ["column", "kind", "missing", "why"], rows)

    def column(self, name: str) -> Column:
        """Return the column of this name.

        Raises:
            KeyError: there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, without default values."""
        return {"format": _FORMAT, **_plain(self)}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Schema":
        """Return the schema that `to_dict` wrote.

        Raises:
            InputError: it is not a schema of this format.
        """
        check_form(content, SCHEMA_FORM, source="this is not a schema of kerasnn")
        try:
            target = content.get("target")
            return cls(
                columns=tuple(_restored(Column, c) for c in content["columns"]),
                left_out=tuple(LeftOut(**c) for c in content.get("left_out", ())),
                target=None if target is None else _restored(Target, target),
                rows=content.get("rows", 0),
                notices=tuple(_restored(Notice, c) for c in content.get("notices", ())),
            )
        except ValueError as error:
            raise InputError(f"this is not a schema of kerasnn: {error}") from None

    def to_json(self) -> str:
        """Return the schema as JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        fields = [
            (f.name, getattr(value, f.name), f.default) for f in dataclasses.fields(value)
        ]
        return {name: _plain(v) for name, v, default in fields if v != default}
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _restored(kind: type, content: dict[str, Any]) -> Any:
    return kind(**{name: _restored_value(name, v) for name, v in content.items()})


def _restored_value(name: str, value: Any) -> Any:
    if name == "number_format" and value is not None:
        return NumberFormat(**value)
    if name in ("first", "last") and value is not None:
        dt.datetime.fromisoformat(value)  # or a ValueError
    return tuple(value) if isinstance(value, list) else value
