"""Files from which a training resumes; each is complete or absent.

`<folder>/checkpoint-<number>.npz` holds named arrays and a description, as JSON; a higher
number is later. A file is written under a temporary name and renamed, so that a process
that dies leaves the older ones. `kerasnn.training` decides what they hold.
"""

import hashlib
import io
import json
import os
import re
import tempfile
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn.errors import InputError

FORMAT = 1
KEPT = 3
ROWS_FOLDER = "rows"  # beside the checkpoints: rows that were prepared on disk
_NAME = re.compile(r"checkpoint-(\d{10})\.npz")
_DIGEST_BYTES = 32  # SHA-256 of all before it, at the end of the file
_DESCRIPTION = "checkpoint.json"  # the name of an array in the file, its bytes the JSON


class DamagedCheckpointWarning(UserWarning):
    """A checkpoint that cannot be read; an older one is used."""


@dataclass(frozen=True)
class Checkpoint:
    """A saved state.

    Attributes:
        number: higher for later checkpoints.
        arrays: by name.
        description: JSON values.
        path: the file.
    """

    number: int
    arrays: dict[str, NDArray[Any]]
    description: dict[str, Any]
    path: Path


class CheckpointFolder:
    """The checkpoints of one training.

    Args:
        folder: created with the first checkpoint.
        keep: number of checkpoints to keep; older ones are removed.
    """

    def __init__(self, folder: str | Path, *, keep: int = KEPT) -> None:
        self.folder = Path(folder)
        self.keep = keep

    def numbers(self) -> list[int]:
        """Return the numbers of the checkpoints, the latest last."""
        if not self.folder.is_dir():
            return []
        found = (_NAME.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def path(self, number: int) -> Path:
        """Return the path of a checkpoint."""
        return self.folder / f"checkpoint-{number:010}.npz"

    def save(
        self,
        number: int,
        arrays: Mapping[str, NDArray[Any]],
        description: Mapping[str, Any],
    ) -> Path:
        """Write a checkpoint and remove old ones.

        Args:
            number: higher than those before.
            arrays: by name.
            description: JSON values.

        Raises:
            InputError: it cannot be written; older ones are unchanged.
        """
        text = json.dumps({"format": FORMAT, **description})
        content = {_DESCRIPTION: np.frombuffer(text.encode(), np.uint8), **arrays}
        path = self.path(number)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Before the write: a resumed run that is finished writes no other.
            self._remove_half_written()
            self._write(path, content)
        except OSError as error:
            raise InputError(
                f"{path}: the checkpoint cannot be written: {error.strerror or error};"
                " those before it are as they were"
            ) from None
        self._remove_old()
        return path

    def newest(self) -> Checkpoint | None:
        """Return the latest complete checkpoint; None if there is none.

        Warns:
            DamagedCheckpointWarning: for each one that is skipped.
        """
        for number in reversed(self.numbers()):
            try:
                return self.load(number)
            except InputError as error:
                warnings.warn(
                    f"{error}; the one before it is used, if there is one",
                    DamagedCheckpointWarning,
                    stacklevel=2,
                )
        return None

    def load(self, number: int) -> Checkpoint:
        """Read a checkpoint.

        Raises:
            InputError: it is damaged, or has another format.
        """
        path = self.path(number)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        whole, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
        # The checksums in the file itself do not cover all of it.
        if hashlib.sha256(whole).digest() != digest:
            raise InputError(f"{path}: the checkpoint is damaged")
        with np.load(io.BytesIO(whole), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        description = json.loads(arrays.pop(_DESCRIPTION).tobytes())
        if description.get("format") != FORMAT:
            raise InputError(f"{path}: is not a checkpoint of format {FORMAT}")
        return Checkpoint(number, arrays, description, path)

    def _write(self, path: Path, content: Mapping[str, NDArray[Any]]) -> None:
        descriptor, beside = tempfile.mkstemp(dir=self.folder, prefix=".partial-")
        try:
            whole = io.BytesIO()
            np.savez(whole, **content)  # type: ignore[arg-type]
            with open(descriptor, "wb") as file:
                file.write(whole.getbuffer())
                file.write(hashlib.sha256(whole.getbuffer()).digest())
                file.flush()
                os.fsync(file.fileno())
            os.chmod(beside, 0o644)  # mkstemp's is for the owner alone
            os.replace(beside, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(beside)
            raise
        _sync(self.folder)

    def _remove_old(self) -> None:
        for number in self.numbers()[: -self.keep]:
            self.path(number).unlink(missing_ok=True)

    def _remove_half_written(self) -> None:
        # Folders belong to exports.
        for partial in self.folder.glob(".partial-*"):
            if not partial.is_dir():
                partial.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    # The new name reaches the disk too.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
