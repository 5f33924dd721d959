"""Gradients on the replicas: recorded instead of applied, and joined for one collective."""

import contextlib
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import tensorflow as tf

from kerasnn.errors import InputError


class GradientRecorder:
    """An optimizer for the replicas that only records the gradients.

    Args:
        optimizer: the real one; it has all other attributes.
        replicas: number of replicas of all workers.
        keras_scales: whether Keras has divided the loss by the number of replicas.
    """

    def __init__(self, optimizer: Any, replicas: int, *, keras_scales: bool) -> None:
        self._optimizer = optimizer
        self._scale = replicas if keras_scales else 1
        self._recorded = threading.local()  # each replica is traced in its own thread

    def __getattr__(self, name: str) -> Any:
        return getattr(self._optimizer, name)

    def begin(self, share: tf.Tensor) -> None:
        """Start a step on a replica; `share` is its fraction of all rows."""
        self._recorded.share = share
        self._recorded.pairs = None

    @property
    def pairs(self) -> list[tuple[Any, Any]]:
        """Gradients and variables of the step.

        Raises:
            InputError: the step has applied no gradients.
        """
        if self._recorded.pairs is None:
            raise InputError("the train_step of the model does not apply any gradients")
        return self._recorded.pairs

    def scale_loss(self, loss: tf.Tensor) -> tf.Tensor:
        """Return this replica's contribution to the mean over all rows."""
        share = tf.cast(self._recorded.share * self._scale, loss.dtype)
        return self._optimizer.scale_loss(loss) * share

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]]) -> None:
        """Record the gradients.

        Raises:
            InputError: the step has applied gradients before.
        """
        if self._recorded.pairs is not None:
            raise InputError(
                "on several workers a train_step may apply gradients only once; the"
                " model's does so again"
            )
        self._recorded.pairs = list(grads_and_vars)

    def apply(self, gradients: Iterable[Any], variables: Iterable[Any]) -> None:
        """Record the gradients."""
        self.apply_gradients(zip(gradients, variables, strict=True))


class FlattenedGradients:
    """Joins gradients into one tensor of each type, so that one collective sums them.

    Args:
        gradients: symbolic; None for a variable that the loss does not depend on.
    """

    def __init__(self, gradients: list[Any]) -> None:
        self._shapes = [tf.TensorShape(()) if g is None else g.shape for g in gradients]
        self._groups: dict[tf.DType, list[int]] = {}  # numbers of the gradients of a type
        for i, gradient in enumerate(gradients):
            if gradient is not None:
                self._groups.setdefault(gradient.dtype, []).append(i)

    def join(self, gradients: list[Any]) -> list[tf.Tensor]:
        """Return one flat tensor of each type."""
        flat = [  # sparse gradients become dense
            None if g is None else tf.reshape(tf.convert_to_tensor(g), [-1])
            for g in gradients
        ]
        return [tf.concat([flat[i] for i in group], 0) for group in self._groups.values()]

    def split(self, joined: list[tf.Tensor]) -> list[Any]:
        """Return the gradients."""
        gradients: list[Any] = [None] * len(self._shapes)
        for flat, group in zip(joined, self._groups.values(), strict=True):
            sizes = [self._shapes[i].num_elements() for i in group]
            for i, part in zip(group, tf.split(flat, sizes), strict=True):
                gradients[i] = tf.reshape(part, self._shapes[i])
        return gradients


@contextlib.contextmanager
def optimizer_of(learner: Any, optimizer: Any) -> Iterator[None]:
    """Context manager: the learner has this optimizer; Keras does not track the change."""
    attributes = learner.__dict__
    real = attributes["optimizer"]
    attributes["optimizer"] = optimizer
    try:
        yield
    finally:
        attributes["optimizer"] = real
