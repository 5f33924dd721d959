"""Predictions as a table, beside columns of their rows; written as CSV or JSON in parts."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# A spreadsheet runs a text cell that begins so as a formula, unless it is a number.
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[0-9.,]+(?:[eE][+-]?[0-9]+)?")


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


def prediction_table(
    outputs: Mapping[str, Any], classes: Sequence[str] | None
) -> "pd.DataFrame":
    """Return a column for each output, and for each class: probability_0, probability_1.

    Args:
        outputs: `class` [rows] and `probabilities` [rows, n_classes]; or others, each
            [rows] or [rows, n], such as `value`.
        classes: names of the probabilities; None numbers them.
    """
    import pandas as pd

    columns: dict[str, Any] = {}
    for name in sorted(outputs, key=lambda name: (name != "class", name)):
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


def write_csv(tables: Iterator["pd.DataFrame"], stream: IO[str]) -> int:
    """Write the tables under one header; return the number of rows.

    Texts that a spreadsheet would run as a formula get a leading apostrophe.
    """
    rows = 0
    for table in tables:
        safe = table.rename(columns=_without_formula)
        for name in safe.select_dtypes(exclude=["number", "bool", "datetime"]):
            safe[name] = safe[name].map(_without_formula)
        safe.to_csv(stream, index=False, header=rows == 0)
        rows += len(table)
    return rows


def write_json(tables: Iterator["pd.DataFrame"], stream: IO[str]) -> None:
    """Write one object with the rows of all tables in its list, a table at a time."""
    rows = 0
    stream.write('{"output": null, "predictions": [')
    for table in tables:
        present = table.astype(object).where(table.notna(), None)
        text = json.dumps(present.to_dict("records"), ensure_ascii=False, default=str)
        stream.write((", " if rows and len(table) else "") + text[1:-1])
        rows += len(table)
    stream.write(f'], "rows": {rows}}}\n')


def _without_formula(cell: Any) -> Any:
    if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell
