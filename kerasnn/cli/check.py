"""`kerasnn check`: new rows beside those that a network has learned from."""

import dataclasses
import sys
from collections.abc import Iterator
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
from kerasnn.cli.messages import aligned, cli_messages
from kerasnn.cli.options import PATH, Command, allow_option
from kerasnn.cli.table_options import (
    ReadingArguments,
    notice_lines,
    notice_objects,
    reading_options,
)
from kerasnn.errors import InputError, list_names

if TYPE_CHECKING:
    from kerasnn.novelty import ColumnDrift
    from kerasnn.saving import SavedTable
    from kerasnn.tables import Effect, TableDrift

DRIFT_EXIT_CODE = 3
_MAX_SHOWN = 20  # columns that have drifted


@click.command(
    "check", cls=Command, short_help="Compare new rows with those of the training."
)
@click.argument("model", type=PATH)
@click.argument("file", type=PATH)
@reading_options
@json_option
@allow_option
def check_command(
    model: Path,
    file: Path,
    reading: ReadingArguments,
    as_json: bool,
    allow: tuple[str, ...],
) -> None:
    """Compare the rows of FILE with those that MODEL has learned from.

    It says which columns have drifted, how far that moves the predictions, and how many
    rows are unlike any of the training. FILE is as for predict; it may have the target,
    which is then compared too.

    The exit code is 0 without drift or for too few rows, and 3 if anything has drifted.

    A SavedModel is a program. It is not run if its graph has operations that can reach
    files, other machines or Python, or that are unknown.
    """
    with status_on_terminal("Loading TensorFlow ..."), quiet_tensorflow():
        from kerasnn import saving, tables
    with cli_messages():
        saved = saving.load(model, allow=allow)
        if not isinstance(saved, saving.SavedTable):
            raise InputError(
                f"{saved.folder}: is a network of rows of numbers, such as a lesson's; only"
                " networks of tables know what their training rows were like"
            )
        with status_on_terminal(f"Comparing the rows of {file.name} ..."):
            found = tables.check_drift(saved, file, reading=reading.options())
    if as_json:
        print_json({"folder": str(saved.folder), "source": str(file), **_as_json(found)})
    else:
        _print(saved, file, found)
    if found.verdict == "drift":
        sys.exit(DRIFT_EXIT_CODE)


def _as_json(found: "TableDrift") -> dict[str, Any]:
    drifts = []
    for drift in found.drifts:
        effect = found.effects.get(drift.name) if drift.role == "column" else None
        effects = {} if effect is None else {"effect": dataclasses.asdict(effect)}
        drifts.append({**dataclasses.asdict(drift), **effects})
    return {
        "verdict": found.verdict,
        "matters": found.matters,
        "rows": found.rows,
        "unreadable_rows": found.unreadable_rows,
        "rows_before": found.rows_before,
        "unusual": found.unusual,
        "unlikely": found.unlikely,
        "drifts": drifts,
        "notices": notice_objects(found.notices),
    }


def _print(saved: "SavedTable", file: Path, found: "TableDrift") -> None:
    unreadable = (
        f" ({found.unreadable_rows:,} with a cell that cannot be read)"
        if found.unreadable_rows
        else ""
    )
    echo_line(
        f"{saved.folder}: {found.rows:,} rows of {file}{unreadable} beside"
        f" {found.rows_before:,} of the training"
    )
    for line in _drift_lines(found):
        echo_line(line)
    for line in notice_lines(found.notices):
        echo_line(line, err=True)
    echo_line(_conclusion(found))


def _drift_lines(found: "TableDrift") -> Iterator[str]:
    """Yield a table of what has drifted, of predictions and target."""
    columns = [drift for drift in found.drifts if drift.role == "column"]
    drifted = sorted((d for d in columns if d.drifted), key=lambda d: -d.psi)
    others = [drift for drift in found.drifts if drift.role in ("prediction", "target")]
    shown = [*drifted[:_MAX_SHOWN], *others]
    if shown:
        rows = [_cells(drift, found.effects.get(drift.name)) for drift in shown]
        yield from aligned([["", "PSI", "", "change"], *rows])
    if len(drifted) > _MAX_SHOWN:
        yield f"  and {len(drifted) - _MAX_SHOWN} more columns; --json lists them"
    if found.drifts:
        yield (
            f"  {found.unusual:.1%} of the rows are unusual, {found.unlikely:.1%} by an"
            " unlikely combination of values"
        )


def _cells(drift: "ColumnDrift", effect: "Effect | None") -> list[str]:
    word = {"prediction": "predicted ", "target": "target "}.get(drift.role, "")
    words = [drift.change]
    if drift.missing - drift.missing_before >= 0.01:
        words.append(f"missing {drift.missing_before:.1%} -> {drift.missing:.1%}")
    for name in ("unseen", "outside", "unreadable"):
        share = getattr(drift, name)
        words += [f"{share:.1%} {name}"] if share else []
    if effect is not None and drift.role == "column":
        words.append(f"moves the mean of {effect.output} by {effect.shift:+.3g}")
    mark = "drifted" if drift.drifted else ""
    return [f"  {word}{drift.name}", f"{drift.psi:.2f}", mark, ", ".join(words)]


def _conclusion(found: "TableDrift") -> str:
    from kerasnn.novelty import MIN_NEW_ROWS

    if found.verdict == "too few rows":
        return f"Too few rows to tell: {MIN_NEW_ROWS} are needed, {found.rows} are given."
    if found.verdict == "no drift":
        return "No drift."
    n_columns = sum(drift.role == "column" for drift in found.drifts)
    names = [drift.name for drift in found.drifted if drift.role == "column"]
    roles = {drift.role for drift in found.drifted}
    parts = [f"Drift: {len(names)} of {n_columns} columns ({list_names(names)})."]
    if not names:
        parts = ["Drift: of no single column."]
    if "combination" in roles:
        parts.append("Columns no longer belong together as they did.")
    if "target" in roles:
        parts.append("The target has drifted: train anew.")
    if "prediction" in roles:
        parts.append(
            "The predictions have drifted: it matters. Score rows with a known"
            " target (kerasnn evaluate), and train anew if the scores are lower."
        )
    else:
        parts.append("The predictions have not.")
    return " ".join(parts)
