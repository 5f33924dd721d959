"""The package's exceptions, and checks of single arguments."""

import difflib
import operator
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from signal import Signals
from typing import Any, get_args

# Control characters, marks that turn the direction of text, separators of lines and halves
# of pairs: they change what a terminal shows, or cannot be written.
UNSAFE_CHARACTERS = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)

_LIBRARIES = {"kerasnn", "keras", "tensorflow"}  # their lines tell a user nothing


def printable(text: str) -> str:
    """Return text with escapes in place of `UNSAFE_CHARACTERS`, as Python writes them."""
    return UNSAFE_CHARACTERS.sub(
        lambda match: match[0].encode("unicode_escape").decode(), text
    )


class InputError(ValueError):
    """An argument, file or table that cannot be used; the message names the way out."""


class DataWarning(UserWarning):
    """A table because of which a score or an answer may be untrue."""


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning that names the line of the program that called this package.

    The number of calls in between differs: Keras's methods may be among them.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in _LIBRARIES:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


class ExportError(RuntimeError):
    """A SavedModel whose answers differ from the network's; it has been removed."""


class ServerError(RuntimeError):
    """A model server that cannot be reached, or gives an unexpected answer.

    Attributes:
        status: the HTTP status of the answer; None if there was no answer.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


def check_whole_number(name: str, value: object, *, minimum: int) -> int:
    """Return a count or a seed as a plain int.

    Raises:
        InputError: it is not a whole number, or less than the minimum.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = minimum - 1
    if isinstance(value, bool) or number < minimum:
        raise InputError(
            f"{name} must be a whole number of at least {minimum}; got {value!r}"
        )
    return number


def check_choice(name: str, value: Any, choices: Any) -> Any:
    """Return a value after checking that it is one of the choices of a `Literal`.

    Raises:
        InputError: it is not; the message suggests the nearest choice.
    """
    possible = get_args(choices)
    if value not in possible:
        choice = ", ".join(map(repr, possible))
        raise InputError(
            f"{name} must be one of {choice}; got {value!r}{suggestion(value, possible)}"
        )
    return value


def suggestion(value: object, possible: Sequence[str]) -> str:
    """Return the end of a message that names a similar choice; "" if there is none."""
    near = difflib.get_close_matches(str(value), possible, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def list_names(names: Sequence[str], maximum: int = 8) -> str:
    """Return the names with commas between them, without the middle of a long list."""
    if len(names) <= maximum:
        return ", ".join(names) or "no columns"
    first = ", ".join(names[: maximum - 1])
    return f"{first}, ..., {names[-1]} ({len(names):,} columns)"


class NonFiniteLossError(ArithmeticError):
    """A loss, or a weight after the last step, that is NaN or infinite.

    Attributes:
        epoch: number of the epoch in which it happened, from 1.
        last_finite: the last finite loss, of `last_epoch`; None if there was none.
        last_epoch: number of its epoch.
        kept_epoch: the network has the weights after this epoch; 0: before training.
    """

    def __init__(
        self,
        name: str,
        value: float | str,
        *,
        epoch: int,
        last_finite: float | None,
        last_epoch: int,
        kept_epoch: int,
    ) -> None:
        before = (
            "there was no finite loss before it"
            if last_finite is None
            else f"the last finite loss was {last_finite:.6g}, in epoch {last_epoch}"
        )
        kept = f"after epoch {kept_epoch}" if kept_epoch else "before training"
        super().__init__(
            f"{name} is {value} in epoch {epoch}; {before}. The network is as it was"
            f" {kept}. A smaller learning rate or scaled inputs may help"
        )
        self.epoch = epoch
        self.last_finite = last_finite
        self.last_epoch = last_epoch
        self.kept_epoch = kept_epoch


class InterruptedFitError(KeyboardInterrupt):
    """A training that was stopped by a signal, and saved.

    Attributes:
        signal: the signal.
        checkpoint: the path of the saved file.
    """

    def __init__(
        self, signal: Signals, checkpoint: Path, *, epochs: int, steps: int
    ) -> None:
        within = f" and {steps} steps" if steps else ""
        super().__init__(
            f"{signal.name}: the training was stopped after {epochs} epochs{within} and"
            f" saved as {checkpoint}; the same call with resume=True resumes it"
        )
        self.signal = signal
        self.checkpoint = checkpoint


class WorkerLostError(RuntimeError):
    """The loss of another worker of a training on several machines."""

    def __init__(self, worker: int, workers: int) -> None:
        super().__init__(
            f"worker {worker} of {workers} cannot continue: another worker has stopped."
            " Start all of them again; with checkpoint= and resume=True they resume from"
            " the last checkpoint"
        )
