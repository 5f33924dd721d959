"""Workbooks (.xlsx, .xls, .ods): the table on one sheet, with typed cells."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

import pandas as pd

from kerasnn.datasets.files.cell_columns import frame_of_cells
from kerasnn.datasets.files.file_errors import file_errors
from kerasnn.datasets.files.packed import MAX_WHOLE_BYTES, unpacked_file
from kerasnn.datasets.files.read_options import ReadOptions
from kerasnn.datasets.files.text.headers import find_header
from kerasnn.datasets.notices import Notice
from kerasnn.errors import InputError, list_names

_Rows = list[list[Any]]


def read_workbook(
    path: Path, options: ReadOptions, needed: Sequence[str] = ()
) -> tuple[pd.DataFrame, list[Notice]]:
    """Read a sheet: the one that the options name, or the first with the needed names.

    Raises:
        InputError: python-calamine is not installed, the file is damaged or too large, or
            there is no such sheet.
    """
    if importlib.util.find_spec("python_calamine") is None:
        raise InputError(
            f"{path}: workbooks need python-calamine: pip install python-calamine"
        )
    with unpacked_file(path) as plain:
        _check_size(path, plain)
        name, rows, others = _sheet(path, plain, options.sheet, needed)
    notices = []
    if others:
        message = f"the sheet {name!r} is read; the others are {list_names(others)}: sheet="
        notices.append(Notice("sheet", f"{message} names another"))
    try:
        table, found = _table(rows, options, needed)
    except InputError as error:
        raise InputError(f"{path}: sheet {name!r}: {error}") from None
    return table, [*notices, *found]


def _table(
    rows: _Rows, options: ReadOptions, needed: Sequence[str]
) -> tuple[pd.DataFrame, list[Notice]]:
    filled = [row for row in rows if any(map(_is_filled, row))]
    if not filled:
        raise InputError("is empty; it needs a line with names of columns")
    used = [i for i, cells in enumerate(zip(*filled, strict=True)) if _any_filled(cells)]
    cells = [row[used[0] : used[-1] + 1] for row in filled]
    texts = [[str(cell) if _is_filled(cell) else "" for cell in row] for row in cells]
    header = find_header(texts, len(cells[0]), options, needed)
    below = cells[header.first_row :]
    if not below:
        raise InputError("has a header line but no rows")
    columns = {
        name: [cell if _is_filled(cell) else None for cell in column]
        for name, column in zip(header.names, zip(*below, strict=True), strict=True)
    }
    return frame_of_cells(columns), list(header.notices)


def _sheet(
    path: Path, plain: Path, wanted: str | int | None, needed: Sequence[str]
) -> tuple[str, _Rows, list[str]]:
    """Return the name of a sheet, its rows, and the names of the other filled sheets."""
    try:
        with pd.ExcelFile(plain, engine="calamine") as book:
            names = [str(name) for name in book.sheet_names]
            if wanted is not None:
                name = _wanted(path, names, wanted)
                return name, _rows(book, name), []
            found = {name: _rows(book, name) for name in names}
    except InputError:
        raise
    except Exception as error:  # calamine has errors of its own for each kind of file
        raise InputError(f"{path}: is not a workbook that can be read: {error}") from None
    filled = [name for name in names if found[name]] or names[:1]
    if not filled:
        raise InputError(f"{path}: the workbook has no sheet")
    name = next((name for name in filled if _has_names(found[name], needed)), filled[0])
    return name, found[name], [other for other in filled if other != name]


def _has_names(rows: _Rows, needed: Sequence[str]) -> bool:
    """Return whether a row holds all needed names."""
    wanted = set(needed)
    return any(wanted <= {str(cell).strip() for cell in row} for row in rows)


def _rows(book: pd.ExcelFile, name: str) -> _Rows:
    frame = pd.read_excel(book, sheet_name=name, header=None, dtype=object, na_filter=False)
    return frame.to_numpy(dtype=object).tolist()


def _wanted(path: Path, names: list[str], wanted: str | int) -> str:
    if isinstance(wanted, int) and 0 <= wanted < len(names):
        return names[wanted]
    if str(wanted) in names:
        return str(wanted)
    raise InputError(
        f"{path}: there is no sheet {wanted!r}; the workbook has {', '.join(names)}"
    )


def _check_size(path: Path, plain: Path) -> None:
    """Check the unpacked size of a workbook that is a zip archive.

    Raises:
        InputError: it is above the bound, or the archive is damaged.
    """
    with file_errors(path), plain.open("rb") as file:
        if not is_zipfile(file):
            return
        with ZipFile(file) as archive:
            size = sum(info.file_size for info in archive.infolist())
            if size > MAX_WHOLE_BYTES // 2:
                raise InputError(
                    f"{path}: unpacks to {size:,} bytes; the bound for a workbook is"
                    f" {MAX_WHOLE_BYTES // 2:,}. Save the sheet as CSV"
                )
            damaged = archive.testzip()  # finds sizes that are false
            if damaged is not None:
                raise InputError(f"{path}: the workbook is damaged, in {damaged}")


def _any_filled(cells: Sequence[Any]) -> bool:
    return any(map(_is_filled, cells))


def _is_filled(cell: Any) -> bool:
    if isinstance(cell, str):
        return bool(cell.strip())
    return cell is not None and not (isinstance(cell, float) and cell != cell)
