"""Kinds of table files, recognised by content first, then by name."""

from pathlib import Path
from typing import Literal
from zipfile import ZipFile, is_zipfile

from kerasnn.datasets.files.file_errors import file_errors
from kerasnn.datasets.files.packed import is_workbook, unpacked
from kerasnn.errors import InputError

FileFormat = Literal["text", "Parquet", "Arrow", "workbook", "JSON"]

PACKED_ENDINGS = (".gz", ".bz2", ".xz", ".zip")
_ENDINGS: dict[str, FileFormat] = {
    **dict.fromkeys((".csv", ".tsv", ".txt", ".tab", ".psv", ".ssv"), "text"),
    **dict.fromkeys((".data", ".dat", ".asc", ".arff", ".test", ".train"), "text"),
    **dict.fromkeys((".parquet", ".pq"), "Parquet"),
    **dict.fromkeys((".feather", ".arrow", ".ipc"), "Arrow"),
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".xlsb", ".ods"), "workbook"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "JSON"),
}
KNOWN_FORMATS = (
    "a table is text (.csv, .tsv, .txt, .data, ...), JSON (.json, .jsonl), a workbook"
    " (.xlsx, .xls, .ods), Parquet or Arrow (.feather), plain or packed (.gz, .bz2, .xz,"
    " .zip)"
)
_MAGIC: dict[bytes, FileFormat] = {
    b"PAR1": "Parquet",
    b"ARROW1": "Arrow",
    b"\xff\xff\xff\xff": "Arrow",  # a stream of Arrow
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "workbook",  # .xls
}
# Beginnings of files that are no tables, though their names may say so.
_OTHERS = {
    b"%PDF": "a PDF document",
    b"SQLite format 3": "an SQLite database",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself: git lfs pull",
    b"\x28\xb5\x2f\xfd": "packed by Zstandard: unpack it",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive: unpack it",
    b"Rar!": "a RAR archive: unpack it",
    b"\x89PNG": "a picture",
    b"FEA1": "a Feather file of version 1: write it anew",
    b"\x89HDF": "an HDF5 file",
    b"RDX": "a file of R: write it as CSV",
}
_HEAD_BYTES = 4096


def ending_format(path: Path) -> FileFormat | None:
    """Return the format that a file's name implies; None if it implies none."""
    name = path.name.lower()
    for packed in PACKED_ENDINGS:
        name = name.removesuffix(packed)
    return _ENDINGS.get(Path(name).suffix)


def file_format(path: Path) -> FileFormat:
    """Return the format of a file.

    Args:
        path: of the file; if it does not exist, its name decides.

    Raises:
        InputError: the file cannot be read, or is no table.
    """
    named = ending_format(path)
    if named is not None and not path.exists():
        return named
    with unpacked(path) as stream:
        head = stream.read(_HEAD_BYTES)
    found = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
    if found is not None:
        return found
    if head.startswith(b"PK\x03\x04") and _is_workbook(path):
        return "workbook"
    _check_table(path, head)
    if named == "workbook" and b"\0" not in head:
        return "text"  # old programs call a text file .xls
    if named is not None:
        return named
    if b"\0" in head and not looks_like_utf16(head):
        raise InputError(f"{path}: is of an unknown kind; {KNOWN_FORMATS}")
    return "JSON" if _looks_like_json(head) else "text"


def looks_like_utf16(head: bytes) -> bool:
    """Return whether bytes are probably UTF-16: a mark, or zeros in every second byte."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    pairs = max(len(head) // 2, 1)
    counts = [head[offset::2].count(0) / pairs for offset in (0, 1)]
    return max(counts) > 0.4 and min(counts) < 0.05


def _is_workbook(path: Path) -> bool:
    with file_errors(path), path.open("rb") as file:
        if not is_zipfile(file):
            return False
        with ZipFile(file) as archive:
            return is_workbook(archive)


def _check_table(path: Path, head: bytes) -> None:
    for magic, what in _OTHERS.items():
        if head.startswith(magic):
            raise InputError(f"{path}: is {what}; {KNOWN_FORMATS}")
    if head[257:262] == b"ustar":
        raise InputError(f"{path}: is a tar archive; unpack it and give a file")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:15].lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise InputError(
            f"{path}: is a page of HTML or XML, not a table; was the link to a page instead"
            " of the file?"
        )


def _looks_like_json(head: bytes) -> bool:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return text[:1] == b"{" or (text[:1] == b"[" and text[1:].lstrip()[:1] in b"{[]")
