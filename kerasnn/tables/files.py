"""The files of a table: how large they are, and which they are."""

import hashlib
from pathlib import Path

from kerasnn.datasets import table_files
from kerasnn.errors import InputError

STREAMED_FROM_BYTES = 256_000_000


def are_large(path: Path) -> bool:
    """Whether a table is read from disk where nothing else was said."""
    return sum(p.stat().st_size for p in table_files(path) if p.exists()) >= (
        STREAMED_FROM_BYTES
    )


def files_fingerprint(path: Path) -> str:
    """The same bytes in files of the same order give the same text.

    Raises:
        InputError: a file cannot be read.
    """
    whole = hashlib.sha256()
    for file in table_files(path):
        try:
            with file.open("rb") as stream:
                whole.update(hashlib.file_digest(stream, "sha256").digest())
        except FileNotFoundError:
            raise InputError(f"{file}: there is no such file") from None
        except OSError as error:
            raise InputError(f"{file}: cannot be read: {error.strerror}") from None
    return f"files:sha256:{whole.hexdigest()}"
