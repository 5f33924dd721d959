"""Parquet files, so many rows at a time, through pyarrow where it is installed."""

import importlib
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from kerasnn.errors import InputError


def parquet_chunks(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    """The rows of a Parquet file, at most so many at a time.

    Raises:
        InputError: pyarrow is not installed, or the file cannot be read.
    """
    try:
        # Here, since it is an extra: everything else works without it.
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise InputError(
            f"{path}: Parquet files need pyarrow: pip install pyarrow"
        ) from None
    try:
        with parquet.ParquetFile(path) as file:
            if file.metadata.num_rows == 0:
                yield file.read().to_pandas()
            for batch in file.iter_batches(batch_size=rows):
                yield batch.to_pandas()
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (ValueError, OSError) as error:  # ArrowInvalid is a ValueError
        raise InputError(f"{path}: is not a Parquet file: {error}") from None
