"""What is known of a table's columns: their kinds, levels, ranges; plain, readable JSON.

`inference` finds it in rows, `checking` holds other rows to it; this module only keeps it.
"""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, get_args

from kerasnn.choices import ColumnKind, Task
from kerasnn.errors import InputError

FORMAT = 1
MOST_LEVELS = 1000  # of a categorical column are kept, the most frequent ones


@dataclass(frozen=True)
class Column:
    """A column that the network takes.

    Attributes:
        name: as in the table.
        kind: "numeric", "categorical", "boolean" or "datetime".
        reason: why it was taken for this kind, for a person.
        missing: missing values in the rows that were looked at.
        low, high: numeric: the least and the greatest finite value.
        first, last: datetime: the earliest and the latest, as ISO 8601.
        levels: categorical: the texts of its levels, the most frequent first (of equally
            frequent ones the one that sorts first); boolean: those of false and true.
            At most `MOST_LEVELS` are kept.
        counts: rows of each of these levels.
        n_levels: how many different levels there were in all.
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

    def __post_init__(self) -> None:
        if self.kind not in get_args(ColumnKind):
            raise ValueError(
                f"column {self.name!r} is of kind {self.kind!r}, not of"
                f" {', '.join(get_args(ColumnKind))}"
            )


@dataclass(frozen=True)
class LeftOut:
    """A column that is not used, and why: constant, an id, all missing, asked for."""

    name: str
    reason: str


@dataclass(frozen=True)
class Target:
    """What is to be predicted.

    Attributes:
        name: of its column.
        task: "classification" or "regression".
        reason: why it was taken for this task, for a person.
        classes: classification: the texts of the classes, in the order of the outputs.
        counts: rows of each class.
        low, high: regression: the least and the greatest value.
    """

    name: str
    task: Task
    reason: str = ""
    classes: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Schema:
    """The columns of a table, in the order in which the network takes them.

    Attributes:
        columns: those that are used.
        left_out: those that are not.
        target: what is predicted; None where nobody has said.
        rows: how many rows were looked at.
    """

    columns: tuple[Column, ...]
    left_out: tuple[LeftOut, ...] = ()
    target: Target | None = None
    rows: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns that are used."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of this name.

        Raises:
            KeyError: there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values; what is as by default is left out."""
        return {"format": FORMAT, **_plain(self)}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Schema":
        """From what `to_dict` gave.

        Raises:
            InputError: it is not a schema of this format.
        """
        try:
            if content["format"] != FORMAT:
                raise ValueError(f"its format is {content['format']!r}, not {FORMAT}")
            target = content.get("target")
            return cls(
                columns=tuple(_restored(Column, c) for c in content["columns"]),
                left_out=tuple(LeftOut(**c) for c in content.get("left_out", ())),
                target=None if target is None else _restored(Target, target),
                rows=content.get("rows", 0),
            )
        except KeyError as error:
            raise InputError(
                f"this is not a schema of kerasnn: it has no {error}"
            ) from None
        except (AttributeError, TypeError, ValueError) as error:
            raise InputError(f"this is not a schema of kerasnn: {error}") from None

    def to_json(self) -> str:
        """As text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        fields = [
            (f.name, getattr(value, f.name), f.default) for f in dataclasses.fields(value)
        ]
        return {name: _plain(v) for name, v, default in fields if v != default}
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _restored(kind: type, content: dict[str, Any]) -> Any:
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in content.items()})
