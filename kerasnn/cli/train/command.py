"""The options of `kerasnn train`, and the choice between a lesson and a table."""

from functools import partial
from pathlib import Path
from typing import Any, get_args

import click

from kerasnn.choices import Batching, Driver, NumericEmbedding, OptimizerName, Task
from kerasnn.cli.console import json_option
from kerasnn.cli.options import (
    FOR_FILES,
    FOR_LESSONS,
    HIDDEN_UNITS,
    LESSON_NAMES,
    POSITIVE_NUMBER,
    Command,
    SourceType,
    check_folds,
    collect,
    given_options,
    option,
    reject_options,
)
from kerasnn.cli.table_options import hint_options
from kerasnn.cli.train.checkpoints import TrainCheckpoints
from kerasnn.cli.train.lesson import train_lesson
from kerasnn.cli.train.table import train_file

_TABLE_ENDINGS = (".gz", ".csv", ".tsv", ".txt", ".parquet", ".pq")

_file_option = partial(option, FOR_FILES)
_lesson_option = partial(option, FOR_LESSONS)
_FRACTION = click.FloatRange(min=0, max=1, max_open=True)


@click.command("train", cls=Command, short_help="Train a network on a table or a lesson.")
@click.argument("source", metavar="SOURCE", type=SourceType())
@_file_option("--target", help="Column to predict.")
@_file_option(
    "--task",
    type=click.Choice(get_args(Task)),
    help="Kind of the target.  [default: inferred]",
)
@_file_option(
    "--test-size",
    type=click.FloatRange(min=0, max=0.5),
    help="Share of the rows kept for the test.  [default: 0.2]",
)
@_file_option(
    "--folds",
    type=click.IntRange(min=0),
    callback=check_folds,
    help="Number of folds; each member leaves one out of its training. 0: every member"
    " learns from all rows.",
)
@_file_option(
    "--members", type=click.IntRange(min=1), help="Number of networks in the ensemble."
)
@_file_option(
    "--time-limit",
    type=POSITIVE_NUMBER,
    help="Seconds of training; it has fewer epochs if it would take longer.",
)
@_file_option(
    "--weight-decay", type=_FRACTION, help="Weight decay, relative to the learning rate."
)
@_file_option("--dropout", type=_FRACTION, help="Probability that a step drops a unit.")
@_file_option(
    "--embedding",
    type=click.Choice(get_args(NumericEmbedding)),
    help="Embedding of numeric columns.",
)
@hint_options(_file_option)
@_file_option(
    "--stream/--no-stream",
    default=None,
    help="Read the rows from disk during the training; only some are in memory."
    "  [default: if the files have 256 MB or more]",
)
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the training rows.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Rows per step.")
@click.option("--learning-rate", type=POSITIVE_NUMBER, help="Learning rate.")
@_lesson_option(
    "--optimizer", type=click.Choice(get_args(OptimizerName)), help="Optimizer."
)
@click.option(
    "--hidden-units", type=HIDDEN_UNITS, help="Units of the hidden layers: 30, or 64,32."
)
@_lesson_option(
    "--batching",
    type=click.Choice(get_args(Batching)),
    help="How rows are divided into batches.",
)
@click.option(
    "--driver", type=click.Choice(get_args(Driver)), help="How the training loop runs."
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="Random seed: the same seed, the same weights.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("saved_models"),
    show_default=True,
    help="Folder of the models.",
)
@click.option("--name", help="Name of the model in that folder.  [default: SOURCE's]")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    help="Folder of checkpoints, from which --resume continues an interrupted training.",
)
@click.option(
    "--checkpoint-every",
    type=POSITIVE_NUMBER,
    help="Seconds between two checkpoints.  [default: 60]",
)
@click.option(
    "--resume", is_flag=True, help="Continue from the newest checkpoint, if there is one."
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
    as_json: bool,
    **options: Any,
) -> None:
    """Train a network on SOURCE: a file, or a lesson (iris or digits).

    A file is CSV (.csv, .csv.gz) or Parquet, or a folder of such files. It needs
    --target, the column to predict. The kinds of the other columns are inferred, and the
    network is tested on rows that it never saw.

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
        reject_options(ctx, FOR_FILES, f"for files; {source} is a lesson")
        train_lesson(source, folder, given, checkpoints, as_json=as_json)
    else:
        reject_options(ctx, FOR_LESSONS, f"for the lessons, {' and '.join(LESSON_NAMES)}")
        train_file(Path(source), folder, given, checkpoints, as_json=as_json)


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
    path = Path(source)
    while path.suffix.lower() in _TABLE_ENDINGS:
        path = path.with_suffix("")
    return path.name
