"""Members of ensembles, trained together by one compiled step.

A batch holds rows for each member, one member's after the other's, so that the loop, which
knows nothing of members, gathers them like any others.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.layers import raw_variables
from kerasnn.models import TabularNetwork
from kerasnn.training.loop import Logs
from kerasnn.training.member_adam import MemberAdam, flat_then_cosine

Data = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]  # x, codes, targets, weights


class MemberLearner:
    """A `TabularNetwork` in training; the loop drives it as it does a Keras model.

    Args:
        network: whose members are trained.
        cycles: waves of the learning rate.
        smoothing: of the labels.
        drops: whether there is dropout; its rate is a Variable.
    """

    def __init__(
        self, network: TabularNetwork, *, cycles: int, smoothing: float, drops: bool
    ) -> None:
        self.network = network
        self.smoothing = smoothing
        self.drops = drops
        self.optimizer = MemberAdam(network.trained, cycles)
        self._trained = raw_variables(t.variable for t in network.trained)
        members = network.members
        self.dropout = tf.Variable(0.0, trainable=False)
        self.seeds = tf.Variable(tf.zeros([members], tf.uint32), trainable=False)
        self.loss_sum = tf.Variable(tf.zeros([members]), trainable=False)
        self.weight_sum = tf.Variable(tf.zeros([members]), trainable=False)

    def begin(
        self,
        seeds: Sequence[int],
        *,
        steps: int,
        learning_rate: float,
        weight_decay: float,
        dropout: float,
    ) -> None:
        """Get ready for a training of so many steps; the network has been initialized."""
        self.optimizer.begin(
            steps=steps, learning_rate=learning_rate, weight_decay=weight_decay
        )
        self.dropout.assign(dropout)
        self.seeds.assign(np.array(seeds, np.uint32))

    def train_step(self, data: Data) -> Logs:
        """Forward, loss, gradients, update: one step of every member on its own batch.

        Args:
            data: x [members * batch, n_in], codes [members * batch, columns], targets
                [members * batch] or [members * batch, n_out], weights [members * batch].

        Returns:
            The running mean of each member's loss, [members].
        """
        x, codes, targets, weights = (self._by_member(tensor) for tensor in data)
        progress = self.optimizer.progress
        with tf.GradientTape() as tape:
            outputs = self.network.member_outputs(
                x,
                codes,
                dropout=self.dropout * flat_then_cosine(progress) if self.drops else None,
                seeds=self.seeds,
                step=self.optimizer.step,
            )
            losses = self.network.losses_of_rows(targets, outputs, self.smoothing)
            # A sum over members: each has its own gradients, as if it were alone.
            loss = tf.reduce_sum(tf.reduce_mean(weights * losses, axis=1))
        self.optimizer.apply(tape.gradient(loss, self._trained))
        return self._update_metrics(losses, weights)

    def test_step(self, data: Data) -> Logs:
        """One batch of each member taken into the metrics, nothing learned."""
        x, codes, targets, weights = (self._by_member(tensor) for tensor in data)
        outputs = self.network.member_outputs(x, codes)
        return self._update_metrics(self.network.losses_of_rows(targets, outputs), weights)

    def _update_metrics(self, losses: tf.Tensor, weights: tf.Tensor) -> Logs:
        self.loss_sum.assign_add(tf.reduce_sum(weights * losses, axis=1))
        self.weight_sum.assign_add(tf.reduce_sum(weights, axis=1))
        return self.get_metrics_result()

    def reset_metrics(self) -> None:
        """Begin the running means anew."""
        self.loss_sum.assign(tf.zeros_like(self.loss_sum))
        self.weight_sum.assign(tf.zeros_like(self.weight_sum))

    def get_metrics_result(self) -> Logs:
        """The mean loss of each member since `reset_metrics`, [members]."""
        return {"loss": self.loss_sum / tf.maximum(self.weight_sum, 1e-9)}

    def outputs_for(
        self, x: tf.Tensor, codes: tf.Tensor, rows: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        """The outputs of each member for some rows of its own, nothing learned.

        Args:
            x: of all rows.
            codes: of all rows.
            rows: [members, rows] row numbers.

        Returns:
            [members, rows, n_logits].
        """
        parts = [
            self.network.member_outputs(tf.gather(x, part), tf.gather(codes, part))
            for part in np.array_split(rows, -(-rows.shape[1] // ROWS_AT_ONCE), axis=1)
        ]
        return tf.concat(parts, axis=1).numpy()

    def _by_member(self, tensor: tf.Tensor) -> tf.Tensor:
        """[members * batch, ...] as [members, batch, ...]."""
        return tf.reshape(tensor, [self.network.members, -1, *tensor.shape[1:]])


ROWS_AT_ONCE = 4096


def member_weights(network: TabularNetwork, members: slice) -> list[NDArray[Any]]:
    """What these members have learned: a copy of their part of `network.learned`."""
    return [
        variable.numpy()[members]
        if variable.shape[:1] == [network.members]
        else variable.numpy()
        for variable in raw_variables(network.learned)
    ]
