"""Parquet and Arrow (Feather) files, read in blocks of rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from kerasnn.datasets.files.cell_columns import frame_of_arrow
from kerasnn.datasets.files.file_errors import check_regular
from kerasnn.datasets.files.packed import unpacked_file
from kerasnn.datasets.names import check_unique
from kerasnn.errors import InputError

# Bytes of a column that are read at once. Without a limit pyarrow reads the columns of a
# whole row group at once, and a file may be one row group.
_BUFFER_BYTES = 2**18


def parquet_blocks(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    """Read a Parquet file in blocks of at most `rows` rows.

    Raises:
        InputError: the file cannot be read.
    """
    with _opened_parquet(path) as file:
        left = file.metadata.num_rows
        if left == 0:
            yield file.read().to_pandas()
        for batch in file.iter_batches(batch_size=rows):
            left -= batch.num_rows
            yield frame_of_arrow(batch)
        if left:
            raise InputError(
                f"{path}: does not have the number of rows that its footer gives"
            )


def parquet_types(path: Path) -> dict[str, str]:
    """Return the Arrow type of each column of a Parquet file.

    Raises:
        InputError: see `parquet_blocks`; or two columns have the same name.
    """
    with _opened_parquet(path) as file:
        return _types(path, file.schema_arrow)


def arrow_blocks(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    """Read an Arrow file or stream in blocks of at most `rows` rows.

    Raises:
        InputError: the file cannot be read.
    """
    with _opened_arrow(path) as (schema, batches):
        empty = True
        for batch in batches:
            for start in range(0, batch.num_rows, rows):
                empty = False
                yield frame_of_arrow(batch.slice(start, rows))
        if empty:
            yield schema.empty_table().to_pandas()


def arrow_types(path: Path) -> dict[str, str]:
    """Return the type of each column of an Arrow file.

    Raises:
        InputError: see `arrow_blocks`; or two columns have the same name.
    """
    with _opened_arrow(path) as (schema, _):
        return _types(path, schema)


def _types(path: Path, schema: pa.Schema) -> dict[str, str]:
    check_unique(f"{path}: has", schema.names)
    index = (schema.pandas_metadata or {}).get("index_columns", ())
    types = dict(zip(schema.names, map(str, schema.types), strict=True))
    return {name: arrow_type for name, arrow_type in types.items() if name not in index}


@contextmanager
def _opened_parquet(path: Path) -> Iterator[Any]:
    with _arrow_errors(path, "a Parquet file"), unpacked_file(path) as plain:
        options = {"pre_buffer": False, "buffer_size": _BUFFER_BYTES}
        with pyarrow.parquet.ParquetFile(plain, **options) as file:
            yield file


@contextmanager
def _opened_arrow(path: Path) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    # Not mapped into memory: a mapped file that shrinks ends the process.
    with (
        _arrow_errors(path, "an Arrow file"),
        unpacked_file(path) as plain,
        pa.OSFile(str(plain)) as file,
    ):
        if file.read(6) == b"ARROW1":
            reader = pa.ipc.open_file(file)
            batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
            yield reader.schema, batches
        else:
            file.seek(0)
            stream = pa.ipc.open_stream(file)
            yield stream.schema, iter(stream)


@contextmanager
def _arrow_errors(path: Path, kind: str) -> Iterator[None]:
    check_regular(path)
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (ValueError, OSError) as error:  # ArrowInvalid is a ValueError
        raise InputError(f"{path}: is not {kind}: {error}") from None
