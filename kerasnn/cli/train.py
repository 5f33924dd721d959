"""`kerasnn train`: which options there are, and whether a lesson or a table is trained."""

from pathlib import Path
from typing import Any, get_args

import click

from kerasnn.choices import Batching, Driver, NumericEmbedding, OptimizerName, Task
from kerasnn.cli.console import json_option
from kerasnn.cli.parsing import (
    LESSONS,
    Command,
    HiddenUnits,
    LessonOption,
    PositiveNumber,
    Source,
    TableOption,
    check_folds,
    columns_option,
    refuse,
)
from kerasnn.cli.saves import SECONDS_BETWEEN, Saves
from kerasnn.cli.train_lesson import train_lesson
from kerasnn.cli.train_table import train_file

TABLE_ENDINGS = (".gz", ".csv", ".tsv", ".txt", ".parquet", ".pq")


@click.command(cls=Command)
@click.argument("source", metavar="SOURCE", type=Source())
@click.option("--target", cls=TableOption, help="Column to predict.")
@click.option(
    "--task",
    cls=TableOption,
    type=click.Choice(get_args(Task)),
    help="What the target is.  [default: found in it]",
)
@click.option(
    "--test-size",
    cls=TableOption,
    type=click.FloatRange(min=0, max=0.5),
    help="Share of the rows that are kept for the test.  [default: 0.2]",
)
@click.option(
    "--folds",
    cls=TableOption,
    type=click.IntRange(min=0),
    callback=check_folds,
    help="Each member leaves out one of so many parts of the rows; 0: none does.",
)
@click.option(
    "--members",
    cls=TableOption,
    type=click.IntRange(min=1),
    help="Networks that answer together.",
)
@click.option(
    "--time-limit",
    cls=TableOption,
    type=PositiveNumber(),
    help="Seconds of training; it is shortened to keep to them.",
)
@click.option(
    "--weight-decay",
    cls=TableOption,
    type=click.FloatRange(min=0, max=1, max_open=True),
    help="Of the weights, relative to the learning rate.",
)
@click.option(
    "--dropout",
    cls=TableOption,
    type=click.FloatRange(min=0, max=1, max_open=True),
    help="Probability that a unit is silent in a step.",
)
@click.option(
    "--embedding",
    cls=TableOption,
    type=click.Choice(get_args(NumericEmbedding)),
    help="Of numbers.",
)
@columns_option(
    "ignore", "Columns to leave out: again for each, or a,b,c. So for the next four."
)
@columns_option("categorical", "Columns that are categories.")
@columns_option("numeric", "Columns that are numbers.")
@columns_option("boolean", "Columns that are true or false.")
@columns_option("datetime", "Columns that are dates.")
@click.option(
    "--stream/--no-stream",
    cls=TableOption,
    default=None,
    help="Read rows from disk in training; no more than a part is in memory."
    "  [default: if the files hold 256 MB or more]",
)
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the training rows.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Rows per step.")
@click.option("--learning-rate", type=PositiveNumber(), help="Learning rate.")
@click.option(
    "--optimizer",
    cls=LessonOption,
    type=click.Choice(get_args(OptimizerName)),
    help="Optimizer.",
)
@click.option(
    "--hidden-units",
    type=HiddenUnits(),
    help="Units of the hidden layers: 30, or 64,32.",
)
@click.option(
    "--batching",
    cls=LessonOption,
    type=click.Choice(get_args(Batching)),
    help="How rows are cut into batches.",
)
@click.option(
    "--driver", type=click.Choice(get_args(Driver)), help="How the training loop is run."
)
@click.option("--seed", type=click.IntRange(min=0), help="Same seed, same weights.")
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
    help="Folder for what the training needs to go on when its process has died.",
)
@click.option(
    "--checkpoint-every",
    type=PositiveNumber(),
    help="Seconds between two checkpoints.  [default: 60]",
)
@click.option(
    "--resume", is_flag=True, help="Go on from the newest checkpoint, if there is one."
)
@json_option
@click.pass_context
def train(
    ctx: click.Context,
    source: str,
    output: Path,
    name: str | None,
    checkpoint: Path | None,
    checkpoint_every: float | None,
    resume: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Train a network on SOURCE: a file, or a lesson, iris or digits.

    A file is CSV (.csv, .csv.gz) or Parquet (or a folder of that), and needs --target, the
    column to predict. What the columns are is found in them; the network is measured on
    rows that it never saw.

    It writes OUTPUT/NAME/VERSION, a SavedModel with a report, counting versions up.
    What is not given is decided by the number of rows, or is the lesson's own. digits:
    64-30-10, Adam at 0.002, shuffled batches of 64, 100 epochs. iris: 2-3-1, SGD at 0.1,
    all rows at once, 200 epochs.

    With --checkpoint nothing is lost when the process dies: the same command with --resume
    goes on, and ends with the same weights. Ctrl-C saves and leaves.
    """
    if checkpoint is None and (resume or checkpoint_every):
        option = "--resume" if resume else "--checkpoint-every"
        raise click.UsageError(f"{option} needs --checkpoint, the folder", ctx)
    saves = Saves(checkpoint, checkpoint_every or SECONDS_BETWEEN, resume)
    chosen = {key: value for key, value in given.items() if value not in (None, ())}
    folder = output / _checked_name(source, name)
    if source in LESSONS:
        refuse(ctx, TableOption, f"for files; {source} is a lesson")
        train_lesson(source, folder, chosen, saves, as_json=as_json)
    else:
        refuse(ctx, LessonOption, f"for the lessons, {' and '.join(LESSONS)}")
        train_file(Path(source), folder, chosen, saves, as_json=as_json)


def _checked_name(source: str, name: str | None) -> str:
    """A folder name that is not taken for a version, a hidden folder or an option."""
    chosen = _stem(source) if name is None else name
    if chosen != Path(chosen).name or not chosen or chosen[0] in ".-" or chosen.isdecimal():
        raise click.BadParameter(
            f"{chosen!r}{' (from SOURCE)' if name is None else ''} is not a plain folder"
            " name such as digits or my_net",
            param_hint="'--name'",
        )
    return chosen


def _stem(source: str) -> str:
    """The name without the endings of a table: adult of data/adult.csv.gz."""
    path = Path(source)
    while path.suffix.lower() in TABLE_ENDINGS:
        path = path.with_suffix("")
    return path.name
