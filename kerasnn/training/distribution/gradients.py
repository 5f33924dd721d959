"""The gradients of a step on the replicas: noted instead of applied, and joined."""

import contextlib
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import tensorflow as tf

from kerasnn.errors import InputError


class GradientRecorder:
    """Stands in for an optimizer on the replicas: it notes the gradients, and no more.

    Args:
        optimizer: the real one, for whatever else the step asks of it.
        replicas: of all workers.
        keras_scales: whether the loss has been divided by the replicas already.
    """

    def __init__(self, optimizer: Any, replicas: int, *, keras_scales: bool) -> None:
        self._optimizer = optimizer
        self._scale = replicas if keras_scales else 1
        self._noted = threading.local()  # each replica of a worker is traced in a thread

    def __getattr__(self, name: str) -> Any:
        return getattr(self._optimizer, name)

    def begin(self, share: tf.Tensor) -> None:
        """Before a step on a replica, which has this share of all rows."""
        self._noted.share = share
        self._noted.pairs = None

    @property
    def pairs(self) -> list[tuple[Any, Any]]:
        """The gradients and variables of the step.

        Raises:
            InputError: it has not changed the weights exactly once.
        """
        if self._noted.pairs is None:
            raise InputError("the train_step of the model does not apply any gradients")
        return self._noted.pairs

    def scale_loss(self, loss: tf.Tensor) -> tf.Tensor:
        """This replica's part of the mean over all rows."""
        share = tf.cast(self._noted.share * self._scale, loss.dtype)
        return self._optimizer.scale_loss(loss) * share

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]]) -> None:
        """Note them."""
        if self._noted.pairs is not None:
            raise InputError(
                "on several workers a train_step can change the weights once; that of the"
                " model does so again"
            )
        self._noted.pairs = list(grads_and_vars)

    def apply(self, gradients: Iterable[Any], variables: Iterable[Any]) -> None:
        """Note them."""
        self.apply_gradients(zip(gradients, variables, strict=True))


class FlattenedGradients:
    """Gradients joined into one tensor of each type: one collective instead of many.

    Args:
        gradients: as symbols; None for a variable that the loss does not depend on.
    """

    def __init__(self, gradients: list[Any]) -> None:
        self._shapes = [tf.TensorShape(()) if g is None else g.shape for g in gradients]
        self._dtypes = [None if g is None else g.dtype for g in gradients]

    def join(self, gradients: list[Any]) -> list[tf.Tensor]:
        """One flat tensor of each type."""
        return [
            tf.concat(
                [
                    tf.reshape(tf.convert_to_tensor(g), [-1])  # sparse ones become dense
                    for g, own in zip(gradients, self._dtypes, strict=True)
                    if own == dtype
                ],
                axis=0,
            )
            for dtype in self._types
        ]

    def split(self, joined: list[tf.Tensor]) -> list[Any]:
        """The gradients."""
        parts = {}
        for dtype, flat in zip(self._types, joined, strict=True):
            shapes = [
                s for s, d in zip(self._shapes, self._dtypes, strict=True) if d == dtype
            ]
            sizes = [s.num_elements() for s in shapes]
            pieces = tf.split(flat, sizes)
            parts[dtype] = iter(
                [tf.reshape(p, s) for p, s in zip(pieces, shapes, strict=True)]
            )
        return [None if dtype is None else next(parts[dtype]) for dtype in self._dtypes]

    @property
    def _types(self) -> list[tf.DType]:
        return list(dict.fromkeys(d for d in self._dtypes if d is not None))


@contextlib.contextmanager
def optimizer_of(learner: Any, optimizer: Any) -> Iterator[None]:
    """While a step is traced it finds this optimizer; past Keras's attribute tracking."""
    attributes = learner.__dict__
    real = attributes["optimizer"]
    attributes["optimizer"] = optimizer
    try:
        yield
    finally:
        attributes["optimizer"] = real
