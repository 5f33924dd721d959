"""`kerasnn tune`: settings for a table by trial, and the command that trains with them."""

import importlib.util
import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from kerasnn.choices import Driver, Task
from kerasnn.cli.cluster import refuse_several
from kerasnn.cli.console import json_option, print_json, quiet_tensorflow
from kerasnn.cli.parsing import Command, PositiveNumber, check_folds, columns_option
from kerasnn.cli.train_table import (
    KINDS,
    READING,
    check_usage,
    column_hints,
    described,
)
from kerasnn.cli.wording import aligned, as_options
from kerasnn.errors import InputError

if TYPE_CHECKING:
    from kerasnn.tables import TableRows
    from kerasnn.tuning import Tuned

SCORES = {"log_loss": "log loss", "rmse": "RMSE"}
OF_THE_SWEEP = ("trials", "storage", "time_limit")


@click.command(cls=Command)
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--target", help="Column to predict.")
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="In all, with those in --storage.",
)
@click.option(
    "--storage",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that keeps the trials: the same command goes on, also beside another.",
)
@click.option(
    "--time-limit", type=PositiveNumber(), help="Seconds, after which no trial is begun."
)
@click.option(
    "--task",
    type=click.Choice(get_args(Task)),
    help="What the target is.  [default: found]",
)
@click.option(
    "--test-size",
    type=click.FloatRange(min=0, max=0.5),
    help="Share of the rows that no trial sees, as in train.  [default: 0.2]",
)
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    callback=check_folds,
    help="Each member leaves out one of so many parts of the rows.",
)
@click.option(
    "--members", type=click.IntRange(min=1), help="Networks that answer together."
)
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the training rows.")
@columns_option(
    "ignore", "Columns to leave out: again for each, or a,b,c. So for the rest."
)
@columns_option("categorical", "Columns that are categories.")
@columns_option("numeric", "Columns that are numbers.")
@columns_option("boolean", "Columns that are true or false.")
@columns_option("datetime", "Columns that are dates.")
@click.option(
    "--driver", type=click.Choice(get_args(Driver)), help="How the training loop is run."
)
@click.option("--seed", type=click.IntRange(min=0), help="Same seed, same trials.")
@json_option
def tune(file: Path, as_json: bool, **given: Any) -> None:
    """Find better settings than the default ones for the table FILE.

    It tries learning rate, weight decay, dropout, hidden units, embedding and batch size,
    and judges each trial by the training rows that the members leave out; the first has the
    default settings. It prints the best, and the `kerasnn train` command that uses them:
    the test rows of that command were seen by no trial.

    It needs Optuna; in a checkout of kerasnn: python -m pip install ".[tune]".
    """
    chosen = {key: value for key, value in given.items() if value not in (None, ())}
    refuse_several(file)
    check_usage(file, _header(file), chosen)
    if importlib.util.find_spec("optuna") is None:
        raise InputError(
            "kerasnn tune needs Optuna. Install it, or, in a checkout of kerasnn, run"
            ' python -m pip install ".[tune]"'
        )
    with quiet_tensorflow(), as_options():
        tuned = _tuned(file, chosen, as_json=as_json)
    command = _train_command(file, chosen, tuned.best_params)
    if as_json:
        print_json(_as_json(tuned, command))
    else:
        _print(tuned, command)


def _header(file: Path) -> list[str]:
    from kerasnn.datasets import table_chunks

    return [str(name) for name in next(table_chunks(file, 1)).columns]


def _tuned(file: Path, chosen: Mapping[str, Any], *, as_json: bool) -> "Tuned":
    """Read the table, try, and tell of each trial."""
    from kerasnn import tables, tuning

    reading: dict[str, Any] = {k: chosen[k] for k in READING if k in chosen}
    hints = column_hints(chosen, _header(file))
    rows = tables.read_rows(file, target=chosen["target"], hints=hints, **reading)
    for line in described(rows):
        click.echo(line, err=as_json)

    def progress(done: int, trials: int, last: Mapping[str, Any]) -> None:
        click.echo(_trial_line(done, trials, last), err=as_json)

    return tuning.tune(
        _estimator(rows, chosen),
        rows.inputs(tested=False),
        rows.labels(tested=False),
        **{k: chosen[k] for k in OF_THE_SWEEP if k in chosen},
        seed=rows.seed,
        refit=False,
        progress=progress,
    )


def _estimator(rows: "TableRows", chosen: Mapping[str, Any]) -> Any:
    """The one that `kerasnn train` would train."""
    from kerasnn import tables

    return tables.estimator_for(rows.target)(
        folds=chosen.get("folds", "auto"),
        members=chosen.get("members", "auto"),
        epochs=chosen.get("epochs", "auto"),
        driver=chosen.get("driver", "auto"),
        schema=rows.schema,
        random_state=rows.seed,
    )


def _trial_line(done: int, trials: int, last: Mapping[str, Any]) -> str:
    score = "" if math.isnan(last["score"]) else f" {last['score']:.5g}"
    return f"{done:,} of {trials:,}  {last['state']}{score}  {last['seconds']:.1f} s"


def _train_command(
    file: Path, chosen: Mapping[str, Any], settings: Mapping[str, Any]
) -> str:
    """What trains with the settings, on the same rows."""
    words = ["kerasnn", "train", str(file)]
    kept = {k: v for k, v in chosen.items() if k not in OF_THE_SWEEP}
    for name, value in {**kept, **settings}.items():
        option = f"--{name.replace('_', '-')}"
        if name in ("ignore", *KINDS):
            words += [word for one in value for word in (option, one)]
        else:
            words += [option, _text(value)]
    return shlex.join(words)


def _text(value: Any) -> str:
    """As an option takes it."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _print(tuned: "Tuned", command: str) -> None:
    started = tuned.trials[tuned.trials["state"] != "failed"].iloc[0]
    beside = f"; {started['score']:.5g} with the first trial's settings"
    click.echo(
        f"Best {SCORES[tuned.score_name]} on left-out rows {tuned.best_score:.5g}"
        + (beside if started["state"] == "complete" else "")
    )
    settings = [[f"  {name}", _text(v)] for name, v in tuned.best_params.items()]
    for line in aligned(settings):
        click.echo(line)
    click.echo("It is the best of several, so a little too good. Train and test with")
    click.echo(command)


def _as_json(tuned: "Tuned", command: str) -> dict[str, Any]:
    rows = tuned.trials.astype(object).where(tuned.trials.notna(), None)
    return {
        "best": tuned.best_params,
        "score": {tuned.score_name: tuned.best_score},
        "command": command,
        "trials": rows.to_dict(orient="records"),
    }
