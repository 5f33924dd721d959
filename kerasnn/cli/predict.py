"""`kerasnn predict`: predictions for the rows of a file, few or many."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kerasnn.cli.console import json_option, quiet_tensorflow
from kerasnn.cli.options import (
    FOR_SERVER,
    PATH,
    Command,
    at_least,
    collect,
    option,
    reject_options,
)
from kerasnn.cli.output import whole_output
from kerasnn.cli.predict_remote import remote_answers
from kerasnn.cli.predictions import prediction_table, write_csv, write_json
from kerasnn.cli.table_options import ReadingArguments, reading_options
from kerasnn.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from kerasnn.datasets import ReadOptions
    from kerasnn.saving import SavedTable


@dataclass(frozen=True)
class RemoteOptions:
    """The options of a server that predicts; see the help."""

    server: str | None
    rows_per_request: int
    ca_cert: Path | None


@click.command("predict", cls=Command, short_help="Predict the rows of a file.")
@click.argument("model", type=PATH)
@click.argument("file", type=PATH)
@click.option(
    "-o", "--output", type=PATH, help="CSV file to write.  [default: standard output]"
)
@json_option
@reading_options
@option(
    "--server",
    str,
    "Ask a server, such as http://127.0.0.1:8501: kerasnn serve or TensorFlow Serving."
    " MODEL is its name there: digits, digits/3 or digits/labels/stable.",
    metavar="URL",
)
@option(
    "--rows-per-request",
    at_least(1),
    "Largest number of rows in a request.",
    heading=FOR_SERVER,
    default=1000,
    show_default=True,
)
@option(
    "--ca-cert",
    PATH,
    "PEM file with the certificates to trust, for https.  [default: the system's]",
    heading=FOR_SERVER,
)
@click.pass_context
@collect(RemoteOptions, "remote")
def predict_command(
    ctx: click.Context,
    model: Path,
    file: Path,
    output: Path | None,
    as_json: bool,
    reading: ReadingArguments,
    remote: RemoteOptions,
) -> None:
    """Predict each row of FILE with MODEL, a folder that train wrote.

    FILE is text such as CSV, JSON, a workbook, Parquet or Arrow, plain or packed, or a
    folder of files of one kind; - is standard input. It needs the columns
    that the network was trained on, in any order; kerasnn inspect lists them. Other columns
    are ignored. The output has one line for each row.
    """
    if output is not None and output.exists() and file.exists() and output.samefile(file):
        raise click.UsageError(f"--output is FILE itself, {file}, whose rows would be lost")
    if remote.server is None:
        reject_options(ctx, FOR_SERVER, "for --server")
        tables = _predictions(model, file, reading.options())
    else:
        tables = remote_answers(
            remote.server,
            model.as_posix(),
            file,
            reading.options(),
            max_rows=remote.rows_per_request,
            ca_cert=remote.ca_cert,
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


def _predictions(
    model: Path, file: Path, reading: "ReadOptions"
) -> Iterator["pd.DataFrame"]:
    with quiet_tensorflow():
        from kerasnn import datasets, saving
    network = saving.load(model)
    if isinstance(network, saving.SavedTable):
        yield from _table_predictions(network, file, reading)
        return
    rows = datasets.read_numbers(
        file, network.columns, dtype=network.dtype, options=reading
    )
    yield prediction_table(network.predict(rows.to_numpy()), None)


def _table_predictions(
    network: "SavedTable", file: Path, reading: "ReadOptions"
) -> Iterator["pd.DataFrame"]:
    from kerasnn.datasets.files.table_files import bounded_chunks, in_rows_from

    target = network.schema.target
    classes = target.classes if target is not None else ()
    start = 0
    for chunk in bounded_chunks(file, options=reading, needed=network.schema.names):
        try:
            outputs = network.predict(chunk)
        except InputError as error:
            raise InputError(f"{file}: {in_rows_from(start)}{error}") from None
        yield prediction_table(outputs, classes)
        start += len(chunk)
