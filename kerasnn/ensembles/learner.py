"""Members of ensembles, trained together by one compiled step.

A batch holds rows for each member, one member's after the other's, so that the loop, which
knows nothing of members, gathers them like any others.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.ensembles.optimizer import MemberAdam, flat_then_cosine
from kerasnn.ensembles.sharding import rows_of
from kerasnn.layers import raw_variables
from kerasnn.models import TabularNetwork
from kerasnn.training.compiled.loop import Logs
from kerasnn.training.distribution.workers import WorkerGroup

Data = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]  # x, codes, targets, weights


class MemberLearner:
    """A `TabularNetwork` in training; the loop drives it as it does a Keras model.

    Args:
        network: whose members are trained.
        cycles: waves of the learning rate.
        smoothing: of the labels.
        drops: whether there is dropout; its rate is a Variable.
        workers: workers that train it together. Each of them must be given the same batches
            in the same order, by whatever loop, under driver "graph"; `train_step` takes
            its worker's rows of them, and changes the weights as one process would.
        own_batches: each is given its own part of every batch instead, of equal size.
    """

    def __init__(
        self,
        network: TabularNetwork,
        *,
        cycles: int,
        smoothing: float,
        drops: bool,
        workers: WorkerGroup | None = None,
        own_batches: bool = False,
    ) -> None:
        self.network = network
        self.smoothing = smoothing
        self.drops = drops
        self.rows = rows_of(workers)
        self.batches = rows_of(workers, own_batches=own_batches)
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
        batch = [self._by_member(tensor) for tensor in data]
        x, codes, targets, weights = map(self.batches.of, batch)
        progress = self.optimizer.progress
        with tf.GradientTape() as tape:
            outputs = self.network.member_outputs(
                x,
                codes,
                dropout=self.dropout * flat_then_cosine(progress) if self.drops else None,
                seeds=self.seeds,
                step=self.optimizer.step,
                first_row=self.batches.first(batch[0]),
            )
            losses = self.network.losses_of_rows(targets, outputs, self.smoothing)
            # A sum over members: each has its own gradients, as if it were alone.
            loss = tf.reduce_sum(self.batches.mean(weights * losses, batch[0]))
        found = [*tape.gradient(loss, self._trained), *_sums(losses, weights)]
        metrics = (self.loss_sum, self.weight_sum)
        *gradients, loss_sums, weight_sums = self.batches.joined(
            found, [*self._trained, *metrics]
        )
        self.optimizer.apply(gradients)
        return self._update_metrics(loss_sums, weight_sums)

    def test_step(self, data: Data) -> Logs:
        """One batch of each member taken into the metrics, nothing learned.

        On several workers each takes all rows.
        """
        x, codes, targets, weights = (self._by_member(tensor) for tensor in data)
        outputs = self.network.member_outputs(x, codes)
        losses = self.network.losses_of_rows(targets, outputs)
        return self._update_metrics(*_sums(losses, weights))

    def _update_metrics(self, loss_sums: tf.Tensor, weight_sums: tf.Tensor) -> Logs:
        self.loss_sum.assign_add(loss_sums)
        self.weight_sum.assign_add(weight_sums)
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

        On several workers each computes its part of the rows, and has those of all.

        Args:
            x: of all rows.
            codes: of all rows.
            rows: [members, rows] row numbers.

        Returns:
            [members, rows, n_logits].
        """
        own = self.rows.of(rows)
        parts = [
            self.network.member_outputs(tf.gather(x, part), tf.gather(codes, part))
            for part in np.array_split(own, -(-own.shape[1] // ROWS_AT_ONCE) or 1, axis=1)
        ]
        return self.rows.gathered(tf.concat(parts, axis=1).numpy(), rows)

    def _by_member(self, tensor: tf.Tensor) -> tf.Tensor:
        """[members * batch, ...] as [members, batch, ...]."""
        return tf.reshape(tensor, [self.network.members, -1, *tensor.shape[1:]])


ROWS_AT_ONCE = 4096


def _sums(losses: tf.Tensor, weights: tf.Tensor) -> list[tf.Tensor]:
    """What the metrics take of a batch: of each member, of the losses and the weights."""
    return [tf.reduce_sum(weights * losses, axis=1), tf.reduce_sum(weights, axis=1)]


def member_weights(network: TabularNetwork, members: slice) -> list[NDArray[Any]]:
    """What these members have learned: a copy of their part of `network.learned`."""
    return [
        variable.numpy()[members]
        if variable.shape[:1] == [network.members]
        else variable.numpy()
        for variable in raw_variables(network.learned)
    ]
