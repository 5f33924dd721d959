"""`kerasnn predict --server`: predictions of a model on a server."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasnn.cli.predict.asked import AskedAnswers, RowContext
from kerasnn.cli.predict.output import AnsweredRows
from kerasnn.errors import InputError, ServerError

if TYPE_CHECKING:
    import pandas as pd

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
    asked: AskedAnswers,
) -> Iterator[AnsweredRows]:
    """Yield a server's predictions for the rows of a file, a table for each request.

    Args:
        url: of the server.
        name: of the model there, as for `RemoteModel`.
        file: as for `datasets.as_table`.
        reading: how to read it.
        max_rows: of a request.
        ca_cert: file with the certificates to trust.
        asked: what stands beside the predictions.

    Raises:
        InputError: there is no such model, or it does not fit the file.
        ServerError: the server does not answer, or answers with an error.
    """
    from kerasnn.serving.client import RemoteModel, RestClient

    with RestClient(url, ca_cert=None if ca_cert is None else str(ca_cert)) as server:
        yield from _answered(RemoteModel(server, name), file, reading, max_rows, asked)


def _answered(
    model: "RemoteModel",
    file: Path,
    reading: "ReadOptions",
    max_rows: int,
    asked: AskedAnswers,
) -> Iterator[AnsweredRows]:
    from kerasnn.datasets.files.table_files import bounded_chunks, in_rows_from

    if model.schema is None and (asked.explain or asked.check):
        raise InputError(
            f"--explain and --check need the columns of the training; the server says none"
            f" for {model.name!r}: it must be kerasnn serve, and the model one of kerasnn's"
            " for tables"
        )
    start = 0
    options = dataclasses.replace(reading, empty_rows=True)
    chunks = bounded_chunks(
        file, max_rows=max_rows, max_cells=MAX_REQUEST_CELLS, options=options
    )
    for chunk in chunks:

        def ask(signature: str, chunk: "pd.DataFrame" = chunk) -> Mapping[str, Any]:
            return model.signature_outputs(
                signature,
                chunk,
                model.input_mapping(list(chunk.columns)),
                options=asked.options(signature),
            )

        try:
            context = RowContext(chunk, model.classes, model.schema, reading)
            table = asked.table(ask(asked.first), ask, context)
        except InputError as error:
            raise InputError(f"{file}: {in_rows_from(start)}{error}") from None
        except ServerError as error:
            rows = f"rows {start:,} to {start + len(chunk) - 1:,}"
            raise ServerError(f"{file}: {rows}: {error}", status=error.status) from None
        yield AnsweredRows(chunk, table)
        start += len(chunk)
