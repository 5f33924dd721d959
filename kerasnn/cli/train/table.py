"""`kerasnn train FILE`: trains, tests and saves a network for a table."""

import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasnn.cli.console import (
    echo_line,
    print_json,
    quiet_tensorflow,
    status_on_terminal,
)
from kerasnn.cli.messages import cli_messages, score_lines
from kerasnn.cli.table_options import (
    HINT_OPTIONS,
    READ_OPTIONS,
    VALIDATION_OPTIONS,
    ReadingArguments,
    check_usage,
    column_hints,
    notice_lines,
    notice_objects,
    read_arguments,
    table_header,
    table_lines,
)
from kerasnn.cli.train.checkpoints import TrainCheckpoints
from kerasnn.cli.train.workers import connect_workers
from kerasnn.deadline import Deadline
from kerasnn.manifest import predicted_column

if TYPE_CHECKING:
    from kerasnn.estimators.leaderboard import Standing
    from kerasnn.tables import FittedTable, Measurement, TableRows
    from kerasnn.tables.rows import RowsInMemory
    from kerasnn.tables.streamed import StreamedRows
    from kerasnn.training.distribution.workers import SingleProcess

_NOT_OF_ESTIMATORS = {
    *("target", "stream", "time_limit", "importance"),
    *HINT_OPTIONS,
    *READ_OPTIONS,
    *VALIDATION_OPTIONS,
}


def train_file(
    path: Path,
    folder: Path,
    given: Mapping[str, Any],
    checkpoints: TrainCheckpoints,
    reading: ReadingArguments,
    *,
    as_json: bool,
) -> None:
    """Train, test, save and print.

    Args:
        path: of the table.
        folder: of the model.
        given: the options that have a value.
        checkpoints: options.
        reading: options about the file.
        as_json: whether to print one JSON object.

    Raises:
        InputError: the table or the settings cannot be used.
    """
    limit = given.get("time_limit")
    deadline = None if limit is None else Deadline.of_process(limit)
    with status_on_terminal(f"Reading {path.name} ..."):
        header = table_header(path, reading, given.get("target"))
    check_usage(path, header, given)
    with status_on_terminal("Loading TensorFlow ..."), quiet_tensorflow():
        from kerasnn import saving, tables
        from kerasnn.progress import FitBar
    slowness = _slowness(deadline) if deadline else 1.0
    workers = connect_workers()

    def check_folder() -> str:
        saving.check_writable(folder)
        return ""

    workers.run_on_chief(check_folder)  # before the work
    with cli_messages(), checkpoints.locked(workers):
        rows = _read(path, header, given, reading)
        is_chief = workers.is_chief
        if is_chief:
            _announce(rows, folder, as_json=as_json)
        seconds = None
        if deadline is not None:
            seconds = tables.seconds_of_training(rows, deadline, slowness=slowness)
        with FitBar(shown=is_chief) as bar:
            fitted = _fit(rows, {**given, "progress": bar}, checkpoints, workers, seconds)
        if not is_chief:
            _wait_for_chief(workers, fitted, as_json=as_json)
            return
        with status_on_terminal("Testing, and measuring the importance of columns ..."):
            measured = tables.measure(
                fitted,
                importance=given.get("importance", True),
                deadline=deadline
                and tables.before_saving(rows, deadline, slowness=slowness),
            )
        with status_on_terminal("Saving ..."):
            run, command = checkpoints.run(), shlex.join(["kerasnn", *sys.argv[1:]])
            version = workers.run_on_chief(
                lambda: str(tables.save(measured, folder, run=run, command=command))
            )
        checkpoints.remove_rows()
    if as_json:
        print_json(_json(measured, Path(version)))
    else:
        _print(measured, Path(version))


def _fit(
    rows: "RowsInMemory | StreamedRows",
    given: Mapping[str, Any],
    checkpoints: TrainCheckpoints,
    workers: "SingleProcess",
    seconds: float | None,
) -> "FittedTable":
    """Train within a number of seconds."""
    from kerasnn import tables

    settings = {k: v for k, v in given.items() if k not in _NOT_OF_ESTIMATORS}
    if seconds is not None:
        (settings["time_limit"],) = workers.chief_values([seconds])
    estimator = tables.estimator_for(rows.target)(**settings, **checkpoints.arguments())
    return tables.fit(rows, estimator, strategy=workers.strategy)


def _slowness(deadline: Deadline) -> float:
    """Return how slow this machine is, from the seconds in which TensorFlow was loaded.

    Time spent waiting for a disk counts at most as much as time spent computing.
    """
    from kerasnn.tables import LOADING_SECONDS

    passed = deadline.seconds - deadline.left()
    return min(passed, 2 * time.process_time()) / LOADING_SECONDS


def _read(
    path: Path, header: list[str], given: Mapping[str, Any], reading: ReadingArguments
) -> Any:
    from kerasnn import tables

    stream = given.get("stream")
    large = tables.are_large(path) if stream is None else stream
    with status_on_terminal(f"Reading {path.name} ..."):
        return (tables.stream_rows if large else tables.read_rows)(
            path,
            target=given["target"],
            hints=column_hints(given, header),
            reading=reading.options(),
            **read_arguments(given),
        )


def _announce(rows: "TableRows", folder: Path, *, as_json: bool) -> None:
    """Print what was read, before the training."""
    for line in table_lines(rows):
        echo_line(line, err=as_json)
    for line in notice_lines(rows.notices):
        echo_line(line, err=True)
    other = predicted_column(folder)
    if other not in (None, rows.target.name):
        echo_line(
            f"Note: the network in {folder} predicts {other!r}; this one is its next"
            " version, and servers will take it. --name gives it a folder of its own",
            err=True,
        )


def _wait_for_chief(
    workers: "SingleProcess", fitted: "FittedTable", *, as_json: bool
) -> None:
    """Wait until the chief has saved the network, and print what this worker did."""
    version = workers.run_on_chief(str)
    rows, epochs = fitted.rows, fitted.estimator.n_epochs_
    echo_line(
        f"Worker {workers.worker} of {workers.n_workers} trained on its share of {epochs}"
        f" epochs over {rows.source}; the chief saved {version}",
        err=as_json,
    )


def _json(measured: "Measurement", version: Path) -> dict[str, Any]:
    from kerasnn.tables import score_intervals

    fitted, rows = measured.fitted, measured.fitted.rows
    return {
        "source": rows.source,
        "folder": str(version),
        "version": int(version.name),
        "report": str(version / "assets.extra" / "report.html"),
        "target": rows.target.name,
        "task": rows.target.task,
        "columns": {c.name: c.kind for c in rows.schema.columns},
        "left_out": {c.name: c.reason for c in rows.schema.left_out},
        "notices": notice_objects(measured.all_notices),
        "rows": {"train": rows.n_trained, "test": rows.n_tested},
        "validation": rows.validation.described(),
        "measured_on": measured.measured_on,
        "metrics": measured.metrics,
        "intervals": score_intervals(measured.all_scores),
        "baselines": {
            name: {score: s.value for score, s in scores.items()}
            for name, scores in measured.baseline_scores.items()
        },
        "settings": fitted.settings,
        "trees": fitted.trees,
        "leaderboard": fitted.leaderboard,
        "epochs": fitted.estimator.n_epochs_,
        "kept_epoch": fitted.estimator.best_epoch_,
        "seconds": fitted.seconds,
    }


def _print(measured: "Measurement", version: Path) -> None:
    fitted, recipe = measured.fitted, measured.fitted.estimator.recipe_
    members = "1 network" if recipe.members == 1 else f"{recipe.members} networks"
    echo_line(
        f"Trained  {fitted.seconds:.1f} s: {members}, {fitted.estimator.n_epochs_} epochs,"
        f" the weights after epoch {fitted.estimator.best_epoch_} kept"
    )
    if fitted.estimator.trees_ is not None:
        echo_line(f"Beside   the networks {fitted.estimator.trees_}")
    if fitted.estimator.leaderboard_:
        echo_line(f"Left out {_standings(fitted.estimator.leaderboard_)}")
    for line in _metric_lines(measured):
        echo_line(line)
    for line in notice_lines(measured.notices):
        echo_line(line)
    echo_line(f"Saved    {version}")
    echo_line(f"Report   {version / 'assets.extra' / 'report.html'}")


def _standings(leaderboard: Sequence["Standing"]) -> str:
    """Return the loss of each model on the same rows, which it did not learn from."""
    from kerasnn.reports.formatting import format_number

    best = leaderboard[0]
    name = "RMSE" if best.log_loss is None else "log loss"
    models = [
        f"{one.model} {format_number(one.loss, like=best.loss)}" for one in leaderboard
    ]
    return f"rows, {name}: {', '.join(models)}"


def _metric_lines(measured: "Measurement") -> list[str]:
    if not measured.scores:
        return ["No rows were kept for a test, and no member left any out: no metrics"]
    lines = score_lines(measured.all_scores, measured.baseline_scores)
    if measured.tested:
        rows = f"{len(measured.truth):,} {measured.measured_on}"
        return [f"On {rows} (95% intervals)", *lines]
    return [
        f"On {measured.measured_on} (95% intervals)",
        *lines,
        "  These rows also chose the epoch, so the scores are slightly optimistic."
        " No rows were kept for a test",
    ]
