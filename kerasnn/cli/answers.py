"""Answers for rows as a table, and that table written as CSV or JSON, piece by piece."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def answer_table(
    answers: Mapping[str, Any], classes: Sequence[str] | None
) -> "pd.DataFrame":
    """One column for each answer, and for each class: probability_0, probability_1, ...

    Args:
        answers: `class` [rows] and `probabilities` [rows, n_classes]; or others, each
            [rows] or [rows, n], such as `value`.
        classes: the texts that name the probabilities; numbers do if it is None.
    """
    import pandas as pd

    columns: dict[str, Any] = {}
    for name in sorted(answers, key=lambda name: (name != "class", name)):
        values = answers[name].reshape(len(answers[name]), -1).T
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
    """All of them under one header; the number of rows."""
    rows = 0
    for table in tables:
        table.to_csv(stream, index=False, header=rows == 0)
        rows += len(table)
    return rows


def write_json(tables: Iterator["pd.DataFrame"], stream: IO[str]) -> None:
    """One object; its list is written as it goes."""
    rows = 0
    stream.write('{"output": null, "predictions": [')
    for table in tables:
        text = json.dumps(table.to_dict(orient="records"), ensure_ascii=False)
        stream.write((", " if rows and len(table) else "") + text[1:-1])
        rows += len(table)
    stream.write(f'], "rows": {rows}}}\n')
