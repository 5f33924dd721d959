"""The lessons: their rows, networks and settings."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasnn import datasets
from kerasnn.choices import Batching, Driver, Initializer, LessonName, OptimizerName
from kerasnn.models import DigitsNetwork, SigmoidNetwork


class LessonRows(NamedTuple):
    """Raw rows of training and test."""

    x_train: np.ndarray  # [rows, n_in]
    y_train: np.ndarray  # [rows] labels or [rows, n_out]
    x_test: np.ndarray
    y_test: np.ndarray


@dataclass(frozen=True)
class LessonSettings:
    """Settings of the network and its training."""

    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: OptimizerName
    hidden_units: tuple[int, ...]
    batching: Batching
    initializer: Initializer
    driver: Driver = "xla"
    seed: int = 0

    def used(self) -> dict[str, Any]:
        """Return the settings that have an effect: a full batch has no batch size."""
        used = asdict(self)
        if self.batching == "full":
            del used["batch_size"]
        return used


@dataclass(frozen=True)
class Lesson:
    """A lesson.

    Attributes:
        name: on the command line.
        columns: names of the inputs.
        load: loads the rows.
        held_out: whether the test rows are other rows than those of the training.
        network: class of the network.
        scale: factor of the raw inputs, in training and in the SavedModel.
        settings: the defaults.
    """

    name: LessonName
    columns: tuple[str, ...]
    load: Callable[[], LessonRows]
    held_out: bool
    network: type[SigmoidNetwork | DigitsNetwork]
    scale: float
    settings: LessonSettings

    @property
    def preprocessing(self) -> keras.layers.Layer | None:
        """The layer from raw rows to the inputs of the network."""
        return None if self.scale == 1.0 else keras.layers.Rescaling(self.scale)

    def prepared(self, rows: LessonRows) -> LessonRows:
        """Return the inputs of the network, by the layer that the SavedModel has."""
        layer = self.preprocessing
        if layer is None:
            return rows
        return rows._replace(
            x_train=layer(rows.x_train).numpy(), x_test=layer(rows.x_test).numpy()
        )


def _iris_rows() -> LessonRows:
    x, y = datasets.iris_perceptron()
    return LessonRows(x, y, x, y)


def _digits_rows() -> LessonRows:
    (x_train, y_train), (x_test, y_test) = datasets.digits(scaled=False)
    return LessonRows(x_train, y_train, x_test, y_test)


LESSONS: dict[str, Lesson] = {
    "iris": Lesson(
        name="iris",
        columns=datasets.IRIS_COLUMNS,
        load=_iris_rows,
        held_out=False,
        network=SigmoidNetwork,
        scale=1.0,
        settings=LessonSettings(
            epochs=200,
            batch_size=150,
            learning_rate=0.1,
            optimizer="sgd",
            hidden_units=(3,),
            batching="full",
            initializer="ones",
        ),
    ),
    "digits": Lesson(
        name="digits",
        columns=datasets.DIGITS_COLUMNS,
        load=_digits_rows,
        held_out=True,
        network=DigitsNetwork,
        scale=1 / 16,  # pixels 0..16 to 0..1
        settings=LessonSettings(
            epochs=100,
            batch_size=64,
            learning_rate=0.002,
            optimizer="adam",
            hidden_units=(30,),
            batching="shuffled",
            initializer="glorot",
        ),
    ),
}
