"""The settings that a reader chooses, with their limits, and ways to break a training."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kerasnn.choices import OptimizerName
from kerasnn.errors import InputError, check_choice, check_whole_number, suggestion

DataName = Literal["iris", "digits", "csv"]
Break = Literal[
    "", "new-adam", "signed-labels", "no-scaling", "dead-relu", "leak", "high-rate"
]
PageOptimizer = Literal["sgd", "momentum", "rmsprop", "adam", "adamw"]

MAX_RATE = 1000.0
# Least and greatest value of the whole numbers.
LIMITS = {"width": (1, 256), "batch_size": (1, 4096), "seed": (0, 2**31 - 1)}

# The data on which each break can be shown.
_BREAKABLE: dict[str, tuple[DataName, ...]] = {
    "new-adam": ("digits", "iris", "csv"),
    "signed-labels": ("iris",),
    "no-scaling": ("digits", "iris", "csv"),
    "dead-relu": ("digits", "csv"),
    "leak": ("digits",),
    "high-rate": ("digits", "iris", "csv"),
}


@dataclass(frozen=True)
class LearnSettings:
    """Settings of one training.

    Attributes:
        data: the rows; "csv" for a table that the reader brings.
        learning_rate: of the optimizer.
        width: units of the hidden layer.
        batch_size: rows of a batch.
        optimizer: by name.
        seed: of the weights and of the row orders.
        broken: what is done wrong; "" for nothing.

    Raises:
        InputError: a value is not one of the choices, or out of range.
    """

    data: DataName = "digits"
    learning_rate: float = 0.002
    width: int = 30
    batch_size: int = 64
    optimizer: OptimizerName = "adam"
    seed: int = 0
    broken: Break = ""

    def __post_init__(self) -> None:
        check_choice("data", self.data, DataName)
        check_choice("optimizer", self.optimizer, PageOptimizer)
        check_choice("broken", self.broken, Break)
        for name, (minimum, maximum) in LIMITS.items():
            value = check_whole_number(name, getattr(self, name), minimum=minimum)
            if value > maximum:
                raise InputError(f"{name} must be at most {maximum}; got {value}")
        rate = self.learning_rate
        if isinstance(rate, bool) or not isinstance(rate, int | float):
            raise InputError(f"learning_rate must be a number; got {rate!r}")
        if not (math.isfinite(rate) and 0 < rate <= MAX_RATE):
            raise InputError(
                f"learning_rate must be above 0 and at most {MAX_RATE:g}; got {rate!r}"
            )
        if self.broken and self.data not in _BREAKABLE[self.broken]:
            possible = " or ".join(_BREAKABLE[self.broken])
            raise InputError(f"broken={self.broken!r} needs data {possible}")
        if self.broken == "new-adam" and self.optimizer != "adam":
            raise InputError(f"broken='new-adam' needs adam; got {self.optimizer!r}")

    @property
    def machine(self) -> tuple[Any, ...]:
        """The settings that decide the graph of the step; the others are values in it."""
        forgets = self.broken == "new-adam"
        return self.data, self.width, self.batch_size, self.optimizer, forgets


DEFAULTS = {
    "digits": LearnSettings(),
    "iris": LearnSettings("iris", 0.5, 8, 10, "sgd"),
    "csv": LearnSettings("csv", 0.01, 30, 32),
}
BREAK_EPOCHS = 30  # after which the page explains a break
# Settings under which each break shows; without it they train well.
BREAKS = {
    "new-adam": LearnSettings(learning_rate=0.02, broken="new-adam"),
    "signed-labels": LearnSettings("iris", 0.5, 8, 10, "sgd", broken="signed-labels"),
    "no-scaling": LearnSettings(learning_rate=0.1, optimizer="sgd", broken="no-scaling"),
    "dead-relu": LearnSettings(broken="dead-relu"),
    "leak": LearnSettings(broken="leak"),
    "high-rate": LearnSettings(learning_rate=1.0, broken="high-rate"),
}


def learn_settings(given: Mapping[str, Any]) -> LearnSettings:
    """Return the settings of a JSON object; what is not given has its default.

    Raises:
        InputError: a name is unknown, or a value cannot be used.
    """
    names = [field.name for field in dataclasses.fields(LearnSettings)]
    for name in given:
        if name not in names:
            raise InputError(f"there is no setting {name!r}{suggestion(name, names)}")
    data = check_choice("data", given.get("data", "digits"), DataName)
    return dataclasses.replace(DEFAULTS[data], **given)
