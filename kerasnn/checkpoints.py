"""Checkpoints: files with the state of a training, complete or absent.

`<folder>/checkpoint-<number>.npz` holds named arrays and a description as JSON; a higher
number is a later checkpoint. Each is written under a temporary name and then renamed: a
process that is killed leaves the older ones. One process at a time writes to a folder; it
holds the lock of `folder_lock`. `training.checkpoints` and
`ensembles.checkpoints` decide what they contain and how a training resumes from it.
"""

import hashlib
import io
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn.errors import InputError, warn_user
from kerasnn.json_forms import Form, check_form, one_of, parse_json, record
from kerasnn.system import folder_lock

ROWS_FOLDER = "rows"  # beside the checkpoints: rows that were prepared on disk
_FORMAT = 1
_NAME = re.compile(r"checkpoint-(\d{10})\.npz")
_DIGEST_BYTES = 32  # SHA-256 of all bytes before it, at the end of the file
_DESCRIPTION = "checkpoint.json"  # the name of an array in the file, its bytes the JSON


_FORM = record({"format": one_of(_FORMAT)}, {}, others=True)


class DamagedCheckpointWarning(UserWarning):
    """A checkpoint that cannot be read; an older one is used."""


@dataclass(frozen=True)
class Checkpoint:
    """A saved state.

    Attributes:
        number: orders the checkpoints of a folder.
        arrays: by name.
        description: as JSON.
        path: of the file.
    """

    number: int
    arrays: dict[str, NDArray[Any]]
    description: dict[str, Any]
    path: Path

    def check(self, form: Form) -> None:
        """Check the description.

        Raises:
            InputError: it does not have the form.
        """
        check_form(self.description, form, source=self.path)

    def array(self, name: str) -> NDArray[Any]:
        """Return an array.

        Raises:
            InputError: there is none of this name.
        """
        if name not in self.arrays:
            raise InputError(f"{self.path}: the checkpoint has no array {name}")
        return self.arrays[name]


class CheckpointFolder:
    """The checkpoints of one training.

    Args:
        folder: is made when the first checkpoint is written.
        keep: number of checkpoints to keep; older ones are removed.
    """

    def __init__(self, folder: str | Path, *, keep: int = 3) -> None:
        self.folder = Path(folder)
        self.keep = keep

    def numbers(self) -> list[int]:
        """Return the numbers of the checkpoints in ascending order."""
        if not self.folder.is_dir():
            return []
        found = (_NAME.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def locked(self) -> AbstractContextManager[None]:
        """Return a context manager that excludes other trainings from the folder.

        Raises:
            InputError: another one is using it.
        """
        return folder_lock.locked(self.folder)

    def check_free(self) -> None:
        """Check that no other training is using the folder.

        Raises:
            InputError: one is.
        """
        folder_lock.check_free(self.folder)

    def path(self, number: int) -> Path:
        """Return the path of a checkpoint."""
        return self.folder / f"checkpoint-{number:010}.npz"

    def save(
        self,
        number: int,
        arrays: Mapping[str, NDArray[Any]],
        description: Mapping[str, Any],
    ) -> Path:
        """Write a checkpoint, and remove the oldest ones.

        Args:
            number: higher than the previous numbers.
            arrays: of numbers, by name.
            description: JSON.

        Raises:
            InputError: it cannot be written, or another training uses the folder; the
                earlier ones are unchanged.
        """
        text = json.dumps({"format": _FORMAT, **description})
        content = {_DESCRIPTION: np.frombuffer(text.encode(), np.uint8), **arrays}
        path = self.path(number)
        with folder_lock.locked(self.folder):
            folder_lock.check_held(self.folder)
            try:
                # Before writing: a training that resumes at its end saves no other.
                self._remove_partial_files()
                self._write(path, content)
            except OSError as error:
                raise InputError(
                    f"{path}: the checkpoint cannot be written: {error.strerror or error};"
                    " the earlier ones are unchanged"
                ) from None
            for old in self.numbers()[: -self.keep]:
                self.path(old).unlink(missing_ok=True)
        return path

    def newest(self) -> Checkpoint | None:
        """Return the latest checkpoint that is not damaged; None if there is none.

        Warns:
            DamagedCheckpointWarning: for each damaged one.
        """
        for number in reversed(self.numbers()):
            try:
                return self.load(number)
            except InputError as error:
                warn_user(
                    f"{error}; the previous one is used, if there is one",
                    DamagedCheckpointWarning,
                )
        return None

    def load(self, number: int) -> Checkpoint:
        """Read a checkpoint.

        Raises:
            InputError: it is damaged, or of another format.
        """
        path = self.path(number)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        whole, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
        # The checksums of the npz file do not cover all of it.
        if hashlib.sha256(whole).digest() != digest:
            raise InputError(f"{path}: the checkpoint is damaged")
        arrays = _arrays(path, whole)
        description = parse_json(arrays.pop(_DESCRIPTION).tobytes(), source=path)
        check_form(description, _FORM, source=path)
        return Checkpoint(number, arrays, description, path)

    def _write(self, path: Path, content: Mapping[str, NDArray[Any]]) -> None:
        descriptor, temporary = tempfile.mkstemp(dir=self.folder, prefix=".partial-")
        try:
            whole = io.BytesIO()
            np.savez(whole, **content)  # type: ignore[arg-type]
            with open(descriptor, "wb") as file:
                file.write(whole.getbuffer())
                file.write(hashlib.sha256(whole.getbuffer()).digest())
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)  # mkstemp gives access to the owner only
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        _sync(self.folder)

    def _remove_partial_files(self) -> None:
        """Remove what killed processes left; nobody else writes while the lock is held."""
        for partial in self.folder.glob(".partial-*"):
            if not partial.is_dir():  # a folder is not from a checkpoint
                partial.unlink(missing_ok=True)


def _arrays(path: Path, content: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file; a right checksum does not make them right.

    Raises:
        InputError: it is no archive of plain arrays, or holds no description.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            # They are stored as they are: nothing unpacks to more than the file has.
            if any(member.file_size != member.compress_size for member in archive.filelist):
                raise ValueError("its arrays are packed")
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if any(not isinstance(array, np.ndarray) for array in arrays.values()):
            raise ValueError("it holds something else than arrays")
        if _DESCRIPTION not in arrays:
            raise ValueError(f"it has no {_DESCRIPTION}")
    except Exception as error:  # NumPy and zipfile may raise anything here
        raise InputError(f"{path}: the checkpoint is damaged: {error}") from None
    return arrays


def _sync(folder: Path) -> None:
    """Make sure that the new name is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
