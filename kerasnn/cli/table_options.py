"""Options about a table and its columns, and lines about a table that was read."""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from kerasnn.choices import ColumnKind
from kerasnn.cli.messages import aligned, as_cli_message
from kerasnn.cli.options import FOR_READING, at_least, collect, option
from kerasnn.errors import list_names

if TYPE_CHECKING:
    from kerasnn.datasets import ColumnHints, Notice, ReadOptions, Schema, Target
    from kerasnn.tables import TableRows

# The options that `tables.read_rows` takes, beside the target and the hints.
READ_OPTIONS = ("task", "test_size", "seed")
VALIDATION_OPTIONS = ("group", "time", "gap", "test_file")
HINT_OPTIONS = ("ignore", *get_args(ColumnKind))

_MAX_LEFT_OUT = 12
_MAX_CLASSES = 6
_MAX_NOTICES = 8

_HINT_HELP = {
    "ignore": "Columns to leave out. Give each of these six options several times, or a"
    " list a,b,c.",
    "categorical": "Columns that are categories.",
    "numeric": "Columns that are numbers.",
    "boolean": "Columns that are true or false.",
    "datetime": "Columns that are dates.",
    "text": "Columns that are free text.",
}


@dataclass(frozen=True)
class ReadingArguments:
    """The options about how files are read, as the user gave them; see the help."""

    sep: str | None = None
    encoding: str | None = None
    header: bool | None = None
    names: tuple[str, ...] = ()
    na: tuple[str, ...] = ()
    decimal: str | None = None
    thousands: str | None = None
    date_format: str | None = None
    sheet: str | None = None
    strict: bool = False

    def options(self) -> "ReadOptions":
        """Return them as the library takes them.

        Raises:
            InputError: a value is not possible.
        """
        from kerasnn.datasets import ReadOptions

        sheet = self.sheet
        return ReadOptions(
            sep=_SEPARATORS.get(self.sep or "", self.sep),
            encoding=self.encoding,
            header=self.header,
            names=_listed(self.names),
            na=_listed(self.na),
            decimal=self.decimal,
            thousands=self.thousands,
            date_format=self.date_format,
            sheet=int(sheet) if sheet is not None and sheet.isdecimal() else sheet,
            strict=self.strict,
        )

    def words(self) -> list[str]:
        """Return the words of a command that have the same meaning."""
        words = []
        for name, value in dataclasses.asdict(self).items():
            flag = f"--{name.replace('_', '-')}"
            if value is True:
                words.append(flag)
            elif name == "header" and value is False:
                words.append("--no-header")
            elif value:
                values = value if isinstance(value, tuple) else (value,)
                words += [word for one in values for word in (flag, one)]
        return words


# What the help lists for each field of `ReadingArguments`, in this order.
_READING_HELP = {
    "sep": "Character between the cells: , ; | tab or space.  [default: detected]",
    "encoding": "Encoding of text: utf-8, cp1252, utf-16, ...  [default: detected]",
    "header": "Whether the first line holds the names.  [default: detected]",
    "names": "Names of the columns of a file without a header line: a,b,c.",
    "na": "Texts that mean a missing value, beside the usual ones: -999,unknown.",
    "decimal": "Decimal separator of numbers in text: . or ,  [default: detected]",
    "thousands": "Separator of groups of three digits.  [default: detected]",
    "date_format": "Format of dates in text: %d.%m.%Y.  [default: detected]",
    "sheet": "Name or number (from 0) of the sheet of a workbook.",
    "strict": "Refuse what would be repaired: unreadable cells, rows without a target.",
}
_READING_SETTINGS: dict[str, dict[str, Any]] = {
    "header": {"default": None},
    "strict": {"is_flag": True, "default": False},
    "names": {"multiple": True},
    "na": {"multiple": True},
}
_SEPARATORS = {"tab": "\t", "\\t": "\t", "space": " "}


def reading_options(command: Any) -> Any:
    """Decorate a command with the options about files; it gets them as `reading`."""
    command = collect(ReadingArguments, "reading")(command)
    for name, text in reversed(_READING_HELP.items()):
        flag, settings = f"--{name.replace('_', '-')}", _READING_SETTINGS.get(name, {})
        kind = None if "default" in settings else str
        flag += "/--no-header" if name == "header" else ""
        command = option(flag, kind, text, heading=FOR_READING, **settings)(command)
    return command


def _listed(texts: Iterable[str]) -> list[str]:
    """Return the items of an option that is given several times, or as a list a,b,c."""
    return [item.strip() for text in texts for item in text.split(",")]


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


def validation_options(option: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return a decorator with the options about groups, times and a file of test rows.

    Args:
        option: `options.option`, or one under a heading.
    """
    path = click.Path(exists=True, path_type=Path)
    added = [
        option(
            "--group",
            str,
            "Column of groups, such as patient: folds and test rows are whole groups. It is"
            " no feature unless --categorical names it.",
        ),
        option(
            "--time",
            str,
            "Column of dates or numbers: the latest rows are the test rows, and members"
            " are validated on later rows than they learned from. Only its parts that"
            " repeat, such as the weekday, are features.",
        ),
        option("--gap", at_least(0), "Rows left out before the later ones.  [default: 0]"),
        option("--test-file", path, "File of the test rows; no other row is one."),
    ]

    def decorate(command: Any) -> Any:
        for one in reversed(added):
            command = one(command)
        return command

    return decorate


def read_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `tables.read_rows` that the options give.

    Raises:
        InputError: the options cannot be used together.
    """
    from kerasnn.tables import Validation

    validation = {name: given[name] for name in VALIDATION_OPTIONS if name in given}
    return {
        "validation": Validation(**validation),
        **{name: given[name] for name in READ_OPTIONS if name in given},
    }


def table_header(
    path: Path, reading: ReadingArguments, target: str | None = None
) -> list[str]:
    """Return the names of a table's columns."""
    from kerasnn.datasets import column_names, table_files

    needed = [] if target is None else [target]
    return column_names(table_files(path), options=reading.options(), needed=needed)


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
    if rows.n_held_out:  # the table is read from disk
        kept = f"{rows.n_held_out:,} to choose the epoch, {kept}"
    n_unused = rows.n_unused
    if n_unused:
        kept += f", {n_unused:,} not used"
    how = rows.validation.how
    return [
        f"{rows.source}: {rows.n_rows:,} rows; {rows.n_trained:,} to learn from, {kept}",
        *([f"Validation {how}"] if how else []),
        f"Target {target.name}: {_target_text(target)}",
        f"Columns {len(schema.columns):,}",
        *aligned(kinds),
        *_left_out_lines(schema),
    ]


def notice_lines(notices: "Iterable[Notice]") -> list[str]:
    """Return a line for each notice, warnings first, at most 8."""
    from kerasnn.datasets.notices import warnings_first

    ordered = warnings_first(notices)
    lines = [
        f"{'Warning' if notice.is_warning else 'Note'}: {as_cli_message(notice.message)}"
        for notice in ordered[:_MAX_NOTICES]
    ]
    more = len(ordered) - len(lines)
    if more:
        lines.append(f"and {more:,} more notices; --json lists them")
    if any(re.search(r"\brows? \d", line) for line in lines):
        lines.append("Rows are counted from 0, without the header line")
    return lines


def notice_objects(notices: "Iterable[Notice]") -> list[dict[str, Any]]:
    """Return the notices as JSON values, warnings first."""
    from kerasnn.datasets.notices import warnings_first

    return [
        dataclasses.asdict(notice) | {"message": as_cli_message(notice.message)}
        for notice in warnings_first(notices)
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
