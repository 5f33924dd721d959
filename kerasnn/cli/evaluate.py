"""`kerasnn evaluate`: how good an exported network is on a lesson's rows."""

from pathlib import Path
from typing import get_args

import click

from kerasnn.choices import LessonName
from kerasnn.cli.console import json_option, print_json, quiet_tensorflow
from kerasnn.cli.parsing import Command


@click.command(cls=Command)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("source", metavar="SOURCE", type=click.Choice(get_args(LessonName)))
@json_option
def evaluate(model: Path, source: str, as_json: bool) -> None:
    """Loss and accuracy of MODEL on the rows of SOURCE, a lesson: iris or digits.

    digits has test rows, which training never learns from; iris has only the rows that
    it was trained on.
    """
    with quiet_tensorflow():
        from kerasnn import lessons, saving
    lesson = lessons.LESSONS[source]
    network = saving.load(model)
    metrics = lessons.evaluate(network, lesson)
    which = "test" if lesson.held_out else "training"
    if as_json:
        print_json(
            {
                "folder": str(network.folder),
                "source": source,
                "rows": which,
                "metrics": metrics,
            }
        )
        return
    numbers = ", ".join(f"{k} {v:.4f}" for k, v in sorted(metrics.items()))
    click.echo(f"{network.folder}: {numbers} on the {which} rows of {source}")
