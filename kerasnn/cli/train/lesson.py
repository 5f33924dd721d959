"""`kerasnn train iris|digits`: trains and saves a lesson's network."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerasnn.cli.console import (
    echo_line,
    print_json,
    quiet_tensorflow,
    status_on_terminal,
)
from kerasnn.cli.messages import cli_messages
from kerasnn.cli.train.checkpoints import TrainCheckpoints
from kerasnn.cli.train.workers import connect_workers, count_workers

if TYPE_CHECKING:
    from kerasnn.lessons import TrainedLesson

_MAX_LINES = 10  # of the lesson, after the line of the first epoch


def train_lesson(
    name: str,
    folder: Path,
    given: Mapping[str, Any],
    checkpoints: TrainCheckpoints,
    *,
    as_json: bool,
) -> None:
    """Train, save and print.

    Args:
        name: of the lesson.
        folder: of the model.
        given: settings that differ from the lesson's.
        checkpoints: options.
        as_json: whether to print one JSON object.
    """
    with status_on_terminal("Loading TensorFlow ..."), quiet_tensorflow():
        from kerasnn import lessons, saving
        from kerasnn.training import EpochBar, EpochLines
    settings = _settings(lessons.LESSONS[name].settings, given, checkpoints)
    workers = connect_workers()
    chief = workers.is_chief
    with cli_messages(), checkpoints.locked(workers):
        if chief:
            saving.check_writable(folder)  # before the work
        with workers.scope(), EpochBar(settings.epochs, shown=chief) as bar:
            lines = EpochLines(
                settings.epochs,
                every=max(100, settings.epochs // _MAX_LINES),
                write=lambda line: bar.write(line, to_stderr=as_json),
            )
            trained = lessons.train(
                lessons.LESSONS[name],
                settings,
                on_epoch=[bar, lines] if chief else [],
                checkpoints=checkpoints.open(),
            )
        if not chief:
            return
        version = lessons.save(trained, folder, run=checkpoints.run())
    if as_json:
        print_json(_json(trained, version))
    else:
        _print(trained, version)


def _settings(default: Any, given: Mapping[str, Any], checkpoints: TrainCheckpoints) -> Any:
    settings = replace(default, **given)
    n_workers = count_workers()
    if n_workers > 1:
        # A lesson takes less time than the start of the workers.
        if checkpoints.checkpoint is not None:
            raise click.UsageError(
                f"--checkpoint is for one machine; TF_CONFIG names {n_workers} workers",
                click.get_current_context(),
            )
        # Several workers support no other driver.
        settings = replace(settings, driver=given.get("driver", "graph"))
    if "batch_size" in given and settings.batching == "full":
        raise click.UsageError(
            "--batch-size has no effect with --batching full, where all rows are one batch;"
            " possible with kfold, shuffled, tf-data",
            click.get_current_context(),
        )
    return settings


def _json(trained: "TrainedLesson", version: Path) -> dict[str, Any]:
    rows = trained.rows
    return {
        "source": trained.lesson.name,
        "folder": str(version),
        "version": int(version.name),
        "report": str(version / "assets.extra" / "report.html"),
        "rows": {
            "train": len(rows.x_train),
            "test": len(rows.x_test) if trained.lesson.held_out else 0,
        },
        "metrics": trained.metrics,
        "settings": trained.settings.used(),
        "seconds": sum(trained.history.seconds),
        "microseconds_per_step": trained.history.microseconds_per_step(),
    }


def _print(trained: "TrainedLesson", version: Path) -> None:
    lesson, history = trained.lesson, trained.history
    metrics = ", ".join(f"{k} {v:.4f}" for k, v in trained.metrics.items())
    per_step = history.microseconds_per_step()
    speed = f", {per_step:.0f} us a step once compiled" if per_step else ""
    rows, kind = len(trained.rows.x_test), "test" if lesson.held_out else "training"
    echo_line(f"{lesson.name}: {metrics} on {rows} {kind} rows")
    echo_line(f"Trained in {sum(history.seconds):.1f} s{speed}")
    echo_line(f"Saved    {version}")
    echo_line(f"Report   {version / 'assets.extra' / 'report.html'}")
