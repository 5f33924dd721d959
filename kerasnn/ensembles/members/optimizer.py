"""Adam for networks side by side, with a schedule that depends on the training's progress.

The formulas are pure; `MemberAdam` holds the slots. It is not a Keras optimizer: here each
Variable has its own rate and decay, and the state of the schedule is in Variables, so that
one compiled loop serves fits of any length.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from kerasnn.models.tabular import Trained

BETA_1, BETA_2, EPSILON = 0.9, 0.95, 1e-8


class Update(NamedTuple):
    """The new values of a Variable and its slots."""

    value: tf.Tensor
    mean: tf.Tensor
    square: tf.Tensor


def adam_update(
    value: tf.Tensor,
    gradient: tf.Tensor,
    mean: tf.Tensor,
    square: tf.Tensor,
    *,
    step: tf.Tensor,
    learning_rate: tf.Tensor,
    decay: tf.Tensor | float,
) -> Update:
    """Return the result of one step of Adam with decoupled weight decay.

    Args:
        value: of the Variable.
        gradient: of the loss with respect to the Variable.
        mean: running mean of the gradients.
        square: running mean of their squares.
        step: number of the step, from 1, float32.
        learning_rate: of this step.
        decay: share of the value that is subtracted.

    Source: Kingma and Ba, Adam (2015), algorithm 1; Loshchilov and Hutter, Decoupled
    Weight Decay Regularization (2019).
    """
    mean = BETA_1 * mean + (1 - BETA_1) * gradient
    square = BETA_2 * square + (1 - BETA_2) * tf.square(gradient)
    unbiased_mean = mean / (1 - tf.pow(BETA_1, step))
    unbiased_square = square / (1 - tf.pow(BETA_2, step))
    change = learning_rate * unbiased_mean / (tf.sqrt(unbiased_square) + EPSILON)
    return Update(value * (1 - decay) - change, mean, square)


def cyclic_rate(progress: tf.Tensor, cycles: int) -> tf.Tensor:
    """Return the learning rate's factor: waves from 0 to 1 and back, each twice as long.

    Args:
        progress: of the training, 0 to 1.
        cycles: number of waves.

    Source: Holzmueller et al., Better by Default (2024), "coslog4" for four waves.
    """
    # log2 times 2 pi, as one constant: a graph would fold two, and round differently.
    waves = tf.math.log1p((2**cycles - 1) * progress)
    return 0.5 * (1 - tf.cos(waves * (2 * math.pi / math.log(2))))


def flat_then_cosine(progress: tf.Tensor) -> tf.Tensor:
    """Return 1 in the first half of training, then a cosine down to 0."""
    late = tf.maximum(progress, 0.5)
    return 0.5 * (1 + tf.cos(math.pi * (2 * late - 1)))


class MemberAdam(tf.Module):
    """Adam's slots, and the Variables of its schedule.

    Args:
        trained: the Variables to train.
        cycles: waves of the learning rate.
    """

    def __init__(self, trained: Sequence[Trained], cycles: int) -> None:
        super().__init__()
        self.trained = trained
        self.cycles = cycles
        self.means = [_zeros_like(t.variable) for t in trained]
        self.squares = [_zeros_like(t.variable) for t in trained]
        self.step = tf.Variable(0, dtype=tf.int32, trainable=False)
        self.progress = _number(0.0)
        self.progress_per_step = _number(0.0)
        self.learning_rate = _number(0.0)
        self.weight_decay = _number(0.0)

    def begin(self, *, steps: int, learning_rate: float, weight_decay: float) -> None:
        """Reset everything for a training of this number of steps."""
        for slot in (*self.means, *self.squares):
            slot.assign(tf.zeros_like(slot))
        self.step.assign(0)
        self.progress.assign(0.0)
        self.progress_per_step.assign(1 / steps)
        self.learning_rate.assign(learning_rate)
        self.weight_decay.assign(weight_decay)

    def remaining_steps(self, steps: int) -> None:
        """Shorten the schedule to this number of further steps."""
        self.progress_per_step.assign((1 - float(self.progress)) / max(steps, 1))

    def apply(self, gradients: Sequence[tf.Tensor]) -> None:
        """Update each Variable by its gradient."""
        learning_rate = self.learning_rate * cyclic_rate(self.progress, self.cycles)
        decay = learning_rate * self.weight_decay * flat_then_cosine(self.progress)
        self.step.assign_add(1)
        step = tf.cast(self.step, tf.float32)
        for trained, gradient, mean, square in zip(
            self.trained, gradients, self.means, self.squares, strict=True
        ):
            variable = trained.variable
            update = adam_update(
                tf.convert_to_tensor(variable),
                tf.convert_to_tensor(gradient),  # an embedding's is sparse
                mean,
                square,
                step=step,
                learning_rate=learning_rate * trained.rate,
                # The factor counts twice, as in RealMLP's code, where it was tuned.
                decay=decay * trained.rate**2 if trained.decays else 0.0,
            )
            variable.assign(update.value)
            mean.assign(update.mean)
            square.assign(update.square)
        self.progress.assign(tf.minimum(self.progress + self.progress_per_step, 1.0))


def _zeros_like(variable: tf.Variable) -> tf.Variable:
    return tf.Variable(tf.zeros(variable.shape, tf.float32), trainable=False)


def _number(value: float) -> tf.Variable:
    return tf.Variable(value, dtype=tf.float32, trainable=False)
