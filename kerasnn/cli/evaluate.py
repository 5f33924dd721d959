"""`kerasnn evaluate`: scores of an exported network on rows with known targets."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerasnn.cli.console import (
    echo_line,
    json_option,
    print_json,
    quiet_tensorflow,
    status_on_terminal,
)
from kerasnn.cli.messages import cli_messages, score_lines
from kerasnn.cli.options import (
    FOR_READING,
    LESSON_NAMES,
    PATH,
    Command,
    SourceType,
    allow_option,
    reject_options,
)
from kerasnn.cli.table_options import (
    ReadingArguments,
    notice_lines,
    notice_objects,
    reading_options,
)

if TYPE_CHECKING:
    from kerasnn.saving import SavedNetwork, SavedTable


@click.command(
    "evaluate", cls=Command, short_help="Score a network on rows with known targets."
)
@click.argument("model", type=PATH)
@click.argument("source", metavar="SOURCE", type=SourceType())
@reading_options
@json_option
@allow_option
@click.pass_context
def evaluate_command(
    ctx: click.Context,
    model: Path,
    source: str,
    reading: ReadingArguments,
    as_json: bool,
    allow: tuple[str, ...],
) -> None:
    """Score MODEL on the rows of SOURCE: a file, or a lesson (iris or digits).

    A file needs the columns that the network was trained on, and the target. digits has
    test rows, which the training does not use; iris has training rows only.

    A SavedModel is a program. It is not run if its graph has operations that can reach
    files, other machines or Python, or that are unknown.
    """
    with status_on_terminal("Loading TensorFlow ..."), quiet_tensorflow():
        from kerasnn import saving
    with cli_messages():
        network = saving.load(model, allow=allow)
    if isinstance(network, saving.SavedTable):
        if source in LESSON_NAMES:
            raise click.UsageError(
                f"{model} was trained on a table, not on the lesson {source}; give a file"
                " with the same columns"
            )
        _evaluate_table(network, Path(source), reading, as_json)
    elif source not in LESSON_NAMES:
        raise click.UsageError(
            f"{model} is a lesson's network; SOURCE must be {' or '.join(LESSON_NAMES)}"
        )
    else:
        reject_options(ctx, FOR_READING, f"for files; {source} is a lesson")
        _evaluate_lesson(network, source, as_json)


def _evaluate_lesson(network: "SavedNetwork", source: str, as_json: bool) -> None:
    from kerasnn import lessons

    lesson = lessons.LESSONS[source]
    metrics = lessons.evaluate(network, lesson)
    rows = "test" if lesson.held_out else "training"
    if as_json:
        _print_json(network, source, rows=rows, metrics=metrics)
        return
    numbers = ", ".join(f"{k} {v:.4f}" for k, v in sorted(metrics.items()))
    echo_line(f"{network.folder}: {numbers} on the {rows} rows of {source}")


def _evaluate_table(
    network: "SavedTable", path: Path, reading: ReadingArguments, as_json: bool
) -> None:
    from kerasnn import tables

    with status_on_terminal(f"Scoring the rows of {path.name} ..."):
        found = tables.evaluate(network, path, reading=reading.options())
    if as_json:
        _print_json(
            network,
            str(path),
            rows=found.rows,
            metrics={name: score.value for name, score in found.scores.items()},
            intervals=tables.score_intervals(found.scores),
            trained_on=found.learned,
            notices=notice_objects(found.notices),
        )
        return
    echo_line(f"{network.folder}: {found.rows:,} rows of {path} (95% intervals)")
    for line in score_lines(found.scores):
        echo_line(line)
    for line in notice_lines(found.notices):
        echo_line(line, err=True)
    if found.learned:
        echo_line(
            "The network was trained on this table: on new rows its scores are lower."
            " kerasnn inspect shows the scores on its test rows."
        )


def _print_json(network: "SavedNetwork | SavedTable", source: str, **scores: Any) -> None:
    print_json({"folder": str(network.folder), "source": source, **scores})
