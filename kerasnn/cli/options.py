"""Options of the commands: their types, headings in the help, and messages."""

import dataclasses
import difflib
import functools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import click

from kerasnn.choices import LessonName

LESSON_NAMES = get_args(LessonName)

FOR_LESSONS = "Options for lessons"
FOR_FILES = "Options for files"
FOR_READING = "Options for reading files"
FOR_SERVER = "Options for --server"

MAX_NUMBER = 1e38  # approximately the largest float32


PATH = click.Path(path_type=Path)
FRACTION = click.FloatRange(min=0, max=1, max_open=True)
TEST_SIZE = click.FloatRange(min=0, max=0.5)


def at_least(minimum: int) -> click.IntRange:
    """Return the type of whole numbers from a minimum."""
    return click.IntRange(min=minimum)


def choice(values: Any) -> click.Choice[str]:
    """Return the type of the values of a `Literal`."""
    return click.Choice(get_args(values))


class _HeadedOption(click.Option):
    def __init__(self, *arguments: Any, heading: str, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.heading = heading


def option(
    name: str,
    kind: Any,
    text: str,
    *,
    heading: str = "Options",
    **settings: Any,
) -> Any:
    """Return a `click.option`.

    Args:
        name: such as "--epochs".
        kind: type of the values.
        text: for the help, where options with the same heading are listed together.
        heading: for the help.
        **settings: as for `click.option`.
    """
    settings |= {"type": kind, "help": text, "heading": heading}
    return click.option(name, cls=_HeadedOption, **settings)


def known_ops(
    context: click.Context, parameter: click.Parameter, ops: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the operations of --allow.

    Raises:
        BadParameter: TensorFlow has no such operation.
    """
    from kerasnn.graphs.op_list import KNOWN_OPS

    for op in ops:
        if op in KNOWN_OPS:
            continue
        from tensorflow import raw_ops  # of another version than that of the list

        if not hasattr(raw_ops, op):
            near = difflib.get_close_matches(op, KNOWN_OPS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise click.BadParameter(f"TensorFlow has no operation {op}{hint}")
    return ops


def allow_option(command: Any) -> Any:
    """Add --allow to a command that loads a SavedModel."""
    return option(
        "--allow",
        str,
        "A SavedModel is a program. This lets its graph have an operation such as ReadFile,"
        " which can reach files, other machines or Python, or is unknown. May be repeated.",
        multiple=True,
        metavar="OP",
        callback=known_ops,
    )(command)


class Command(click.Command):
    """A command with headings in its help; it lists its options if one is unknown."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, each under its heading."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                heading = getattr(parameter, "heading", "Options")
                sections.setdefault(heading, []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Command`."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            options = [o for p in self.get_params(ctx) for o in p.opts if o[:2] == "--"]
            raise click.UsageError(
                f"No such option: {error.option_name}. Possible: {', '.join(options)}",
                ctx,
            ) from None


class CommandGroup(click.Group):
    """A group that lists its commands if one is unknown."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See `click.Group`."""
        if args and self.get_command(ctx, args[0]) is None and args[0][:1] != "-":
            possible = ", ".join(self.list_commands(ctx))
            raise click.UsageError(f"No such command: {args[0]}. Possible: {possible}", ctx)
        return super().resolve_command(ctx, args)


def collect(kind: type, name: str) -> Callable[[Any], Any]:
    """Return a decorator that passes several options to a command as one object.

    Args:
        kind: dataclass; its fields are named like the options.
        name: parameter of the command that takes the object.
    """
    fields = [field.name for field in dataclasses.fields(kind)]

    def decorate(command: Any) -> Any:
        @functools.wraps(command)
        def collected(*arguments: Any, **options: Any) -> Any:
            settings = {field: options.pop(field) for field in fields}
            return command(*arguments, **options, **{name: kind(**settings)})

        return collected

    return decorate


def reject_options(ctx: click.Context, heading: str, reason: str) -> None:
    """Check that no option under a heading was given.

    Raises:
        UsageError: one was.
    """
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name or "")
        given = source is click.core.ParameterSource.COMMANDLINE
        if given and getattr(parameter, "heading", None) == heading:
            raise click.UsageError(f"{parameter.opts[0]} is {reason}", ctx)


def given_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that have a value."""
    return {name: value for name, value in options.items() if value not in (None, ())}


def check_folds(
    ctx: click.Context, param: click.Parameter, value: int | None
) -> int | None:
    """Check that a number of folds leaves training rows.

    Raises:
        BadParameter: it is 1.
    """
    if value == 1:
        raise click.BadParameter("1 fold leaves no rows to learn from; 0 or at least 2")
    return value


class ParsedType(click.ParamType):
    """A type of options.

    Args:
        name: of the type.
        parse: returns the value of a text, or raises ValueError with a message.
    """

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """Parse a text; other values are parsed."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class SourceType(ParsedType):
    """The name of a lesson, or a path that exists."""

    def __init__(self) -> None:
        super().__init__("source", _source)

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        """Return the two possibilities."""
        return f"Give a file, or a lesson: {', '.join(LESSON_NAMES)}"


def _source(text: str) -> str:
    if text not in (*LESSON_NAMES, "-") and not Path(text).exists():
        raise ValueError(
            f"{text!r} is neither a lesson ({', '.join(LESSON_NAMES)}) nor a file or folder"
            " that exists"
        )
    return text


def _hidden_units(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise ValueError(
            f"{text!r} is not a list of whole numbers of at least 1, such as 30 or 64,32"
        )
    return tuple(int(part) for part in parts)


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < MAX_NUMBER:
        raise ValueError(f"{text!r} is not a number above 0, below {MAX_NUMBER:g}")
    return number


HIDDEN_UNITS = ParsedType("units", _hidden_units)
POSITIVE_NUMBER = ParsedType("number", _positive)
