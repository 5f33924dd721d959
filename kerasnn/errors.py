"""The errors that a user can put right, named so that they can be caught."""

import operator


class InputError(ValueError):
    """What was given cannot be used; the message says what, where, and the way out."""


def check_whole_number(name: str, value: object, *, least: int) -> None:
    """A count or a seed is a whole number that is large enough.

    Raises:
        InputError: it is not.
    """
    try:
        whole = not isinstance(value, bool) and operator.index(value) >= least  # type: ignore[arg-type]
    except TypeError:
        whole = False
    if not whole:
        raise InputError(
            f"{name} must be a whole number of at least {least}; got {value!r}"
        )


class NonFiniteLossError(ArithmeticError):
    """The loss became NaN or infinite.

    Attributes:
        epoch: number of the epoch in which it happened, from 1.
        last_finite: loss of the epoch before, or None in the first one.
        kept_epoch: the network is as it was after this epoch; 0: as before training.
    """

    def __init__(
        self,
        name: str,
        value: float,
        *,
        epoch: int,
        last_finite: float | None,
        kept_epoch: int,
    ) -> None:
        before = (
            "there was no finite value before it"
            if last_finite is None
            else f"the last finite value was {last_finite:.6g}, in epoch {epoch - 1}"
        )
        kept = f"after epoch {kept_epoch}" if kept_epoch else "before training"
        super().__init__(
            f"{name} is {value} in epoch {epoch}; {before}. The network is as it was"
            f" {kept}. A smaller learning rate or scaled inputs may help"
        )
        self.epoch = epoch
        self.last_finite = last_finite
        self.kept_epoch = kept_epoch
