"""`kerasnn predict`: rows in, answers out, many or few."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kerasnn.cli.answers import answer_table, write_csv, write_json
from kerasnn.cli.console import json_option, quiet_tensorflow
from kerasnn.cli.output import whole_output
from kerasnn.cli.parsing import Command, ServerOption, refuse
from kerasnn.cli.predict_remote import remote_answers
from kerasnn.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from kerasnn.saving import SavedNetwork, SavedTable

MOST_ROWS = 50_000  # that are held at once
MOST_CELLS = 2_000_000


@click.command(cls=Command)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="CSV file to write.  [default: standard output]",
)
@json_option
@click.option(
    "--server",
    metavar="URL",
    help="Ask a server, such as http://127.0.0.1:8501: kerasnn serve or TensorFlow"
    " Serving. MODEL is its name there: digits, digits/3 or digits/labels/stable.",
)
@click.option(
    "--rows-per-request",
    cls=ServerOption,
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="The most that a request carries.",
)
@click.option(
    "--ca-cert",
    cls=ServerOption,
    type=click.Path(path_type=Path),
    help="PEM file to check an https server by.  [default: the system's]",
)
@click.pass_context
def predict(
    ctx: click.Context,
    model: Path,
    file: Path,
    output: Path | None,
    as_json: bool,
    server: str | None,
    rows_per_request: int,
    ca_cert: Path | None,
) -> None:
    """Answer each row of FILE with MODEL, a folder that train wrote.

    FILE is CSV (.csv, .csv.gz) or Parquet (or a folder of that). It needs the columns that
    the network was trained on (kerasnn inspect lists them), in any order; other columns
    are ignored. One line of answers for each row.
    """
    if output is not None and output.exists() and file.exists() and output.samefile(file):
        raise click.UsageError(f"--output is FILE itself, {file}, whose rows would be lost")
    if server is None:
        refuse(ctx, ServerOption, "for --server")
        tables = _local_answers(model, file)
    else:
        tables = remote_answers(
            server, model.as_posix(), file, max_rows=rows_per_request, ca_cert=ca_cert
        )
    if output is None:
        with whole_output(None) as stream:
            write_json(tables, stream) if as_json else write_csv(tables, stream)
        return
    with whole_output(output) as stream:
        rows = write_csv(tables, stream)
    if as_json:
        click.echo(json.dumps({"rows": rows, "output": str(output)}))
    else:
        click.echo(f"{rows:,} rows written to {output}")


def _local_answers(model: Path, file: Path) -> Iterator["pd.DataFrame"]:
    with quiet_tensorflow():
        from kerasnn import saving
    return _answered(saving.load(model), file)


def _answered(network: "SavedNetwork | SavedTable", file: Path) -> Iterator["pd.DataFrame"]:
    """The answers for the rows of the file, so many at a time."""
    from kerasnn import datasets, saving

    if isinstance(network, saving.SavedNetwork):
        rows = datasets.read_numbers(file, network.columns, dtype=network.dtype)
        yield answer_table(network.predict(rows.to_numpy()), None)
        return
    target = network.schema.target
    classes = target.classes if target is not None else ()
    width = len(next(datasets.table_chunks(file, 1)).columns)
    most = max(min(MOST_ROWS, MOST_CELLS // max(width, 1)), 1)
    start = 0
    for chunk in datasets.table_chunks(file, most):
        try:
            answers = network.predict(chunk)
        except InputError as error:
            where = f"in the rows from {start:,} on, counted from there: " if start else ""
            raise InputError(f"{file}: {where}{error}") from None
        yield answer_table(answers, classes)
        start += len(chunk)
