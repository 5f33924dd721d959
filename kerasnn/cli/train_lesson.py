"""`kerasnn train iris|digits`: train a lesson's network, report on it, keep it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerasnn.cli.cluster import on_all_workers, refuse_checkpoints, workers_named
from kerasnn.cli.console import print_json, quiet_tensorflow
from kerasnn.cli.saves import Saves
from kerasnn.cli.wording import as_options

if TYPE_CHECKING:
    from kerasnn.lessons import Outcome

LINES = 10  # of the lesson, at the most, after the first epoch's


def train_lesson(
    name: str, folder: Path, chosen: Mapping[str, Any], saves: Saves, *, as_json: bool
) -> None:
    """Train, save and print.

    Args:
        name: of the lesson.
        folder: of the model.
        chosen: the settings that differ from the lesson's.
        saves: the checkpoints.
        as_json: whether one JSON object is printed.
    """
    with quiet_tensorflow():
        from kerasnn import lessons, saving
        from kerasnn.training import EpochLines, ProgressBar
    lesson = lessons.LESSONS[name]
    settings = replace(lesson.settings, **chosen)
    if workers_named() > 1:
        refuse_checkpoints(saves)
        # The driver that several workers have.
        settings = replace(settings, driver=chosen.get("driver", "graph"))
    if "batch_size" in chosen and settings.batching == "full":
        raise click.UsageError(
            "--batch-size has no effect with --batching full, where all rows are one batch;"
            " possible with kfold, shuffled, tf-data",
            click.get_current_context(),
        )
    with (
        as_options(),
        on_all_workers() as writes,
        ProgressBar(settings.epochs, disable=None if writes else True) as bar,
    ):
        if writes:
            saving.check_writable(folder)  # before the work, not after it
        lines = EpochLines(
            settings.epochs,
            every=max(100, settings.epochs // LINES),
            write=lambda line: bar.write(line, to_stderr=as_json),
        )
        outcome = lessons.train(
            lesson,
            settings,
            on_epoch=[bar, lines] if writes else [],
            checkpoints=saves.kept(),
        )
    if not writes:
        return
    written = lessons.save(outcome, folder, run=saves.run())
    if as_json:
        print_json(_as_json(outcome, written))
    else:
        _print(outcome, written)


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
