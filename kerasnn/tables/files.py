"""The files of a table: their size and their fingerprint."""

import hashlib
from pathlib import Path

from kerasnn.datasets import table_files
from kerasnn.datasets.files.table_files import file_digest

STREAMED_FROM_BYTES = 256_000_000


def are_large(path: Path) -> bool:
    """Return whether a table is read from disk by default."""
    sizes = [p.stat().st_size for p in table_files(path) if p.exists()]
    return sum(sizes) >= STREAMED_FROM_BYTES


def files_fingerprint(path: Path) -> str:
    """Return a text that is equal for the same files in the same order.

    Raises:
        InputError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for file in table_files(path):
        digest.update(file_digest(file)[1])
    return f"files:sha256:{digest.hexdigest()}"
