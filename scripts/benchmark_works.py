"""What the benchmark trains: a network of dense layers, its rows, and how often.

A `Work` says everything that the peers must have in common, and needs no library that
trains networks: a peer's process loads only what that peer needs.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from kerasnn import datasets

Array = NDArray[Any]

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # of Adam, as Keras has them
NORM_MOMENTUM, NORM_EPSILON = 0.99, 1e-3  # of BatchNormalization, as Keras has them


@dataclass(frozen=True)
class Work:
    """Rows, and a network: dense, ReLU [, BatchNormalization] [, Dropout], ..., dense.

    Attributes:
        x_train: [rows, n_in] float32.
        y_train: [rows] int32 labels; or [rows, n_out] float32 values, for a regression.
        x_test: the same, not trained on.
        y_test: the same, not trained on.
        sizes: units of the layers, inputs first.
        batch_size: rows of a batch; the last one of an epoch may be short.
        learning_rate: of Adam.
        epochs: of a timed run: so many that what a call costs once is not felt, so few
            that the slowest peers take only some seconds.
        score_epochs: of the training for the score.
        task: what the outputs are: logits of a softmax, or values.
        batch_norm: after the ReLU of each hidden layer.
        dropout: rate, after that.
        accuracy: is told of each epoch, beside the loss.
        validate: on the test rows, after each epoch.
    """

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    sizes: tuple[int, ...]
    batch_size: int
    epochs: int
    score_epochs: int
    learning_rate: float = 0.001
    task: Literal["classification", "regression"] = "classification"
    batch_norm: bool = False
    dropout: float = 0.0
    accuracy: bool = False
    validate: bool = False

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return math.ceil(len(self.x_train) / self.batch_size)

    def weights(self, seed: int) -> list[tuple[Array, Array]]:
        """Kernel [n_in, n_out], Glorot uniform, and bias [n_out], zero, of each layer."""
        rng = np.random.default_rng(seed)
        return [
            (
                rng.uniform(-1, 1, (n_in, n_out)).astype(np.float32)
                * np.float32(math.sqrt(6 / (n_in + n_out))),
                np.zeros(n_out, np.float32),
            )
            for n_in, n_out in pairwise(self.sizes)
        ]

    @property
    def score_name(self) -> str:
        """What `score` is."""
        return "accuracy" if self.task == "classification" else "R2"

    def score(self, outputs: Array) -> float:
        """Accuracy, or R2, of the outputs [rows, n_out] for the test rows."""
        if self.task == "classification":
            return float((outputs.argmax(axis=1) == self.y_test).mean())
        residual = ((outputs - self.y_test) ** 2).mean()
        return float(1 - residual / self.y_test.var())


def digits() -> Work:
    """The lesson's network on the digits: 1437 rows to train on, 360 to test on."""
    train, test = datasets.digits()
    return Work(
        *(*train, *test),
        sizes=(64, 30, 10),
        batch_size=64,
        learning_rate=0.002,
        epochs=100,
        score_epochs=30,
    )


@dataclass(frozen=True)
class CrossValidation(Work):
    """The same network trained on all rows but one fold, for each of the folds.

    Attributes:
        folds: in the order of the rows, with like classes in each.
    """

    folds: int = 10

    @property
    def steps(self) -> int:
        """Steps of an epoch, those of all folds."""
        rows = len(self.x_train) * (self.folds - 1) // self.folds
        return self.folds * math.ceil(rows / self.batch_size)

    def score(self, outputs: Array) -> float:
        """The mean of the accuracies [folds], each on the rows of its fold."""
        return float(outputs.mean())


def cv() -> CrossValidation:
    """Ten-fold cross-validation on all 1797 digits, which stand in their own order.

    Those who write together follow one another: rows of a fold are strangers to the others.
    """
    digits = load_digits()
    x, y = (digits.data / 16).astype(np.float32), digits.target.astype(np.int32)
    return CrossValidation(
        *(x, y, x[:0], y[:0]),
        sizes=(64, 30, 10),
        batch_size=64,
        epochs=200,
        score_epochs=200,
    )


def fit_small() -> Work:
    """A small regression: steps so short that a framework's own time decides."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(22_000, 8)).astype(np.float32)
    waves, slopes = np.sin(2 * x[:, :4]).sum(axis=1), x[:, 4:6].prod(axis=1) + x[:, 6]
    y = (waves + slopes + 0.1 * rng.normal(size=len(x))).astype(np.float32)[:, None]
    return Work(
        *(x[:20_000], y[:20_000], x[20_000:], y[20_000:]),
        sizes=(8, 64, 64, 1),
        batch_size=32,
        task="regression",
        epochs=10,
        score_epochs=10,
    )


def fit_norm() -> Work:
    """The digits with all that a small Keras model has: states, masks, validation."""
    train, test = datasets.digits()
    return Work(
        *(*train, *test),
        sizes=(64, 128, 128, 10),
        batch_size=32,
        batch_norm=True,
        dropout=0.2,
        accuracy=True,
        validate=True,
        epochs=30,
        score_epochs=30,
    )


def fit_middle() -> Work:
    """A middling classification, made up in the shape of forest covertypes.

    Ten measurements and 44 yes-or-noes; the classes are a random network's, with noise.
    The arithmetic of a step takes longer than all that a framework adds to it.
    """
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(110_000, 10))
    answers = rng.random((110_000, 44)) < 0.2
    x = np.concatenate([numbers, answers], axis=1).astype(np.float32)
    hidden = np.maximum(x @ rng.normal(size=(54, 20)).astype(np.float32), 0)
    scores = hidden @ rng.normal(size=(20, 7)) + rng.gumbel(size=(len(x), 7))
    y = scores.argmax(axis=1).astype(np.int32)
    return Work(
        *(x[:100_000], y[:100_000], x[100_000:], y[100_000:]),
        sizes=(54, 256, 256, 256, 7),
        batch_size=256,
        epochs=3,
        score_epochs=3,
    )


WORKS: dict[str, Callable[[], Work]] = {
    "digits": digits,
    "cv": cv,
    "fit-small": fit_small,
    "fit-norm": fit_norm,
    "fit-middle": fit_middle,
}
