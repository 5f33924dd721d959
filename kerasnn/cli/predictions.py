"""Predictions as a table, written as CSV or JSON in parts."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


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
    """Write the tables under one header; return the number of rows."""
    rows = 0
    for table in tables:
        table.to_csv(stream, index=False, header=rows == 0)
        rows += len(table)
    return rows


def write_json(tables: Iterator["pd.DataFrame"], stream: IO[str]) -> None:
    """Write one object with the rows of all tables in its list, a table at a time."""
    rows = 0
    stream.write('{"output": null, "predictions": [')
    for table in tables:
        text = json.dumps(table.to_dict(orient="records"), ensure_ascii=False)
        stream.write((", " if rows and len(table) else "") + text[1:-1])
        rows += len(table)
    stream.write(f'], "rows": {rows}}}\n')
