"""`kerasnn predict`: predictions for the rows of a file, few or many."""

import sys
from dataclasses import dataclass
from pathlib import Path

import click

from kerasnn.cli.console import echo_line, json_option, print_json, with_row_bar
from kerasnn.cli.messages import cli_messages
from kerasnn.cli.options import (
    FOR_SERVER,
    PATH,
    Command,
    allow_option,
    at_least,
    collect,
    option,
    reject_options,
)
from kerasnn.cli.output import is_standard_output, whole_output
from kerasnn.cli.predict.asked import AskedAnswers
from kerasnn.cli.predict.local import local_answers
from kerasnn.cli.predict.output import KeptColumns, Problems, write_csv, write_json
from kerasnn.cli.predict.remote import remote_answers
from kerasnn.cli.table_options import ReadingArguments, reading_options


@dataclass(frozen=True)
class PredictorOptions:
    """The options about who predicts, this process or a server; see the help."""

    server: str | None
    rows_per_request: int
    ca_cert: Path | None
    on_error: str
    allow: tuple[str, ...]


@dataclass(frozen=True)
class OutputOptions:
    """The options about where the predictions go; see the help."""

    output: Path | None
    as_json: bool


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
@option(
    "--keep",
    str,
    "Columns of FILE to put in front of the predictions: an option several times, or a"
    " list a,b,c.",
    multiple=True,
)
@option("--keep-all", None, "Put all columns of FILE in front.", is_flag=True)
@option(
    "--on-error",
    click.Choice(["skip", "fail"]),
    "A row with a cell that cannot be read: skip leaves its predictions empty and lists it,"
    " fail is an error, as it always is with --server.",
    default="skip",
    show_default=True,
)
@click.option(
    "--explain",
    is_flag=True,
    help="Add the reasons of each prediction: the columns that moved it most (reason_1,"
    " ...), the mean answer, and the contribution of every column, which together add up"
    " to the logit or the value.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Add whether each row is unlike those of the training (unusual), the columns that"
    " cause it (unusual_columns) and what is unusual about them (unusual_reason).",
)
@option(
    "--interval",
    click.FloatRange(0, 1, min_open=True, max_open=True),
    "Add an interval that has this share of the true values, such as 0.9, as columns lower"
    " and upper; or, for classes, a column set with the classes a|b that cover it.",
    metavar="COVERAGE",
)
@allow_option
@collect(AskedAnswers, "asked")
@collect(KeptColumns, "kept")
@collect(PredictorOptions, "predictor")
@collect(OutputOptions, "destination")
def predict_command(
    model: Path,
    file: Path,
    reading: ReadingArguments,
    predictor: PredictorOptions,
    asked: AskedAnswers,
    kept: KeptColumns,
    destination: OutputOptions,
) -> None:
    """Predict each row of FILE with MODEL, a folder that train wrote.

    FILE is text such as CSV, JSON, a workbook, Parquet or Arrow, plain or packed, or a
    folder of files of one kind; - is standard input. It needs the columns
    that the network was trained on, in any order; kerasnn inspect lists them. Other columns
    are ignored. The output has one line for each row, in the order of FILE. "-o -" writes
    to standard output.

    A SavedModel is a program. It is not run if its graph has operations that can reach
    files, other machines or Python, or that are unknown.
    """
    output = destination.output
    if output is not None and output.exists() and file.exists() and output.samefile(file):
        raise click.UsageError(f"--output is FILE itself, {file}, whose rows would be lost")
    problems = Problems()
    if predictor.server is None:
        reject_options(click.get_current_context(), FOR_SERVER, "for --server")
        answered = local_answers(
            model,
            predictor.allow,
            file,
            reading.options(),
            fail=predictor.on_error == "fail" or reading.strict,
            asked=asked,
            notices=problems.notices,
        )
    elif predictor.allow:
        raise click.UsageError(
            "--allow is for a model that is loaded here; kerasnn serve has its own"
        )
    else:
        answered = remote_answers(
            predictor.server,
            model.as_posix(),
            file,
            reading.options(),
            max_rows=predictor.rows_per_request,
            ca_cert=predictor.ca_cert,
            asked=asked,
        )
    parts = (
        kept.beside(part.rows, part.predictions) for part in problems.collected(answered)
    )
    to_stream = output is None or is_standard_output(output)
    on_screen = to_stream and sys.stdout.isatty()
    tables = with_row_bar(parts, "Predicting", shown=not on_screen)
    with cli_messages(), whole_output(output) as stream:
        if to_stream and destination.as_json:
            write_json(tables, stream, problems)
        else:
            write_csv(tables, stream)
    _report(problems, None if to_stream else output, as_json=destination.as_json)


def _report(problems: Problems, output: Path | None, *, as_json: bool) -> None:
    """Print the problems, and how many rows were written to a file."""
    for line in [] if as_json else problems.lines():
        echo_line(line, err=True)
    if output is None:
        return
    if as_json:
        print_json({"rows": problems.n_rows, "output": str(output), **problems.to_dict()})
    else:
        echo_line(f"{problems.n_rows:,} rows written to {output}")
