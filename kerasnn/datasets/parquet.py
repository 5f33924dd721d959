"""Parquet files, so many rows at a time, through pyarrow where it is installed."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from kerasnn.datasets.names import check_different
from kerasnn.errors import InputError

# Of a column, read at a time. Without it the columns of a whole row group are read at
# once, and a file may be one row group.
_BUFFER_BYTES = 2**18


def parquet_chunks(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    """The rows of a Parquet file, at most so many at a time.

    Raises:
        InputError: pyarrow is not installed, or the file cannot be read.
    """
    with _opened(path) as file:
        if file.metadata.num_rows == 0:
            yield file.read().to_pandas()
        for batch in file.iter_batches(batch_size=rows):
            yield batch.to_pandas()


def parquet_types(path: Path) -> dict[str, str]:
    """The columns of a Parquet file and Arrow's names of their types.

    Raises:
        InputError: see `parquet_chunks`; or two columns have one name.
    """
    with _opened(path) as file:
        schema = file.schema_arrow
    check_different(f"{path}: has", schema.names)
    index = (schema.pandas_metadata or {}).get("index_columns", ())
    types = dict(zip(schema.names, map(str, schema.types), strict=True))
    return {name: told for name, told in types.items() if name not in index}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        # Here, since it is an extra: everything else works without it.
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise InputError(
            f"{path}: Parquet files need pyarrow: pip install pyarrow"
        ) from None
    options = {"pre_buffer": False, "buffer_size": _BUFFER_BYTES}
    try:
        with parquet.ParquetFile(path, **options) as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (ValueError, OSError) as error:  # ArrowInvalid is a ValueError
        raise InputError(f"{path}: is not a Parquet file: {error}") from None
