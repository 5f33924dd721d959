"""Rows on disk in blocks that are read one by one, for tables that are larger than memory.

A folder of shards holds, for each block of rows, one `.npy` file of each array, and
`shards.json`, which says what there must be. It is written beside and renamed: a folder
of shards is whole or absent. What the arrays mean is left to whoever wrote them.
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
from kerasnn.partial_folders import folder_beside, remove

FORMAT = 1
ROWS_PER_SHARD = 65_536
DESCRIPTION = "shards.json"

Arrays = Mapping[str, NDArray[Any]]  # each [rows, ...], by name


@dataclass(frozen=True)
class ArraySpec:
    """Of an array in every shard.

    Attributes:
        dtype: NumPy's name of it.
        shape: of one row.
    """

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Shards:
    """An open folder of shards; nothing is in memory but what is asked for.

    Attributes:
        folder: where they lie.
        sizes: rows of each shard.
        arrays: what each shard holds.
        notes: what their writer wanted to keep with them, as JSON.
    """

    folder: Path
    sizes: tuple[int, ...]
    arrays: Mapping[str, ArraySpec]
    notes: Mapping[str, Any]

    def __len__(self) -> int:
        return sum(self.sizes)

    def shard(self, number: int) -> dict[str, NDArray[Any]]:
        """The arrays of a shard, read into memory.

        They are not mapped: a process that touches a map whose file was cut short in the
        meantime gets SIGBUS, and no look at the length before can exclude that. What is
        read of such a file is too short, which is an error.

        Raises:
            InputError: a file vanished, was cut short, or is of another shape.
        """
        return {name: self._array(number, name) for name in self.arrays}

    def check(self) -> None:
        """Look at the head and length of every file.

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
            array = np.load(path, mmap_mode=mmap_mode)
        except FileNotFoundError:
            raise InputError(
                f"{path}: the shard is not there, which {self.folder / DESCRIPTION} lists"
            ) from None
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{path}: the shard is damaged: {error}") from None
        expected = (self.sizes[number], *spec.shape)
        if array.shape != expected or array.dtype != np.dtype(spec.dtype):
            raise InputError(
                f"{path}: the shard must be {list(expected)} {spec.dtype}; it is"
                f" {list(array.shape)} {array.dtype}"
            )
        return array


def file_name(number: int, name: str) -> str:
    """Of an array of a shard; a name may be any text."""
    return f"{number:06}-{name.replace('%', '%25').replace('/', '%2F')}.npy"


def open_shards(folder: str | Path) -> Shards:
    """The shards that `write_shards` wrote.

    Raises:
        InputError: it is not such a folder, or a file in it is not whole.
    """
    folder = Path(folder)
    path = folder / DESCRIPTION
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{folder}: is not a folder of shards: it has no {DESCRIPTION}"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if described.get("format") != FORMAT:
        raise InputError(f"{path}: is not of format {FORMAT}")
    shards = Shards(
        folder,
        tuple(described["sizes"]),
        {
            name: ArraySpec(dtype, tuple(shape))
            for name, (dtype, shape) in described["arrays"].items()
        },
        described["notes"],
    )
    shards.check()
    return shards


def write_shards(
    blocks: Iterable[Arrays],
    folder: str | Path,
    *,
    rows_per_shard: int = ROWS_PER_SHARD,
    notes: Mapping[str, Any] | None = None,
) -> Shards:
    """Write rows that come in blocks of any size.

    Args:
        blocks: arrays by name, the same names, types and row shapes in each.
        folder: must not be there yet.
        rows_per_shard: every shard has so many rows, but for the last.
        notes: to be kept with them, as JSON; they may be filled in while the blocks come.

    Raises:
        InputError: there are no rows, blocks differ, or the disk does not take them;
            nothing is left behind.
    """
    folder = Path(folder)
    if folder.exists():
        raise InputError(f"{folder}: is there already; shards need a folder of their own")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = folder_beside(folder.parent)
    except OSError as error:
        raise _not_written(folder, error) from None
    try:
        writer = _Writer(beside, rows_per_shard)
        for block in blocks:
            writer.add(block)
        writer.close(notes or {})
        beside.chmod(0o755)  # mkdtemp's is for the owner alone
        os.rename(beside, folder)
    except OSError as error:
        remove(beside)
        raise _not_written(folder, error) from None
    except BaseException:
        remove(beside)
        raise
    return open_shards(folder)


class _Writer:
    """Cuts blocks of any size into shards of one size."""

    def __init__(self, folder: Path, rows_per_shard: int) -> None:
        self.folder = folder
        self.rows_per_shard = rows_per_shard
        self.sizes: list[int] = []
        self.specs: dict[str, ArraySpec] = {}
        self._parts: list[Arrays] = []
        self._rows = 0

    def add(self, block: Arrays) -> None:
        """Take rows; shards that are full are written."""
        specs = {
            n: ArraySpec(str(a.dtype.newbyteorder("=")), a.shape[1:])
            for n, a in block.items()
        }
        self.specs = self.specs or specs
        lengths = {len(array) for array in block.values()}
        if specs != self.specs or len(lengths) != 1:
            raise InputError(
                f"blocks of rows must be alike; got {_told(specs)} after"
                f" {_told(self.specs)}, rows {sorted(lengths)}"
            )
        self._parts.append(block)
        self._rows += lengths.pop()
        while self._rows >= self.rows_per_shard:
            self._write(self.rows_per_shard)

    def close(self, notes: Mapping[str, Any]) -> None:
        """The last shard, and the description."""
        if self._rows:
            self._write(self._rows)
        if not self.sizes:
            raise InputError("there are no rows to write")
        described = {
            "format": FORMAT,
            "sizes": self.sizes,
            "arrays": {n: [s.dtype, list(s.shape)] for n, s in self.specs.items()},
            "notes": dict(notes),
        }
        text = json.dumps(described, indent=1)
        (self.folder / DESCRIPTION).write_text(text, encoding="utf-8")

    def _write(self, rows: int) -> None:
        joined = {
            name: np.concatenate([part[name] for part in self._parts])
            for name in self.specs
        }
        for name, array in joined.items():
            np.save(self.folder / file_name(len(self.sizes), name), array[:rows])
        self.sizes.append(rows)
        # A copy: a view would keep the whole of what was written in memory.
        rest = {name: array[rows:].copy() for name, array in joined.items()}
        self._rows -= rows
        self._parts = [rest] if self._rows else []


def _told(specs: Mapping[str, ArraySpec]) -> str:
    return ", ".join(f"{name} [rows{_dims(s)}] {s.dtype}" for name, s in specs.items())


def _dims(spec: ArraySpec) -> str:
    return "".join(f", {size}" for size in spec.shape)


def _not_written(folder: Path, error: OSError) -> InputError:
    # What NumPy raises has no errno.
    told = error.strerror or f"the disk does not take all of it: {error}"
    return InputError(f"{folder}: cannot be written: {told}")
