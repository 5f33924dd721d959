"""`kerasnn train FILE`: find out what the columns are, train, test, report, keep."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerasnn.cli.bar import FitBar, told_on_terminal
from kerasnn.cli.cluster import Workers
from kerasnn.cli.console import print_json, quiet_tensorflow
from kerasnn.cli.saves import Saves
from kerasnn.cli.wording import aligned, as_options, score_rows, shortened

if TYPE_CHECKING:
    from kerasnn.datasets import ColumnHints, Schema, Target
    from kerasnn.tables import FittedTable, Measurement, TableRows

KINDS = ("numeric", "categorical", "boolean", "datetime")
READING = ("task", "test_size", "seed")
OF_THE_ROWS = ("target", "stream", "ignore", *KINDS, *READING)
LEFT_OUT_SHOWN = 12
CLASSES_SHOWN = 6


def train_file(
    path: Path, folder: Path, chosen: Mapping[str, Any], saves: Saves, *, as_json: bool
) -> None:
    """Train, save and print.

    Args:
        path: of the table.
        folder: of the model.
        chosen: the options that were given.
        saves: the checkpoints.
        as_json: whether one JSON object is printed.

    Raises:
        InputError: the table or the settings cannot be used, in the words of the command.
    """
    from kerasnn.datasets import table_chunks

    header = [str(name) for name in next(table_chunks(path, 1)).columns]
    check_usage(path, header, chosen)
    with quiet_tensorflow():
        from kerasnn import saving, tables
    workers = Workers()
    # Before the work, not after it.
    workers.by_chief(lambda: saving.check_writable(folder))
    reading = {k: chosen[k] for k in READING if k in chosen}
    stream = chosen.get("stream")
    settings = {k: v for k, v in chosen.items() if k not in OF_THE_ROWS}
    with as_options():
        large = tables.are_large(path) if stream is None else stream
        rows_of = tables.stream_rows if large else tables.read_rows
        with told_on_terminal("Reading ..."):
            rows = rows_of(
                path, target=chosen["target"], hints=column_hints(chosen, header), **reading
            )
        for line in described(rows) if workers.writes else []:
            click.echo(line, err=as_json)
        with FitBar(shown=workers.writes) as bar:
            estimator = tables.estimator_for(rows.target)(
                progress=bar, **settings, **saves.arguments()
            )
            fitted = tables.fit(rows, estimator, strategy=workers.strategy)
        if not workers.writes:
            _wait_for_chief(workers, fitted, as_json=as_json)
            saves.remove_rows()
            return
        with told_on_terminal("Testing, and looking at each column ..."):
            outcome = tables.measure(fitted)
        with told_on_terminal("Saving ..."):
            saved = workers.by_chief(lambda: tables.save(outcome, folder, run=saves.run()))
        saves.remove_rows()
    written = Path(saved)
    if as_json:
        print_json(_as_json(outcome, written))
    else:
        _print(outcome, written)


def _wait_for_chief(workers: Workers, fitted: "FittedTable", *, as_json: bool) -> None:
    """Until it has saved, or said that it cannot; one line of what this worker did."""
    folder = workers.by_chief(lambda: "")
    rows, epochs = fitted.rows, fitted.estimator.n_epochs_
    click.echo(
        f"{workers.name.capitalize()} took its part of {epochs} epochs over {rows.source};"
        f" the chief saved {folder}",
        err=as_json,
    )


def check_usage(path: Path, header: Sequence[str], chosen: Mapping[str, Any]) -> None:
    """What is wrong with the options, whatever the rows are."""
    ctx = click.get_current_context()
    if "target" not in chosen:
        raise click.UsageError(
            f"--target is missing: which column of {path} is to be predicted? It has"
            f" {shortened(header, most=40)}",
            ctx,
        )
    folds, members = chosen.get("folds"), chosen.get("members")
    if folds and members and members % folds:
        raise click.UsageError(
            f"--members must be a multiple of --folds; got {members} and {folds}", ctx
        )


def names_meant(given: Iterable[str], header: Sequence[str]) -> list[str]:
    """The columns meant: `a,b` are two, unless one column has that name."""
    return list(
        chain.from_iterable(
            [text] if text in header else [name.strip() for name in text.split(",")]
            for text in given
        )
    )


def column_hints(chosen: Mapping[str, Any], header: Sequence[str]) -> "ColumnHints":
    """Return what the options say about columns."""
    from kerasnn.datasets import ColumnHints

    kinds = ("ignore", *KINDS)
    return ColumnHints(**{k: names_meant(chosen[k], header) for k in kinds if k in chosen})


def described(rows: "TableRows") -> list[str]:
    """What was inferred, in a few lines."""
    schema, target = rows.schema, rows.target
    by_kind = {k: [c.name for c in schema.columns if c.kind == k] for k in KINDS}
    told = [
        [f"  {len(names):,}", kind, shortened(names)]
        for kind, names in by_kind.items()
        if names
    ]
    kept = f"{rows.n_tested:,} kept for the test"
    n_held_out = rows.n_rows - rows.n_trained - rows.n_tested
    if n_held_out:  # the table is read from disk
        kept = f"{n_held_out:,} to choose the epoch, {kept}"
    return [
        f"{rows.source}: {rows.n_rows:,} rows; {rows.n_trained:,} to learn from, {kept}",
        f"Target {target.name}: {_target_text(target)}",
        f"Columns {len(schema.columns):,}",
        *aligned(told),
        *_left_out(schema),
    ]


def _target_text(target: "Target") -> str:
    from kerasnn.cli.wording import in_options

    why = in_options(target.reason)
    if target.task == "regression":
        return f"regression, {target.low:.10g} to {target.high:.10g} ({why})"
    pairs = zip(target.classes, target.counts, strict=True)
    shown = [f"{text} ({count:,})" for text, count in pairs][:CLASSES_SHOWN]
    more = ", ..." if len(target.classes) > CLASSES_SHOWN else ""
    return (
        f"classification, {len(target.classes)} classes: {', '.join(shown)}{more} ({why})"
    )


def _left_out(schema: "Schema") -> list[str]:
    from kerasnn.cli.wording import in_options

    if not schema.left_out:
        return []
    shown = schema.left_out[:LEFT_OUT_SHOWN]
    more = len(schema.left_out) - len(shown)
    return [
        f"Left out {len(schema.left_out):,}",
        *aligned([[f"  {c.name}", in_options(c.reason)] for c in shown]),
        *([f"  and {more:,} more; the report lists them"] if more else []),
    ]


def _as_json(outcome: "Measurement", folder: Path) -> dict[str, Any]:
    from kerasnn.tables import score_intervals

    fitted, rows = outcome.fitted, outcome.fitted.rows
    return {
        "source": rows.source,
        "folder": str(folder),
        "version": int(folder.name),
        "report": str(folder / "assets.extra" / "report.html"),
        "target": rows.target.name,
        "task": rows.target.task,
        "columns": {c.name: c.kind for c in rows.schema.columns},
        "left_out": {c.name: c.reason for c in rows.schema.left_out},
        "rows": {"train": rows.n_trained, "test": rows.n_tested},
        "measured_on": outcome.measured_on,
        "metrics": outcome.metrics,
        "intervals": score_intervals(outcome.scores),
        "baselines": {
            name: {score: s.value for score, s in scores.items()}
            for name, scores in outcome.baseline_scores.items()
        },
        "settings": fitted.settings,
        "epochs": fitted.estimator.n_epochs_,
        "kept_epoch": fitted.estimator.best_epoch_,
        "seconds": fitted.seconds,
    }


def _print(outcome: "Measurement", folder: Path) -> None:
    fitted, recipe = outcome.fitted, outcome.fitted.estimator.recipe_
    members = "1 network" if recipe.members == 1 else f"{recipe.members} networks"
    click.echo(
        f"Trained  {fitted.seconds:.1f} s: {members}, {fitted.estimator.n_epochs_} epochs,"
        f" the weights after epoch {fitted.estimator.best_epoch_} kept"
    )
    for line in _metric_lines(outcome):
        click.echo(line)
    click.echo(f"Saved    {folder}")
    click.echo(f"Report   {folder / 'assets.extra' / 'report.html'}")


def _metric_lines(outcome: "Measurement") -> list[str]:
    if not outcome.scores:
        return ["No rows were kept for a test, and no member left any out: no metrics"]
    if outcome.tested:
        first = f"On {len(outcome.truth):,} test rows, never learned from (95% intervals)"
        last = []
    else:
        first = f"On {outcome.measured_on} (95% intervals)"
        last = ["  They chose the epoch: a little too good. No rows were kept for a test"]
    return [first, *score_rows(outcome.scores, outcome.baseline_scores), *last]
