"""`kerasnn tune`: tries settings for a table, and prints the best."""

import importlib.util
import math
import shlex
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from kerasnn.choices import Driver, Task
from kerasnn.cli.console import (
    echo_line,
    json_option,
    print_json,
    quiet_tensorflow,
    status_on_terminal,
)
from kerasnn.cli.messages import aligned, cli_messages
from kerasnn.cli.options import (
    POSITIVE_NUMBER,
    TEST_SIZE,
    Command,
    at_least,
    choice,
    given_options,
    option,
)
from kerasnn.cli.table_options import (
    HINT_OPTIONS,
    ReadingArguments,
    check_usage,
    column_hints,
    hint_options,
    notice_lines,
    read_arguments,
    reading_options,
    table_header,
    table_lines,
    validation_options,
)
from kerasnn.cli.train.workers import reject_workers
from kerasnn.errors import InputError

if TYPE_CHECKING:
    from kerasnn.tuning import Tuned

_SCORE_NAMES = {"log_loss": "log loss", "rmse": "RMSE"}
_SWEEP_OPTIONS = ("trials", "storage", "time_limit")
_TRIAL_COLUMNS = {"number", "state", "score", "part", "seconds"}
_ESTIMATOR_OPTIONS = ("folds", "members", "epochs", "driver")


@click.command("tune", cls=Command, short_help="Find better settings for a table.")
@click.argument("file", type=click.Path(exists=True, allow_dash=True, path_type=Path))
@option("--target", str, "Column to predict.")
@option(
    "--trials",
    at_least(1),
    "Number of trials, with those in --storage.",
    default=20,
    show_default=True,
)
@option(
    "--storage",
    click.Path(dir_okay=False, path_type=Path),
    "File of the trials. The same command continues them; several processes may share"
    " them.",
)
@option("--time-limit", POSITIVE_NUMBER, "Seconds after which no trial starts.")
@option("--task", choice(Task), "Kind of the target.  [default: inferred]")
@option(
    "--test-size",
    TEST_SIZE,
    "Share of the rows that no trial sees, as in train.  [default: 0.2]",
)
@validation_options(option)
@option(
    "--folds",
    at_least(2),
    "Number of folds; each member leaves one out of its training.",
)
@option("--members", at_least(1), "Number of networks in the ensemble.")
@option("--epochs", at_least(1), "Passes over the training rows.")
@hint_options(option)
@reading_options
@option("--driver", choice(Driver), "How the training loop runs.")
@option("--seed", at_least(0), "Random seed: the same seed, the same trials.")
@json_option
def tune_command(
    file: Path, reading: ReadingArguments, as_json: bool, **options: Any
) -> None:
    """Find better settings than the defaults for the table FILE.

    It tries learning rate, weight decay, dropout, hidden units, embedding and batch size.
    The rows that the members leave out score each trial; the first trial has the default
    settings. It prints the best settings, and the `kerasnn train` command that uses them.
    No trial sees the test rows of that command.

    It needs Optuna; in a checkout of kerasnn: python -m pip install ".[tune]".
    """
    given = given_options(options)
    reject_workers(file)
    with status_on_terminal(f"Reading {file.name} ..."):
        header = table_header(file, reading, given.get("target"))
    check_usage(file, header, given)
    if importlib.util.find_spec("optuna") is None:
        raise InputError(
            "kerasnn tune needs Optuna. Install it, or, in a checkout of kerasnn, run"
            ' python -m pip install ".[tune]"'
        )
    with cli_messages():
        tuned = _tune(file, header, given, reading, as_json=as_json)
    command = _train_command(file, given, reading, tuned.best_params)
    if as_json:
        print_json(_json(tuned, command))
    else:
        _print(tuned, command)
    if tuned.interrupted:
        sys.exit(130)


def _tune(
    file: Path,
    header: list[str],
    given: Mapping[str, Any],
    reading: ReadingArguments,
    *,
    as_json: bool,
) -> "Tuned":
    with status_on_terminal("Loading TensorFlow ..."), quiet_tensorflow():
        from kerasnn import tables, tuning

    def chosen(names: tuple[str, ...]) -> dict[str, Any]:
        return {name: given[name] for name in names if name in given}

    rows = tables.read_rows(
        file,
        target=given["target"],
        hints=column_hints(given, header),
        reading=reading.options(),
        **read_arguments(given),
    )
    for line in table_lines(rows):
        echo_line(line, err=as_json)
    for line in notice_lines(rows.notices):
        echo_line(line, err=True)

    with _TrialBar(as_json=as_json) as bar:
        return tuning.tune(
            tables.estimator_for(rows.target)(
                **chosen(_ESTIMATOR_OPTIONS), schema=rows.schema, random_state=rows.seed
            ),
            rows.inputs(tested=False),
            rows.labels(tested=False),
            fit_arguments=rows.fit_arguments,
            **chosen(_SWEEP_OPTIONS),
            seed=rows.seed,
            refit=False,
            progress=bar,
        )


class _TrialBar:
    """A line for each trial, and a bar with the best score so far; a context manager.

    Args:
        as_json: whether the lines go to standard error.
    """

    def __init__(self, *, as_json: bool) -> None:
        from kerasnn.progress import ProgressBar

        self._bar = ProgressBar("Tuning", unit="trials")
        self._as_json = as_json
        self._best = math.inf

    def __call__(self, done: int, trials: int, last: Mapping[str, Any]) -> None:
        """Report a trial."""
        state, score = last["state"], last["score"]
        parts = [state if math.isnan(score) else f"{state} {score:.4g}"]
        parts.append(f"{last['seconds']:.1f} s")
        if state == "complete" and score < self._best:
            self._best = score
            parts.append("the best so far")
        self._bar.write(
            f"{done:,} of {trials:,}  {'  '.join(parts)}", to_stderr=self._as_json
        )
        settings = {k: v for k, v in last.items() if k not in _TRIAL_COLUMNS}
        texts = "  ".join(f"{k}={_option_text(v)}" for k, v in settings.items())
        for line in textwrap.wrap(texts, 76, break_on_hyphens=False):
            self._bar.write(f"    {line}", to_stderr=self._as_json)
        best = f"best {self._best:.4g}" if math.isfinite(self._best) else ""
        self._bar.update(done, trials, best)

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._bar.__exit__(*error)


def _train_command(
    file: Path,
    given: Mapping[str, Any],
    reading: ReadingArguments,
    settings: Mapping[str, Any],
) -> str:
    """Return the command that trains with the settings on the same rows."""
    words = ["kerasnn", "train", str(file)]
    of_train = {k: v for k, v in given.items() if k not in _SWEEP_OPTIONS}
    for name, value in {**of_train, **settings}.items():
        option = f"--{name.replace('_', '-')}"
        if name in HINT_OPTIONS:
            words += [word for column in value for word in (option, column)]
        else:
            words += [option, _option_text(value)]
    return shlex.join([*words, *reading.words()])


def _option_text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _print(tuned: "Tuned", command: str) -> None:
    first = tuned.trials[tuned.trials["state"] != "failed"].iloc[0]
    compared = f"; {first['score']:.4g} with the settings of the first trial"
    echo_line(
        f"Best {_SCORE_NAMES[tuned.score_name]} on left-out rows {tuned.best_score:.4g}"
        + (compared if first["state"] == "complete" else "")
    )
    settings = [[f"  {name}", _option_text(v)] for name, v in tuned.best_params.items()]
    for line in aligned(settings):
        echo_line(line)
    if tuned.interrupted:
        echo_line("Interrupted: results of the trials so far.")
    echo_line("It is the best of several, so slightly optimistic. Train and test with")
    echo_line(command)


def _json(tuned: "Tuned", command: str) -> dict[str, Any]:
    rows = tuned.trials.astype(object).where(tuned.trials.notna(), None)
    return {
        "best": tuned.best_params,
        "score": {tuned.score_name: tuned.best_score},
        "command": command,
        "interrupted": tuned.interrupted,
        "trials": rows.to_dict(orient="records"),
    }
