"""Shards: rows on disk in blocks that are read one by one, for more rows than memory.

A folder of shards contains one `.npy` file for each array of each block of rows, and
`shards.json`, which lists them. The folder gets its name only when it is complete, so it is
whole or absent. The writer decides what the arrays mean.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kerasnn.errors import InputError
from kerasnn.json_forms import (
    FormError,
    anything,
    check_form,
    list_of,
    mapping_of,
    one_of,
    parse_json,
    record,
    sequence,
    whole,
)
from kerasnn.system.partial_folders import folder_beside, remove

ROWS_PER_SHARD = 65_536
DESCRIPTION = "shards.json"

_FORMAT = 1


def _dtype(value: Any, place: str) -> None:
    """Check the name of a type of numbers or booleans."""
    try:
        is_plain = isinstance(value, str) and np.dtype(value).kind in "biufcSU"
    except TypeError:
        is_plain = False
    if not is_plain:
        raise FormError(f"{place} must be the name of a type of numbers; got {value!r:.60}")


_FORM = record(
    {
        "format": one_of(_FORMAT),
        "arrays": mapping_of(sequence(_dtype, list_of(whole(0, 2**40), 32)), 10_000),
        "sizes": list_of(whole(0, 2**40)),
        "notes": mapping_of(anything),
    },
    {},
    others=True,
)

RowBlock = Mapping[str, NDArray[Any]]  # by name [rows, ...]


@dataclass(frozen=True)
class ArraySpec:
    """Type and shape of an array in every shard.

    Attributes:
        dtype: its NumPy name.
        shape: of one row.
    """

    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"[rows{''.join(f', {size}' for size in self.shape)}] {self.dtype}"


@dataclass(frozen=True)
class Shards:
    """An open folder of shards; rows are read on demand.

    Attributes:
        folder: path of the folder.
        sizes: rows of each shard.
        arrays: arrays of each shard.
        notes: JSON values that the writer stored.
    """

    folder: Path
    sizes: tuple[int, ...]
    arrays: Mapping[str, ArraySpec]
    notes: Mapping[str, Any]

    def __len__(self) -> int:
        return sum(self.sizes)

    def shard(self, number: int) -> dict[str, NDArray[Any]]:
        """Read the arrays of a shard into memory.

        They are not memory-mapped: a process that reads a map of a file which another
        process truncates gets SIGBUS, and no check beforehand can exclude that. A read of
        such a file raises an error.

        Raises:
            InputError: a file is missing, truncated, or of another shape.
        """
        return {name: self._array(number, name) for name in self.arrays}

    def check(self) -> None:
        """Check the header and the length of every file.

        Raises:
            InputError: see `shard`.
        """
        for number in range(len(self.sizes)):
            for name in self.arrays:
                self._array(number, name, mmap_mode="r")

    def _array(
        self, number: int, name: str, *, mmap_mode: Literal["r"] | None = None
    ) -> NDArray[Any]:
        path = self.folder / file_name(number, name)
        spec = self.arrays[name]
        try:
            array = np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
        except FileNotFoundError:
            raise InputError(
                f"{path}: the shard is not there, which {self.folder / DESCRIPTION} lists"
            ) from None
        except Exception as error:  # NumPy may raise anything for a damaged file
            raise InputError(f"{path}: the shard is damaged: {error}") from None
        expected = (self.sizes[number], *spec.shape)
        if array.shape != expected or array.dtype != np.dtype(spec.dtype):
            raise InputError(
                f"{path}: the shard must be {list(expected)} {spec.dtype}; it is"
                f" {list(array.shape)} {array.dtype}"
            )
        return array


def file_name(number: int, name: str) -> str:
    """Return the file name of an array of a shard; the array's name may be any text."""
    return f"{number:06}-{name.replace('%', '%25').replace('/', '%2F')}.npy"


def open_shards(folder: str | Path) -> Shards:
    """Open the shards that `write_shards` wrote.

    Raises:
        InputError: it is not such a folder, or a file in it is missing or damaged.
    """
    folder = Path(folder)
    path = folder / DESCRIPTION
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise InputError(
            f"{folder}: is not a folder of shards: it has no {DESCRIPTION}"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    content = parse_json(text, source=path)
    check_form(content, _FORM, source=path)
    arrays = {
        name: ArraySpec(dtype, tuple(shape))
        for name, (dtype, shape) in content["arrays"].items()
    }
    shards = Shards(folder, tuple(content["sizes"]), arrays, content["notes"])
    shards.check()
    return shards


def write_shards(
    blocks: Iterable[RowBlock],
    folder: str | Path,
    *,
    rows_per_shard: int = ROWS_PER_SHARD,
    notes: Mapping[str, Any] | None = None,
) -> Shards:
    """Write rows that come in blocks of any size.

    Args:
        blocks: arrays by name; all blocks have the same names, types and row shapes.
        folder: must not exist yet.
        rows_per_shard: of every shard except the last.
        notes: JSON values to store; they may be filled in while the blocks come.

    Raises:
        InputError: there are no rows, blocks differ, or the disk cannot take them; nothing
            is left behind.
    """
    folder = Path(folder)
    if folder.exists():
        raise InputError(f"{folder}: already exists; shards need a folder of their own")
    beside = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = folder_beside(folder.parent)
        writer = _Writer(beside, rows_per_shard)
        for block in blocks:
            writer.add(block)
        writer.close(notes or {})
        beside.chmod(0o755)  # mkdtemp's is for the owner alone
        os.rename(beside, folder)
    except OSError as error:
        if folder.exists():
            raise InputError(
                f"{folder}: another process has written it in the meantime; shards need a"
                " folder of their own"
            ) from None
        # NumPy's errors have no errno.
        reason = error.strerror or f"the disk does not take all of it: {error}"
        raise InputError(f"{folder}: cannot be written: {reason}") from None
    finally:
        if beside is not None:
            remove(beside)  # it was renamed if all went well
    return open_shards(folder)


class _Writer:
    """Splits blocks of any size into shards of one size."""

    def __init__(self, folder: Path, rows_per_shard: int) -> None:
        self.folder = folder
        self.rows_per_shard = rows_per_shard
        self.sizes: list[int] = []
        self.specs: dict[str, ArraySpec] = {}
        self._parts: list[RowBlock] = []
        self._rows = 0

    def add(self, block: RowBlock) -> None:
        """Add rows, and write the shards that are full."""
        specs = {
            n: ArraySpec(str(a.dtype.newbyteorder("=")), a.shape[1:])
            for n, a in block.items()
        }
        self.specs = self.specs or specs
        lengths = {len(array) for array in block.values()}
        if specs != self.specs or len(lengths) != 1:
            raise InputError(
                f"blocks of rows must be alike; got {_formatted(specs)} after"
                f" {_formatted(self.specs)}, rows {sorted(lengths)}"
            )
        self._parts.append(block)
        self._rows += lengths.pop()
        while self._rows >= self.rows_per_shard:
            self._write(self.rows_per_shard)

    def close(self, notes: Mapping[str, Any]) -> None:
        """Write the last shard and the description."""
        if self._rows:
            self._write(self._rows)
        if not self.sizes:
            raise InputError("there are no rows to write")
        content = {
            "format": _FORMAT,
            "sizes": self.sizes,
            "arrays": {n: [s.dtype, list(s.shape)] for n, s in self.specs.items()},
            "notes": dict(notes),
        }
        text = json.dumps(content, indent=1)
        (self.folder / DESCRIPTION).write_text(text, encoding="utf-8")

    def _write(self, rows: int) -> None:
        joined = {
            name: np.concatenate([part[name] for part in self._parts])
            for name in self.specs
        }
        for name, array in joined.items():
            np.save(self.folder / file_name(len(self.sizes), name), array[:rows])
        self.sizes.append(rows)
        # A copy: a view would keep all written rows in memory.
        rest = {name: array[rows:].copy() for name, array in joined.items()}
        self._rows -= rows
        self._parts = [rest] if self._rows else []


def _formatted(specs: Mapping[str, ArraySpec]) -> str:
    return ", ".join(f"{name} {spec}" for name, spec in specs.items())
