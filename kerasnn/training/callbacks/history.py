"""Keras's history of a training, with the time of the compiled calls."""

from typing import TYPE_CHECKING, Any, Protocol

from keras import callbacks

from kerasnn.errors import InputError
from kerasnn.notebook import html_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class FitHistory(Protocol):
    """The result of `kerasnn.fit`, with the attributes of `keras.callbacks.History`.

    Attributes:
        history: "loss" and other metrics, and "val_..." if there were validation rows; one
            float for each epoch, measured during the epoch, as in Keras.
        epoch: numbers of the epochs, from 0.
        params: "epochs", "steps" of an epoch, "verbose".
    """

    history: dict[str, list[float]]
    epoch: list[int]
    params: dict[str, Any]


class History(callbacks.History):
    """A `keras.callbacks.History` (see `FitHistory`) with the time of the calls.

    Attributes:
        seconds: wall time of each call of the loop; the first may include a compilation.
        steps_per_call: number of steps of each call.
    """

    history: dict[str, list[float]]
    epoch: list[int]
    params: dict[str, Any]

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self.steps_per_call: list[int] = []

    def took(self, steps: int, seconds: float) -> None:
        """Record one call."""
        self.steps_per_call.append(steps)
        self.seconds.append(seconds)

    def plot(self, name: str = "loss") -> "Figure":
        """Draw a metric over the epochs, on training rows and on validation rows.

        Args:
            name: "loss" or another metric of `history`.

        Raises:
            InputError: the history has no such metric.
        """
        from kerasnn.reports.figures import learning_curve  # matplotlib takes a second

        names = [n for n in self.history if not n.startswith("val_")]
        if name not in names:
            raise InputError(f"name must be one of {', '.join(names)}; got {name!r}")
        return learning_curve(self.history, name, others="validation rows")

    def __repr__(self) -> str:
        """The number of epochs, and the last value of each metric."""
        last = [f", {name}={values[-1]:.4g}" for name, values in self.history.items()]
        return f"History({len(self.epoch)} epochs{''.join(last)})"

    def _repr_html_(self) -> str:
        """The first, the best and the last value of each metric."""
        rows = [
            (name, *(f"{v:.4g}" for v in (values[0], min(values), max(values), values[-1])))
            for name, values in self.history.items()
        ]
        head = ["", "first", "lowest", "highest", "last"]
        return html_table(f"History of {len(self.epoch)} epochs", head, rows)

    def microseconds_per_step(self) -> float | None:
        """Return the time of a step, without the first call; None if there is no other."""
        steps = sum(self.steps_per_call[1:])
        return sum(self.seconds[1:]) / steps * 1e6 if steps else None
