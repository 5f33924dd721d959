"""How the commands put things: tables of text, lists of names, options for arguments."""

import ast
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kerasnn.errors import InputError

if TYPE_CHECKING:
    from kerasnn.reports import Score

# Told first; "error" is what accuracy leaves.
SHOWN = ("accuracy", "balanced_accuracy", "auc", "log_loss", "brier", "rmse", "mae", "r2")

_LIST = re.compile(
    r"\b(categorical|numeric|boolean|datetime|ignore)=(\[(?:'[^']*'|\"[^\"]*\")\])"
)
_CHOICE = re.compile(r"\b(task)='([a-z]+)'")
_NAME = re.compile(r"\b(task|target)=(?=[ ,;.]|$)")
_WISH = re.compile(r"\b(folds|members)=(?=\d)")


def in_options(text: str) -> str:
    """A message of the library in the words of the command: --ignore x for ignore=['x']."""

    def named(match: re.Match[str]) -> str:
        (name,) = ast.literal_eval(match[2])
        return f"--{match[1]} {shlex.quote(name)}"

    text = _LIST.sub(named, text)
    text = _CHOICE.sub(r"--\1 \2", text)
    text = text.replace("resume=True", "--resume").replace("checkpoint= ", "--checkpoint ")
    return _WISH.sub(r"--\1 ", _NAME.sub(r"--\1", text))


@contextmanager
def as_options() -> Iterator[None]:
    """Messages from inside this are put in the words of the command."""
    try:
        yield
    except InputError as error:
        raise InputError(in_options(str(error))) from None


def shortened(names: Sequence[str], *, most: int = 8) -> str:
    """The names in a row, the middle left out where there are many."""
    if len(names) <= most:
        return ", ".join(names)
    first = ", ".join(names[: most - 1])
    return f"{first}, ..., {names[-1]} ({len(names):,} columns)"


def aligned(rows: Sequence[Sequence[str]], *, gap: str = "  ") -> list[str]:
    """Lines whose cells stand below each other."""
    if not rows:
        return []
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return [
        gap.join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def score_rows(
    scores: Mapping[str, "Score"],
    others: Mapping[str, Mapping[str, "Score"]] | None = None,
) -> list[str]:
    """Lines of scores with their intervals, those of other models beside them."""
    from kerasnn.reports.texts import NAMES, number_text

    others = others or {}
    head = [["", "network", *others]] if others else []
    rows = []
    for name in SHOWN:
        if name in scores:
            ours = scores[name]
            value, low, high = (number_text(v, like=ours.value) for v in ours)
            beside = [
                number_text(of_model[name].value, like=ours.value)
                for of_model in others.values()
            ]
            rows.append([f"  {NAMES[name]}", f"{value} ({low} to {high})", *beside])
    return aligned([*head, *rows])
