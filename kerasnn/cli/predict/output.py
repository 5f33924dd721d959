"""Predictions as a table, beside columns of their rows; written as CSV or JSON in parts."""

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from kerasnn.cli.messages import as_cli_message
from kerasnn.cli.table_options import notice_lines, notice_objects
from kerasnn.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from kerasnn.datasets import Notice

MAX_LISTED = 10  # invalid cells that are listed

# A spreadsheet runs such a text cell as a formula. Of "+49 170" and "-3 °C" it makes a
# number at most.
_FORMULA = re.compile(r"[=@\t\r\n]|[+-].*[(|!]", re.DOTALL)


@dataclass(frozen=True)
class KeptColumns:
    """Which columns of the rows stand in front of their predictions.

    Attributes:
        keep: names, or lists a,b,c of them.
        keep_all: all columns.
    """

    keep: tuple[str, ...]
    keep_all: bool

    def beside(self, rows: "pd.DataFrame", predictions: "pd.DataFrame") -> "pd.DataFrame":
        """Return the kept columns of rows, and their predictions.

        A prediction whose name is that of a kept column becomes "predicted_class", or the
        like.

        Raises:
            InputError: a column is missing.
        """
        from kerasnn.datasets.names import check_names

        names = list(rows.columns) if self.keep_all else self._names(rows.columns)
        check_names(names, rows.columns, by="--keep")
        if not names:
            return predictions
        kept = rows[names].reset_index(drop=True)
        named = {name: f"predicted_{name}" for name in predictions if name in names}
        return kept.join(predictions.rename(columns=named))

    def _names(self, columns: Iterable[str]) -> list[str]:
        columns = set(columns)
        texts = [[t] if t in columns else t.split(",") for t in self.keep]
        return list(dict.fromkeys(name.strip() for text in texts for name in text))


@dataclass(frozen=True)
class AnsweredRows:
    """Rows of a file with their predictions.

    Attributes:
        rows: [rows, columns] raw.
        predictions: [rows, outputs], empty cells in rows that cannot be answered.
        invalid: messages about the first cells that cannot be read.
        n_invalid: number of rows that cannot be answered.
        notices: columns that are unlike those of the training.
    """

    rows: "pd.DataFrame"
    predictions: "pd.DataFrame"
    invalid: tuple[str, ...] = ()
    n_invalid: int = 0
    notices: "tuple[Notice, ...]" = ()


class Problems:
    """Rows that were not answered, and notices, collected while predicting.

    Attributes:
        n_rows: number of rows so far.
        n_invalid: number of those that were not answered.
        invalid: messages about the first invalid cells.
        notices: about files and columns.
    """

    def __init__(self) -> None:
        self.n_rows = self.n_invalid = 0
        self.invalid: list[str] = []
        self.notices: list[Notice] = []

    def collected(self, answered: Iterable[AnsweredRows]) -> Iterator[AnsweredRows]:
        """Yield the rows unchanged, and collect their problems.

        Raises:
            InputError: no row at all can be answered.
        """
        for part in answered:
            self.n_rows += len(part.rows)
            self.n_invalid += part.n_invalid
            self.invalid += part.invalid[: MAX_LISTED - len(self.invalid)]
            self.notices += part.notices
            yield part
        if self.n_invalid and self.n_invalid == self.n_rows:
            raise InputError(f"no row can be answered: {self.invalid[0]}")

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, without empty ones."""
        from kerasnn.datasets.notices import first_of_each

        found = {
            "not_answered": self.n_invalid,
            "invalid": self.invalid,
            "notices": notice_objects(first_of_each(self.notices)),
        }
        return {name: value for name, value in found.items() if value}

    def lines(self) -> list[str]:
        """Return lines for the user."""
        from kerasnn.datasets.notices import first_of_each

        notices = notice_lines(first_of_each(self.notices))
        if not self.n_invalid:
            return notices
        rows = (
            f"{self.n_invalid:,} of {self.n_rows:,} rows are not answered (rows are counted"
            " from 0, without the header line):"
        )
        shown = [f"  {as_cli_message(message)}" for message in self.invalid]
        more = ["  ..."] if self.n_invalid > len(shown) else []
        hint = "  --on-error fail makes this an error"
        return [rows, *shown, *more, hint, *notices]


def prediction_table(
    outputs: Mapping[str, Any], classes: Sequence[str] | None
) -> "pd.DataFrame":
    """Return a column for each output, and for each class: probability_0, probability_1.

    Args:
        outputs: `class` [rows] and `probabilities` [rows, n_classes]; or others, each
            [rows] or [rows, n], such as `value`. `in_set` [rows, n_classes] becomes a
            column `set` with the classes in it: a|b.
        classes: names of the probabilities; None numbers them.
    """
    import pandas as pd

    columns: dict[str, Any] = {}
    for name in sorted(outputs, key=_place):
        if name == "in_set":
            columns["set"] = _set_texts(outputs[name], classes)
            continue
        values = outputs[name].reshape(len(outputs[name]), -1).T
        if name == "probabilities":
            labels = range(len(values)) if classes is None else classes
            pairs = zip(labels, values, strict=True)
            columns |= {f"probability_{label}": column for label, column in pairs}
        elif len(values) == 1:
            columns[name] = values[0]
        else:
            columns |= {f"{name}_{k}": column for k, column in enumerate(values)}
    return pd.DataFrame(columns)


def _place(name: str) -> tuple[int, str]:
    """Order the outputs: first the class and its set, or the value and its interval."""
    first = ("class", "in_set", "value", "lower", "upper")
    return (first.index(name) if name in first else len(first), name)


def _set_texts(in_set: Any, classes: Sequence[str] | None) -> list[str | None]:
    """Return the classes in each set, a|b; None in a row that is not answered."""
    labels = range(in_set.shape[1]) if classes is None else classes
    names = [str(label) for label in labels]
    return [
        # None stands in a row that is not answered.
        None if row[0] is None else "|".join(itertools.compress(names, row))
        for row in in_set
    ]


def write_csv(tables: Iterator["pd.DataFrame"], stream: IO[str]) -> int:
    """Write the tables under one header; return the number of rows.

    Texts that a spreadsheet would run as a formula get a leading apostrophe.
    """
    import pandas as pd

    rows = 0
    for table in tables:
        safe = table.rename(columns=_without_formula)
        for name in safe.select_dtypes(exclude=["number", "bool", "datetime"]):
            cells = [_without_formula(cell) for cell in safe[name]]
            # Of objects: else long whole numbers beside missing ones become floats.
            safe[name] = pd.Series(cells, index=safe.index, dtype=object)
        safe.to_csv(stream, index=False, header=rows == 0)
        rows += len(table)
    return rows


def write_json(
    tables: Iterator["pd.DataFrame"], stream: IO[str], problems: Problems
) -> None:
    """Write one object with the rows of all tables in its list, a table at a time.

    Args:
        tables: the predictions.
        stream: to write to.
        problems: known after the last table.
    """
    rows = 0
    stream.write('{"output": null, "predictions": [')
    for table in tables:
        present = table.astype(object).where(table.notna(), None)
        text = json.dumps(present.to_dict("records"), ensure_ascii=False, default=str)
        stream.write((", " if rows and len(table) else "") + text[1:-1])
        rows += len(table)
    rest = json.dumps({"rows": rows, **problems.to_dict()}, ensure_ascii=False)
    stream.write(f"], {rest[1:]}\n")


def _without_formula(cell: Any) -> Any:
    if isinstance(cell, str) and _FORMULA.match(cell):
        return f"'{cell}"
    return cell
