"""`kerasnn evaluate`: how good an exported network is on rows with the right answers."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerasnn.cli.console import json_option, print_json, quiet_tensorflow
from kerasnn.cli.parsing import LESSONS, Command, Source
from kerasnn.cli.wording import score_rows

if TYPE_CHECKING:
    from kerasnn.saving import SavedNetwork, SavedTable


@click.command(cls=Command)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("source", metavar="SOURCE", type=Source())
@json_option
def evaluate(model: Path, source: str, as_json: bool) -> None:
    """How good MODEL is on the rows of SOURCE: a file, or a lesson, iris or digits.

    A file needs the columns that the network was trained on and its target. digits has test
    rows, which training never learns from; iris has only the rows that it was trained on.
    """
    with quiet_tensorflow():
        from kerasnn import saving
    network = saving.load(model)
    if isinstance(network, saving.SavedTable):
        if source in LESSONS:
            raise click.UsageError(
                f"{model} was trained on a table, not on the lesson {source}; give a file"
                " with the same columns"
            )
        _evaluate_table(network, Path(source), as_json)
    elif source not in LESSONS:
        raise click.UsageError(
            f"{model} is a lesson's network; SOURCE must be {' or '.join(LESSONS)}"
        )
    else:
        _evaluate_lesson(network, source, as_json)


def _evaluate_lesson(network: "SavedNetwork", source: str, as_json: bool) -> None:
    from kerasnn import lessons

    lesson = lessons.LESSONS[source]
    metrics = lessons.evaluate(network, lesson)
    which = "test" if lesson.held_out else "training"
    if as_json:
        print_json(_as_json(network, source, rows=which, metrics=metrics))
        return
    numbers = ", ".join(f"{k} {v:.4f}" for k, v in sorted(metrics.items()))
    click.echo(f"{network.folder}: {numbers} on the {which} rows of {source}")


def _evaluate_table(network: "SavedTable", path: Path, as_json: bool) -> None:
    from kerasnn import tables

    found = tables.evaluate(network, path)
    if as_json:
        print_json(
            _as_json(
                network,
                str(path),
                rows=found.rows,
                metrics={name: score.value for name, score in found.scores.items()},
                intervals=tables.score_intervals(found.scores),
                trained_on=found.learned,
            )
        )
        return
    click.echo(f"{network.folder}: {found.rows:,} rows of {path} (95% intervals)")
    for line in score_rows(found.scores):
        click.echo(line)
    if found.learned:
        click.echo(
            "This is the table that it was trained on: on new rows it is not as good;"
            " kerasnn inspect tells its test."
        )


def _as_json(
    network: "SavedNetwork | SavedTable", source: str, **found: Any
) -> dict[str, Any]:
    return {"folder": str(network.folder), "source": source, **found}
