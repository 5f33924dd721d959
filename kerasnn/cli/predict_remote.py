"""`kerasnn predict --server`: predictions of a model on a server."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kerasnn.cli.predictions import AnsweredRows, prediction_table
from kerasnn.errors import InputError, ServerError

if TYPE_CHECKING:
    from kerasnn.datasets import ReadOptions
    from kerasnn.serving.client import RemoteModel

MAX_REQUEST_CELLS = 100_000  # of a request: a megabyte or two


def remote_answers(
    url: str,
    name: str,
    file: Path,
    reading: "ReadOptions",
    *,
    max_rows: int,
    ca_cert: Path | None,
    interval: float | None = None,
) -> Iterator[AnsweredRows]:
    """Yield a server's predictions for the rows of a file, a table for each request.

    Args:
        url: of the server.
        name: of the model there, as for `RemoteModel`.
        file: as for `datasets.as_table`.
        reading: how to read it.
        max_rows: of a request.
        ca_cert: file with the certificates to trust.
        interval: coverage of intervals or sets; None for none.

    Raises:
        InputError: there is no such model, or it does not fit the file.
        ServerError: the server does not answer, or answers with an error.
    """
    from kerasnn.serving.client import RemoteModel, RestClient

    with RestClient(url, ca_cert=None if ca_cert is None else str(ca_cert)) as server:
        yield from _answered(RemoteModel(server, name), file, reading, max_rows, interval)


def _answered(
    model: "RemoteModel",
    file: Path,
    reading: "ReadOptions",
    max_rows: int,
    interval: float | None,
) -> Iterator[AnsweredRows]:
    from kerasnn.datasets.files.table_files import bounded_chunks, in_rows_from

    start = 0
    options = dataclasses.replace(reading, empty_rows=True)
    chunks = bounded_chunks(
        file, max_rows=max_rows, max_cells=MAX_REQUEST_CELLS, options=options
    )
    for chunk in chunks:
        try:
            input_mapping = model.input_mapping(list(chunk.columns))
            if interval is None:
                answers = model.predict(chunk, input_mapping)
            else:
                answers = model.predict_interval(chunk, interval, input_mapping)
            table = prediction_table(answers, model.classes)
        except InputError as error:
            raise InputError(f"{file}: {in_rows_from(start)}{error}") from None
        except ServerError as error:
            rows = f"rows {start:,} to {start + len(chunk) - 1:,}"
            raise ServerError(f"{file}: {rows}: {error}", status=error.status) from None
        yield AnsweredRows(chunk, table)
        start += len(chunk)
