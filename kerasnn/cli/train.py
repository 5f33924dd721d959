"""`kerasnn train`: train a lesson's network, report on it, keep it."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from kerasnn.choices import Batching, Driver, LessonName, OptimizerName
from kerasnn.cli.console import json_option, print_json, quiet_tensorflow
from kerasnn.cli.parsing import Command, HiddenUnits, PositiveNumber

if TYPE_CHECKING:
    from kerasnn.lessons import Outcome

LINES = 10  # of the lesson, at the most, after the first epoch's


@click.command(cls=Command)
@click.argument("source", metavar="SOURCE", type=click.Choice(get_args(LessonName)))
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the training rows.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Rows per step.")
@click.option("--learning-rate", type=PositiveNumber(), help="Learning rate.")
@click.option(
    "--optimizer",
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
@click.option("--name", help="Name of the model in that folder.  [default: SOURCE]")
@json_option
def train(source: str, output: Path, name: str | None, as_json: bool, **given: Any) -> None:
    """Train a network on SOURCE, a lesson: iris or digits.

    It writes OUTPUT/NAME/VERSION, a SavedModel with a report, counting versions up.
    What is not given is the lesson's own. digits: 64-30-10, Adam at 0.002, shuffled batches
    of 64, 100 epochs. iris: 2-3-1, SGD at 0.1, all rows at once, 200 epochs.
    """
    name = source if name is None else name
    _check_name(name)
    with quiet_tensorflow():
        from kerasnn import lessons, saving
        from kerasnn.training import EpochLines, ProgressBar
    saving.check_writable(output / name)  # before the work, not after it
    lesson = lessons.LESSONS[source]
    chosen = {key: value for key, value in given.items() if value is not None}
    settings = replace(lesson.settings, **chosen)
    if "batch_size" in chosen and settings.batching == "full":
        raise click.UsageError(
            "--batch-size has no effect with --batching full, where all rows are one batch;"
            " possible with kfold, shuffled, tf-data"
        )
    with ProgressBar(settings.epochs, disable=None) as bar:
        lines = EpochLines(
            settings.epochs,
            every=max(100, settings.epochs // LINES),
            write=lambda line: bar.write(line, to_stderr=as_json),
        )
        outcome = lessons.train(lesson, settings, on_epoch=[bar, lines])
    folder = lessons.save(outcome, output / name)
    if as_json:
        print_json(_as_json(outcome, folder))
    else:
        _print(outcome, folder)


def _check_name(name: str) -> None:
    """A folder name that is not taken for a version, a hidden folder or an option."""
    if name != Path(name).name or not name or name[0] in ".-" or name.isdecimal():
        raise click.BadParameter(
            f"{name!r} is not a plain folder name such as digits or my_net",
            param_hint="'--name'",
        )


def _as_json(outcome: "Outcome", folder: Path) -> dict[str, Any]:
    from kerasnn.lessons import used_settings

    return {
        "source": outcome.lesson.name,
        "folder": str(folder),
        "version": int(folder.name),
        "report": str(folder / "assets.extra" / "report.html"),
        "rows": {
            "train": len(outcome.rows.x_train),
            "test": len(outcome.rows.x_test) if outcome.lesson.held_out else 0,
        },
        "metrics": outcome.metrics,
        "settings": used_settings(outcome.settings),
        "seconds": sum(outcome.history.seconds),
        "microseconds_per_step": outcome.history.microseconds_per_step(),
    }


def _print(outcome: "Outcome", folder: Path) -> None:
    lesson, history = outcome.lesson, outcome.history
    metrics = ", ".join(f"{k} {v:.4f}" for k, v in outcome.metrics.items())
    per_step = history.microseconds_per_step()
    speed = f", {per_step:.0f} us a step once compiled" if per_step else ""
    rows, which = len(outcome.rows.x_test), "test" if lesson.held_out else "training"
    click.echo(f"{lesson.name}: {metrics} on {rows} {which} rows")
    click.echo(f"Trained in {sum(history.seconds):.1f} s{speed}")
    click.echo(f"Saved    {folder}")
    click.echo(f"Report   {folder / 'assets.extra' / 'report.html'}")
