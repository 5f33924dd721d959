"""`kerasnn predict --server`: the rows go to a server and the answers come back."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kerasnn.cli.predictions import prediction_table
from kerasnn.errors import InputError, ServerError

if TYPE_CHECKING:
    import pandas as pd

    from kerasnn.serving.client import RemoteModel

MOST_CELLS = 100_000  # of a request: a megabyte or two


def remote_answers(
    url: str, name: str, file: Path, *, most_rows: int, ca_cert: Path | None
) -> Iterator["pd.DataFrame"]:
    """The answers of a model on a server for the rows of a file, a request at a time.

    Args:
        url: of the server.
        name: of the model there, as `remote.RemoteModel` takes it.
        file: CSV or Parquet.
        most_rows: of a request.
        ca_cert: certificates to check the server's by.

    Raises:
        InputError: there is no such model, or the file is not what it takes.
        ServerError: the server gives no answer, or an error.
    """
    from kerasnn.serving.client import RemoteModel, Server

    with Server(url, ca_cert=None if ca_cert is None else str(ca_cert)) as server:
        yield from _answered(RemoteModel(server, name), file, most_rows)


def _answered(model: "RemoteModel", file: Path, most_rows: int) -> Iterator["pd.DataFrame"]:
    from kerasnn import datasets

    present = list(next(datasets.table_chunks(file, 1)).columns)
    most = max(min(most_rows, MOST_CELLS // max(len(present), 1)), 1)
    start = 0
    for chunk in datasets.table_chunks(file, most):
        try:
            intake = model.intake(present)
            answers = model.predict(chunk, intake)
            table = prediction_table(answers, model.classes)
        except InputError as error:
            where = f"in the rows from {start:,} on, counted from there: " if start else ""
            raise InputError(f"{file}: {where}{error}") from None
        except ServerError as error:
            rows = f"rows {start:,} to {start + len(chunk) - 1:,}"
            raise ServerError(f"{file}: {rows}: {error}", status=error.status) from None
        yield table
        start += len(chunk)
