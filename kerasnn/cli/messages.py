"""Texts of the commands: options in messages of the library, aligned columns, scores."""

import ast
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kerasnn.errors import InputError

if TYPE_CHECKING:
    from kerasnn.reports import Score

# "error" is not shown: it is 1 - accuracy.
_SHOWN = (
    *("accuracy", "balanced_accuracy", "auc", "log_loss", "brier", "rmse", "mae", "r2"),
    *("coverage_90", "mean_width_90", "mean_set_size_90"),
)

_LIST = re.compile(
    r"\b(categorical|numeric|boolean|datetime|text|ignore|names|na)="
    r"(\[(?:'[^']*'|\"[^\"]*\")\])"
)
_CHOICE = re.compile(r"\b(task)='([a-z]+)'")
_TEXT = re.compile(
    r"\b(sep|encoding|sheet|decimal|thousands|date_format|group|time|test_file)="
    r"('[^']*'|\"[^\"]*\")"
)
_TUPLE = re.compile(r"\b(allow)=(\((?:'[^']*',? ?)+\))")
_FLAG = re.compile(r"\b(header|stream|strict)=(True|False)\b")
_NAME = re.compile(r"\b(task|target|names|sep|encoding|sheet|time)=(?=[ ,;.]|$)")
_NUMBER = re.compile(r"\b(folds|members|gap|test_size)=(?=\d)")


def as_cli_message(text: str) -> str:
    """Return a message of the library with options in place of arguments: --ignore x."""

    def column_option(match: re.Match[str]) -> str:
        (name,) = ast.literal_eval(match[2])
        return f"--{match[1]} {shlex.quote(name)}"

    def text_option(match: re.Match[str]) -> str:
        value = ast.literal_eval(match[2])
        shown = "tab" if value == "\t" else shlex.quote(value)
        return f"--{match[1].replace('_', '-')} {shown}"

    def flag(match: re.Match[str]) -> str:
        return f"--{'' if match[2] == 'True' else 'no-'}{match[1]}"

    def repeated_option(match: re.Match[str]) -> str:
        values = ast.literal_eval(match[2])
        return " ".join(f"--{match[1]} {shlex.quote(value)}" for value in values)

    def number(match: re.Match[str]) -> str:
        return f"--{match[1].replace('_', '-')} "

    text = _TUPLE.sub(repeated_option, _LIST.sub(column_option, text))
    text = _FLAG.sub(flag, _TEXT.sub(text_option, text))
    text = _CHOICE.sub(r"--\1 \2", text)
    text = text.replace("resume=True", "--resume").replace("checkpoint= ", "--checkpoint ")
    return _NUMBER.sub(number, _NAME.sub(r"--\1", text))


@contextmanager
def cli_messages() -> Iterator[None]:
    """Context manager that rewrites messages of InputErrors with `as_cli_message`."""
    try:
        yield
    except InputError as error:
        raise InputError(as_cli_message(str(error))) from None


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a line for each row, with cells of equal width in each column."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def score_lines(
    scores: Mapping[str, "Score"],
    baselines: Mapping[str, Mapping[str, "Score"]] | None = None,
) -> list[str]:
    """Return lines of scores with intervals, and of simple models beside them."""
    from kerasnn.reports.formatting import SCORE_NAMES, format_number

    baselines = baselines or {}
    head = [["", "network", *baselines]] if baselines else []
    rows = []
    for name in _SHOWN:
        if name in scores:
            score = scores[name]
            value, low, high = (format_number(v, like=score.value) for v in score)
            others = [
                format_number(other[name].value, like=score.value) if name in other else ""
                for other in baselines.values()
            ]
            rows.append([f"  {SCORE_NAMES[name]}", f"{value} ({low} to {high})", *others])
    return aligned([*head, *rows])
