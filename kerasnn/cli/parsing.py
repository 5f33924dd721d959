"""What click does not do by itself: say what is possible, options by kind, two types."""

import math
from pathlib import Path
from typing import Any, ClassVar, get_args

import click

from kerasnn.choices import LessonName

LESSONS = get_args(LessonName)


class LessonOption(click.Option):
    """An option that only the lessons have."""

    heading: ClassVar[str] = "Options for lessons"


class TableOption(click.Option):
    """An option that only tables have."""

    heading: ClassVar[str] = "Options for files"


class ServerOption(click.Option):
    """An option that only goes with --server."""

    heading: ClassVar[str] = "Options for --server"


class Command(click.Command):
    """A command that answers an unknown option with all there are."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options under the heading of their kind."""
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
        """Parse, and name the options where one is not known."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            options = [o for p in self.get_params(ctx) for o in p.opts if o[:2] == "--"]
            raise click.UsageError(
                f"No such option: {error.option_name}. Possible: {', '.join(options)}",
                ctx,
            ) from None


def refuse(ctx: click.Context, kind: type[click.Option], why: str) -> None:
    """No option of this kind was given.

    Raises:
        UsageError: one was.
    """
    for option in ctx.command.params:
        source = ctx.get_parameter_source(option.name or "")
        if isinstance(option, kind) and source is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option.opts[0]} is {why}", ctx)


def check_folds(
    ctx: click.Context, param: click.Parameter, value: int | None
) -> int | None:
    """A number of folds that leaves rows to learn from.

    Raises:
        BadParameter: it is 1.
    """
    if value == 1:
        raise click.BadParameter("1 fold leaves no rows to learn from; 0 or at least 2")
    return value


def columns_option(name: str, help: str) -> Any:  # noqa: A002 - as click has it
    """An option that names columns."""
    return click.option(f"--{name}", cls=TableOption, multiple=True, help=help)


class Group(click.Group):
    """A group whose commands are `Command`s and that names them all."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which there are."""
        if args and self.get_command(ctx, args[0]) is None and args[0][:1] != "-":
            possible = ", ".join(self.list_commands(ctx))
            raise click.UsageError(f"No such command: {args[0]}. Possible: {possible}", ctx)
        return super().resolve_command(ctx, args)


class Source(click.ParamType):
    """Where rows come from: a lesson's name, or a path that is there."""

    name = "source"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """The same text, if there is such a thing."""
        text = str(value)
        if text not in LESSONS and not Path(text).exists():
            self.fail(
                f"{text!r} is neither a lesson ({', '.join(LESSONS)}) nor a file or folder"
                " that is there",
                param,
                ctx,
            )
        return text

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        """What it might be."""
        return f"Give a file, or a lesson: {', '.join(LESSONS)}"


class HiddenUnits(click.ParamType):
    """Units of the hidden layers: `30`, or `64,32` for two layers."""

    name = "units"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """From text to numbers."""
        if isinstance(value, tuple):
            return value
        parts = str(value).split(",")
        if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
            self.fail(
                f"{value!r} is not a list of whole numbers of at least 1,"
                " such as 30 or 64,32",
                param,
                ctx,
            )
        return tuple(int(part) for part in parts)


LARGEST = 1e38  # about what float32 can hold


class PositiveNumber(click.ParamType):
    """A number above zero that float32 can hold."""

    name = "number"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """From text to a number."""
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        if not 0 < number < LARGEST:
            self.fail(f"{value!r} is not a number above 0, below {LARGEST:g}", param, ctx)
        return number
