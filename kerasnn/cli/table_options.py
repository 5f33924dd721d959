"""Options about a table and its columns, and lines about a table that was read."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from kerasnn.choices import ColumnKind
from kerasnn.cli.messages import aligned, as_cli_message
from kerasnn.errors import list_names

if TYPE_CHECKING:
    from kerasnn.datasets import ColumnHints, Schema, Target
    from kerasnn.tables import TableRows

# The options that `tables.read_rows` takes, beside the target and the hints.
READ_OPTIONS = ("task", "test_size", "seed")
HINT_OPTIONS = ("ignore", *get_args(ColumnKind))

_MAX_LEFT_OUT = 12
_MAX_CLASSES = 6

_HINT_HELP = {
    "ignore": "Columns to leave out. Give each of these six options several times, or a"
    " list a,b,c.",
    "categorical": "Columns that are categories.",
    "numeric": "Columns that are numbers.",
    "boolean": "Columns that are true or false.",
    "datetime": "Columns that are dates.",
    "text": "Columns that are free text.",
}


def hint_options(option: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return a decorator with an option for each kind of column.

    Args:
        option: `options.option`, or one under a heading.
    """

    def decorate(command: Any) -> Any:
        for name, text in reversed(_HINT_HELP.items()):
            command = option(f"--{name}", str, text, multiple=True)(command)
        return command

    return decorate


def table_header(path: Path) -> list[str]:
    """Return the names of a table's columns."""
    from kerasnn.datasets import table_chunks

    return [str(name) for name in next(table_chunks(path, 1)).columns]


def check_usage(path: Path, header: Sequence[str], options: Mapping[str, Any]) -> None:
    """Check options that need no rows.

    Raises:
        UsageError: there is no target, or the numbers of folds and members do not match.
    """
    ctx = click.get_current_context()
    if "target" not in options:
        raise click.UsageError(
            f"--target is missing: which column of {path} is to be predicted? It has"
            f" {list_names(header, 40)}",
            ctx,
        )
    folds, members = options.get("folds"), options.get("members")
    if folds and members and members % folds:
        raise click.UsageError(
            f"--members must be a multiple of --folds; got {members} and {folds}", ctx
        )


def column_hints(options: Mapping[str, Any], header: Sequence[str]) -> "ColumnHints":
    """Return what the options say about columns."""
    from kerasnn.datasets import ColumnHints

    return ColumnHints(
        **{k: _columns(options[k], header) for k in HINT_OPTIONS if k in options}
    )


def _columns(texts: Iterable[str], header: Sequence[str]) -> list[str]:
    """Return the columns of an option: `a,b` is two, unless a column has that name."""
    return list(
        chain.from_iterable(
            [text] if text in header else [name.strip() for name in text.split(",")]
            for text in texts
        )
    )


def table_lines(rows: "TableRows") -> list[str]:
    """Return lines about rows, target and columns of a table."""
    schema, target = rows.schema, rows.target
    by_kind = {
        k: [c.name for c in schema.columns if c.kind == k] for k in get_args(ColumnKind)
    }
    kinds = [
        [f"  {len(names):,}", kind, list_names(names)]
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
        *aligned(kinds),
        *_left_out_lines(schema),
    ]


def _target_text(target: "Target") -> str:
    reason = as_cli_message(target.reason)
    if target.task == "regression":
        return f"regression, {target.low:.10g} to {target.high:.10g} ({reason})"
    pairs = zip(target.classes, target.counts, strict=True)
    shown = [f"{text} ({count:,})" for text, count in pairs][:_MAX_CLASSES]
    more = ", ..." if len(target.classes) > _MAX_CLASSES else ""
    classes = f"{len(target.classes)} classes: {', '.join(shown)}{more}"
    return f"classification, {classes} ({reason})"


def _left_out_lines(schema: "Schema") -> list[str]:
    if not schema.left_out:
        return []
    shown = schema.left_out[:_MAX_LEFT_OUT]
    more = len(schema.left_out) - len(shown)
    return [
        f"Left out {len(schema.left_out):,}",
        *aligned([[f"  {c.name}", as_cli_message(c.reason)] for c in shown]),
        *([f"  and {more:,} more; the report lists them"] if more else []),
    ]
