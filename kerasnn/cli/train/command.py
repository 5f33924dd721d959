"""The options of `kerasnn train`, and the choice between a lesson and a table."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from kerasnn.choices import (
    Batching,
    Driver,
    NumericEmbedding,
    OptimizerName,
    Quality,
    Task,
)
from kerasnn.cli.console import json_option
from kerasnn.cli.options import (
    FOR_FILES,
    FOR_LESSONS,
    FOR_READING,
    FRACTION,
    HIDDEN_UNITS,
    LESSON_NAMES,
    PATH,
    POSITIVE_NUMBER,
    TEST_SIZE,
    Command,
    SourceType,
    at_least,
    check_folds,
    choice,
    collect,
    given_options,
    option,
    reject_options,
)
from kerasnn.cli.table_options import (
    ReadingArguments,
    hint_options,
    reading_options,
    validation_options,
)
from kerasnn.cli.train.checkpoints import TrainCheckpoints
from kerasnn.cli.train.lesson import train_lesson
from kerasnn.cli.train.table import train_file

_TABLE_ENDINGS = (
    *(".gz", ".bz2", ".xz", ".zip", ".csv", ".tsv", ".txt", ".tab", ".psv", ".ssv"),
    *(".data", ".dat", ".asc", ".arff", ".test", ".train", ".parquet", ".pq", ".feather"),
    *(".arrow", ".ipc", ".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".json", ".jsonl"),
    ".ndjson",
)

file_option = partial(option, heading=FOR_FILES)
lesson_option = partial(option, heading=FOR_LESSONS)


@click.command("train", cls=Command, short_help="Train a network on a table or a lesson.")
@click.argument("source", metavar="SOURCE", type=SourceType())
@file_option("--target", str, "Column to predict.")
@file_option("--task", choice(Task), "Kind of the target.  [default: inferred]")
@file_option(
    "--test-size", TEST_SIZE, "Share of the rows kept for the test.  [default: 0.2]"
)
@validation_options(file_option)
@file_option(
    "--folds",
    at_least(0),
    "Number of folds; each member leaves one out of its training. 0: every member learns"
    " from all rows.",
    callback=check_folds,
)
@file_option("--members", at_least(1), "Number of networks in the ensemble.")
@file_option(
    "--trees/--no-trees",
    None,
    "Let boosted trees stand beside the networks.  [default: if left-out rows gain]",
    default=None,
)
@file_option(
    "--quality",
    choice(Quality),
    "Effort of the training: fast, or best, which takes about four times as long."
    "  [default: default]",
)
@file_option(
    "--time-limit",
    POSITIVE_NUMBER,
    "Seconds of the whole command; the training has fewer epochs if it would take longer.",
)
@file_option(
    "--importance/--no-importance",
    None,
    "Measure the importance of the columns.  [default: importance]",
    default=None,
)
@file_option("--weight-decay", FRACTION, "Weight decay, relative to the learning rate.")
@file_option("--dropout", FRACTION, "Probability that a step drops a unit.")
@file_option("--embedding", choice(NumericEmbedding), "Embedding of numeric columns.")
@hint_options(file_option)
@file_option(
    "--stream/--no-stream",
    None,
    "Read the rows from disk during the training; only some are in memory."
    "  [default: if the files have 256 MB or more]",
    default=None,
)
@reading_options
@option("--epochs", at_least(1), "Passes over the training rows.")
@option("--batch-size", at_least(1), "Rows per step.")
@option("--learning-rate", POSITIVE_NUMBER, "Learning rate.")
@lesson_option("--optimizer", choice(OptimizerName), "Optimizer.")
@option("--hidden-units", HIDDEN_UNITS, "Units of the hidden layers: 30, or 64,32.")
@lesson_option("--batching", choice(Batching), "How rows are divided into batches.")
@option("--driver", choice(Driver), "How the training loop runs.")
@option("--seed", at_least(0), "Random seed: the same seed, the same weights.")
@option(
    "--output",
    PATH,
    "Folder of the models.",
    default=Path("saved_models"),
    show_default=True,
)
@option("--name", str, "Name of the model in that folder.  [default: SOURCE's]")
@option(
    "--checkpoint",
    PATH,
    "Folder of checkpoints, from which --resume continues an interrupted training.",
)
@option(
    "--checkpoint-every",
    POSITIVE_NUMBER,
    "Seconds between two checkpoints.  [default: 60]",
)
@option(
    "--resume",
    None,
    "Continue from the newest checkpoint, if there is one.",
    is_flag=True,
)
@json_option
@click.pass_context
@collect(TrainCheckpoints, "checkpoints")
def train_command(
    ctx: click.Context,
    source: str,
    output: Path,
    name: str | None,
    checkpoints: TrainCheckpoints,
    reading: ReadingArguments,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a network on SOURCE: a file, or a lesson (iris or digits).

    A file is text such as CSV, JSON, a workbook, Parquet or Arrow, plain or packed, or a
    folder of files of one kind; - is standard input. It needs --target, the column to
    predict. The kinds of the other columns are inferred, and the network is tested on rows
    that it never saw.

    The result is a SavedModel with a report in OUTPUT/NAME/VERSION; each training adds a
    version.

    Defaults: for a file they depend on the number of rows. digits: 64-30-10, Adam at 0.002,
    shuffled batches of 64, 100 epochs. iris: 2-3-1, SGD at 0.1, all rows at once, 200
    epochs.

    With --checkpoint an interrupted training is not lost: the same command with --resume
    continues it, and ends with the same weights. Ctrl-C saves a checkpoint and stops.
    """
    if checkpoints.checkpoint is None and (
        checkpoints.resume or checkpoints.checkpoint_every
    ):
        needing = "--resume" if checkpoints.resume else "--checkpoint-every"
        raise click.UsageError(f"{needing} needs --checkpoint, the folder", ctx)
    given = given_options(options)
    folder = output / _model_name(source, name)
    if source in LESSON_NAMES:
        for heading in (FOR_FILES, FOR_READING):
            reject_options(ctx, heading, f"for files; {source} is a lesson")
        train_lesson(source, folder, given, checkpoints, as_json=as_json)
    else:
        reject_options(ctx, FOR_LESSONS, f"for the lessons, {' and '.join(LESSON_NAMES)}")
        train_file(Path(source), folder, given, checkpoints, reading, as_json=as_json)


def _model_name(source: str, name: str | None) -> str:
    """Return a folder name that looks like no version, hidden folder or option."""
    chosen = _stem(source) if name is None else name
    if chosen != Path(chosen).name or not chosen or chosen[0] in ".-" or chosen.isdecimal():
        raise click.BadParameter(
            f"{chosen!r}{' (from SOURCE)' if name is None else ''} is not a plain folder"
            " name such as digits or my_net",
            param_hint="'--name'",
        )
    return chosen


def _stem(source: str) -> str:
    """Return the name without the endings of tables: adult for data/adult.csv.gz."""
    path = Path("stdin" if source == "-" else source)
    while path.suffix.lower() in _TABLE_ENDINGS:
        path = path.with_suffix("")
    return path.name
