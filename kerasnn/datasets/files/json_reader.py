"""JSON files that hold a table: records, columns, or a record in each line."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from kerasnn.datasets.files.cell_columns import frame_of_cells
from kerasnn.datasets.files.packed import unpacked
from kerasnn.datasets.files.text.headers import MAX_COLUMNS, numbered
from kerasnn.errors import InputError

MAX_JSON_BYTES = 100_000_000

_FORMS = (
    "a table in JSON is a list of records, a record in each line (.jsonl), a dict of"
    ' columns, or {"data": [records]}'
)
_ROW_KEYS = ("data", "records", "rows", "results", "items")


def read_json(path: Path) -> pd.DataFrame:
    """Read a JSON file.

    Objects inside records become columns: {"size": {"x": 1}} has the column size.x.
    Lists inside them become their text in JSON.

    Raises:
        InputError: the file is larger than `MAX_JSON_BYTES`, is no JSON, or no table.
    """
    with unpacked(path) as stream:
        content = stream.read(MAX_JSON_BYTES + 1)
    if len(content) > MAX_JSON_BYTES:
        raise InputError(
            f"{path}: is larger than {MAX_JSON_BYTES:,} bytes, which is the limit for JSON;"
            " write the table as CSV or Parquet"
        )
    try:
        columns = _columns(_parsed(content))
    except RecursionError:
        raise InputError(f"{path}: is nested too deeply; {_FORMS}") from None
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError, InputError
        raise InputError(f"{path}: {error}") from None
    if len(columns) > MAX_COLUMNS:
        raise InputError(
            f"{path}: has {len(columns):,} columns; the maximum is {MAX_COLUMNS:,}"
        )
    return frame_of_cells(columns)


def _parsed(content: bytes) -> Any:
    """Return the value of a file, or the list of the values of its lines."""
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        if not error.msg.startswith("Extra data"):
            raise InputError(f"is not JSON: {error}; {_FORMS}") from None
    values = []
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip():
            try:
                values.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise InputError(f"line {number} is not JSON: {error.msg}") from None
    return values


def _columns(value: Any) -> dict[str, list[Any]]:
    if isinstance(value, dict):
        return _columns_of_dict(value)
    if isinstance(value, list) and value:
        if all(isinstance(row, dict) for row in value):
            return _columns_of_records(value)
        if all(isinstance(row, list) for row in value):
            return _columns_of_rows(value)
    raise InputError(f"holds no table; {_FORMS}")


def _columns_of_dict(value: Mapping[str, Any]) -> dict[str, list[Any]]:
    values = list(value.values())
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        names = [str(name) for name in value["columns"]]
        return _columns_of_rows([names, *value["data"]])
    for key in _ROW_KEYS:
        rows = value.get(key)
        if isinstance(rows, list) and rows and isinstance(rows[0], (dict, list)):
            return _columns(rows)
    if values and all(isinstance(v, list) for v in values):
        if len({len(v) for v in values}) > 1:
            raise InputError(f"its columns have different numbers of rows; {_FORMS}")
        return {name: _scalars(cells) for name, cells in value.items()}
    if values and all(isinstance(v, dict) for v in values):
        rows = {key: None for v in values for key in v}
        if all(key.isdecimal() for key in rows):  # as pandas writes a DataFrame
            return {n: _scalars([v.get(key) for key in rows]) for n, v in value.items()}
        return _columns_of_records(values)
    if any(not isinstance(v, (list, dict)) for v in values):
        return _columns_of_records([value])  # a file of one line
    raise InputError(f"holds no table; {_FORMS}")


def _columns_of_records(records: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    flat = [_flat(record) for record in records]
    names = dict.fromkeys(chain.from_iterable(flat))
    return {name: [record.get(name) for record in flat] for name in names}


def _columns_of_rows(rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    """Return the columns of a list of rows; a first row of texts only holds the names."""
    width = len(rows[0])
    if any(len(row) != width for row in rows):
        raise InputError(f"its rows have different numbers of cells; {_FORMS}")
    has_names = all(isinstance(cell, str) for cell in rows[0]) and len(rows) > 1
    names = rows[0] if has_names and len(set(rows[0])) == width else numbered(width)
    below = rows[1:] if names is rows[0] else rows
    return {n: _scalars([row[i] for row in below]) for i, n in enumerate(names)}


def _flat(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = _scalar(value)
    return found


def _scalars(cells: Iterable[Any]) -> list[Any]:
    return [_scalar(cell) for cell in cells]


def _scalar(cell: Any) -> Any:
    is_nested = isinstance(cell, (list, dict))
    return json.dumps(cell, ensure_ascii=False) if is_nested else cell
