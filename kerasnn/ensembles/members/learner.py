"""Members of ensembles, trained together by one compiled step.

A batch holds rows for each member, those of the first member first. The loop does not know
about members: it gathers their rows like any others.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.ensembles.members.optimizer import MemberAdam, flat_then_cosine
from kerasnn.ensembles.members.sharding import row_sharding
from kerasnn.ensembles.recipe import Recipe
from kerasnn.layers import raw_variables
from kerasnn.models import TabularNetwork, member_losses
from kerasnn.training.compiled.loop import Logs
from kerasnn.training.distribution.workers import ALONE, SingleProcess

MAX_OUTPUT_ROWS = 4096  # rows of a member in one call of the network

MemberBatch = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]  # x, codes, y, weights


class MemberLearner:
    """A `TabularNetwork` in training; the loop drives it as it drives a Keras model.

    Args:
        network: its members are trained.
        cycles: waves of the learning rate.
        label_smoothing: share of a label that is spread over all classes.
        has_dropout: whether there is dropout; its rate is a Variable.
        workers: train together. All must be given the same batches in the same order,
            under driver "graph"; `train_step` takes this worker's rows of them, and changes
            the weights as a single process would.
        local_batches: whether each worker is given its own slice of every batch instead.

    Attributes:
        traces_each_size: True, because a graph for any size rounds differently, and a
            network must not depend on what the process has trained before.
        metrics_variables: empty, because `variables` has them.
        trace_kind: equal for learners whose steps have the same trace; None with workers.
    """

    traces_each_size = True
    metrics_variables = ()

    def __init__(
        self,
        network: TabularNetwork,
        *,
        cycles: int,
        label_smoothing: float,
        has_dropout: bool,
        workers: SingleProcess = ALONE,
        local_batches: bool = False,
    ) -> None:
        self.network = network
        self.label_smoothing = label_smoothing
        self.has_dropout = has_dropout
        self.rows = row_sharding(workers)
        self.batches = row_sharding(workers, local_batches=local_batches)
        kind = (network.config, cycles, label_smoothing, has_dropout, type(self.batches))
        self.trace_kind = kind if self.batches.shares_traces else None
        self.optimizer = MemberAdam(network.trained, cycles)
        self._trained = raw_variables(t.variable for t in network.trained)
        members = network.config.members
        self.dropout = tf.Variable(0.0, trainable=False)
        self.seeds = tf.Variable(tf.zeros([members], tf.uint32), trainable=False)
        self.loss_sum = tf.Variable(tf.zeros([members]), trainable=False)
        self.weight_sum = tf.Variable(tf.zeros([members]), trainable=False)

    @property
    def variables(self) -> list[tf.Variable]:
        """Variables that the steps use, in the order of checkpoints."""
        return [
            *raw_variables(self.network.in_training),
            *self.optimizer.variables,
            *(self.dropout, self.seeds, self.loss_sum, self.weight_sum),
        ]

    def begin(self, recipe: Recipe, seeds: Sequence[int], *, steps: int) -> None:
        """Prepare for a training; the network has been initialized.

        Args:
            recipe: its learning rate, weight decay and dropout apply.
            seeds: seed of each member's dropout.
            steps: of the training.
        """
        self.optimizer.begin(
            steps=steps,
            learning_rate=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
        )
        self.dropout.assign(recipe.dropout)
        self.seeds.assign(np.array(seeds, np.uint32))

    def train_step(self, data: MemberBatch) -> Logs:
        """Train every member on its batch: forward, loss, gradients, update.

        Args:
            data: x [members * batch, n_in], codes [members * batch, columns], targets
                [members * batch] or [members * batch, n_out], weights [members * batch].

        Returns:
            The running mean of each member's loss, [members].
        """
        batch = [self._by_member(tensor) for tensor in data]
        x, codes, targets, weights = map(self.batches.local, batch)
        progress = self.optimizer.progress
        dropout = self.dropout * flat_then_cosine(progress) if self.has_dropout else None
        with tf.GradientTape() as tape:
            outputs = self.network.member_outputs(
                x,
                codes,
                dropout=dropout,
                seeds=self.seeds,
                step=self.optimizer.step,
                first_row=self.batches.first_row(batch[0]),
            )
            losses = member_losses(
                self.network.config.task, targets, outputs, self.label_smoothing
            )
            # The sum over members: each gets the gradients it would have alone.
            loss = tf.reduce_sum(self.batches.mean(weights * losses, batch[0]))
        parts = [*tape.gradient(loss, self._trained), *_weighted_sums(losses, weights)]
        like = [*self._trained, self.loss_sum, self.weight_sum]
        *gradients, loss_sums, weight_sums = self.batches.all_reduce_sum(parts, like)
        self.optimizer.apply(gradients)
        return self._update_metrics(loss_sums, weight_sums)

    def test_step(self, data: MemberBatch) -> Logs:
        """Add one batch of each member to the metrics; every worker takes all rows."""
        x, codes, targets, weights = (self._by_member(tensor) for tensor in data)
        outputs = self.network.member_outputs(x, codes)
        losses = member_losses(self.network.config.task, targets, outputs)
        return self._update_metrics(*_weighted_sums(losses, weights))

    def _update_metrics(self, loss_sums: tf.Tensor, weight_sums: tf.Tensor) -> Logs:
        self.loss_sum.assign_add(loss_sums)
        self.weight_sum.assign_add(weight_sums)
        return self.get_metrics_result()

    def reset_metrics(self) -> None:
        """Reset the running means."""
        self.loss_sum.assign(tf.zeros_like(self.loss_sum))
        self.weight_sum.assign(tf.zeros_like(self.weight_sum))

    def get_metrics_result(self) -> Logs:
        """Return the mean loss of each member since `reset_metrics`, [members]."""
        return {"loss": self.loss_sum / tf.maximum(self.weight_sum, 1e-9)}

    def outputs_for(
        self, x: tf.Tensor, codes: tf.Tensor, rows: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        """Return the outputs of each member for its own choice of rows.

        Each of several workers computes its part; all of them get all outputs.

        Args:
            x: of all rows.
            codes: of all rows.
            rows: [members, rows] row numbers.

        Returns:
            [members, rows, n_logits].
        """
        local = self.rows.local(rows)
        n_parts = -(-local.shape[1] // MAX_OUTPUT_ROWS) or 1
        parts = [
            self.network.member_outputs(tf.gather(x, part), tf.gather(codes, part))
            for part in np.array_split(local, n_parts, axis=1)
        ]
        return self.rows.all_gather(tf.concat(parts, axis=1).numpy(), rows)

    def _by_member(self, tensor: tf.Tensor) -> tf.Tensor:
        """Return [members * batch, ...] as [members, batch, ...]."""
        return tf.reshape(tensor, [self.network.config.members, -1, *tensor.shape[1:]])


def _weighted_sums(losses: tf.Tensor, weights: tf.Tensor) -> list[tf.Tensor]:
    """Return each member's sum of weighted losses, and of weights."""
    return [tf.reduce_sum(weights * losses, axis=1), tf.reduce_sum(weights, axis=1)]


def member_weights(network: TabularNetwork, members: slice) -> list[NDArray[Any]]:
    """Return a copy of these members' part of `network.learned`."""
    return [variable.numpy()[members] for variable in raw_variables(network.learned)]
