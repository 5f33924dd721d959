"""`kerasnn predict --server`: predictions of a model on a server."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kerasnn.cli.answers import answer_table
from kerasnn.errors import InputError, ServerError

if TYPE_CHECKING:
    import pandas as pd

    from kerasnn.serving.client import RemoteModel

MAX_REQUEST_CELLS = 100_000  # of a request: a megabyte or two


def remote_answers(
    url: str, name: str, file: Path, *, max_rows: int, ca_cert: Path | None
) -> Iterator["pd.DataFrame"]:
    """Yield a server's predictions for the rows of a file, a table for each request.

    Args:
        url: of the server.
        name: of the model there, as `remote.RemoteModel` takes it.
        file: CSV or Parquet.
        max_rows: of a request.
        ca_cert: certificates to check the server's by.

    Raises:
        InputError: there is no such model, or the file is not what it takes.
        ServerError: the server gives no answer, or an error.
    """
    from kerasnn.serving.client import RemoteModel, RestClient

    with RestClient(url, ca_cert=None if ca_cert is None else str(ca_cert)) as server:
        yield from _answered(RemoteModel(server, name), file, max_rows)


def _answered(model: "RemoteModel", file: Path, max_rows: int) -> Iterator["pd.DataFrame"]:
    from kerasnn import datasets

    present = list(next(datasets.table_chunks(file, 1)).columns)
    n_rows = max(min(max_rows, MAX_REQUEST_CELLS // max(len(present), 1)), 1)
    start = 0
    for chunk in datasets.table_chunks(file, n_rows):
        try:
            input_mapping = model.input_mapping(present)
            answers = model.predict(chunk, input_mapping)
            table = answer_table(answers, model.classes)
        except InputError as error:
            where = f"in the rows from {start:,} on, counted from there: " if start else ""
            raise InputError(f"{file}: {where}{error}") from None
        except ServerError as error:
            rows = f"rows {start:,} to {start + len(chunk) - 1:,}"
            raise ServerError(f"{file}: {rows}: {error}", status=error.status) from None
        yield table
        start += len(chunk)
