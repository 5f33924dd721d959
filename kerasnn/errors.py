"""The errors that a user can put right, named so that they can be caught."""

import difflib
import operator
from collections.abc import Sequence
from pathlib import Path
from signal import Signals
from typing import Any, get_args


class InputError(ValueError):
    """What was given cannot be used; the message says what, where, and the way out."""


class ExportError(RuntimeError):
    """What was written does not answer as the network does; it was taken away again."""


class ServerError(RuntimeError):
    """A server that was asked is not there, or does not answer as it should.

    Attributes:
        status: the HTTP status that it answered with; None where it gave no answer.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


def check_whole_number(name: str, value: object, *, least: int) -> int:
    """A count or a seed as a plain int that is large enough.

    Raises:
        InputError: it is not.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or number < least:
        raise InputError(
            f"{name} must be a whole number of at least {least}; got {value!r}"
        )
    return number


def check_choice(name: str, value: Any, choices: Any) -> Any:
    """A value that is one of a `Literal`'s.

    Raises:
        InputError: it is not; the message says what was probably meant.
    """
    possible = get_args(choices)
    if value not in possible:
        near = difflib.get_close_matches(str(value), possible, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(
            f"{name} must be one of {', '.join(map(repr, possible))}; got {value!r}{hint}"
        )
    return value


def list_names(names: Sequence[str], maximum: int = 8) -> str:
    """Return the names with commas between them, without the middle of a long list."""
    if len(names) <= maximum:
        return ", ".join(names) or "no columns"
    first = ", ".join(names[: maximum - 1])
    return f"{first}, ..., {names[-1]} ({len(names):,} columns)"


class NonFiniteLossError(ArithmeticError):
    """A loss, or a weight after the last step, became NaN or infinite.

    Attributes:
        epoch: number of the epoch in which it happened, from 1.
        last_finite: the last loss that was finite, that of `last_epoch`; None if none was.
        kept_epoch: the network is as it was after this epoch; 0: as before training.
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
    """A training was asked to end, and has been saved.

    Attributes:
        signal: that asked for it.
        checkpoint: the path of what was saved.
    """

    def __init__(
        self, signal: Signals, checkpoint: Path, *, epochs: int, steps: int
    ) -> None:
        within = f" and {steps} steps" if steps else ""
        super().__init__(
            f"{signal.name}: the training was stopped after {epochs} epochs{within} and"
            f" saved as {checkpoint}; the same call with resume=True goes on from there"
        )
        self.signal = signal
        self.checkpoint = checkpoint


class WorkerLostError(RuntimeError):
    """Another worker of a training on several machines does not answer any more."""

    def __init__(self, worker: int, workers: int) -> None:
        super().__init__(
            f"worker {worker} of {workers} cannot go on: another one has gone. Start all of"
            " them again; with checkpoint= and resume=True they go on from the last"
            " checkpoint"
        )
