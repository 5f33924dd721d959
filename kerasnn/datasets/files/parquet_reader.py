"""Parquet files, read in blocks of rows through pyarrow if it is installed."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from kerasnn.datasets.names import check_unique
from kerasnn.errors import InputError

# Bytes of a column that are read at once. Without a limit pyarrow reads the columns of a
# whole row group at once, and a file may be one row group.
_BUFFER_BYTES = 2**18


def parquet_blocks(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    """Read a Parquet file in blocks of at most `rows` rows.

    Raises:
        InputError: pyarrow is not installed, or the file cannot be read.
    """
    with _opened(path) as file:
        if file.metadata.num_rows == 0:
            yield file.read().to_pandas()
        for batch in file.iter_batches(batch_size=rows):
            yield batch.to_pandas()


def parquet_types(path: Path) -> dict[str, str]:
    """Return the Arrow type of each column of a Parquet file.

    Raises:
        InputError: see `parquet_blocks`; or two columns have the same name.
    """
    with _opened(path) as file:
        schema = file.schema_arrow
    check_unique(f"{path}: has", schema.names)
    index = (schema.pandas_metadata or {}).get("index_columns", ())
    types = dict(zip(schema.names, map(str, schema.types), strict=True))
    return {name: arrow_type for name, arrow_type in types.items() if name not in index}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        # Imported here because it is optional.
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
