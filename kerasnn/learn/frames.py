"""The picture of a training at one moment, as plain JSON values."""

import base64
import math
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from kerasnn.datasets.digits import PIXEL_MAXIMUM
from kerasnn.learn.session import LearnSession
from kerasnn.models import SigmoidNetwork

MAX_WATCHED_ROWS = 2000  # training rows for gradients and dead units
MAX_WRONG = 12
PLANE_SIDE = 48  # points of a plane on each side
_MARGIN = 0.12  # of a plane around its rows, as a share of their range


class Frames:
    """Measurements of a session between two steps.

    Args:
        session: is only read.

    Attributes:
        drawn: the row whose units are shown, [n_in]; None for none.
    """

    def __init__(self, session: LearnSession) -> None:
        self.session = session
        self._measure = tf.function(self._measured, autograph=False)
        self.restart()

    def restart(self) -> None:
        """Start over with a session that has started over."""
        rows = self.session.rows
        self.drawn: NDArray[np.float32] | None = None
        self.plane = _Plane(self.session) if _has_plane(self.session) else None
        arrays = {
            "x": rows.x_train[:MAX_WATCHED_ROWS],
            "y": rows.y_train[:MAX_WATCHED_ROWS],
            "x_test": rows.x_test,
            "y_test": rows.y_test,
        }
        if self.plane:
            arrays["plane"] = self.plane.grid
        if self.session.settings.broken == "leak":
            arrays["later"] = rows.x_test * (np.arange(rows.n_in) > 0).astype(np.float32)
        self._inputs = {name: tf.constant(array) for name, array in arrays.items()}

    def facts(self) -> dict[str, Any]:
        """Return what stays the same during the training."""
        session, rows = self.session, self.session.rows
        facts: dict[str, Any] = {
            "settings": vars(session.settings),
            "task": "two-sides" if _is_sigmoid(session) else rows.task,
            "rows": [len(rows.x_train), len(rows.x_test)],
            "steps": session.steps,
            "sizes": [rows.n_in, session.settings.width, rows.n_out],
            "inputs": rows.inputs,
            "classes": rows.classes,
            "notices": rows.notices,
            "view": "plane" if self.plane else "weights",
        }
        if self.plane:
            facts["points"] = self.plane.points()
        if session.settings.data == "digits":
            pixels = rows.x_test * (1 if _is_raw(session) else PIXEL_MAXIMUM)
            facts |= {"view": "digits", "images": packed(pixels)}
            facts["labels"] = rows.y_test.tolist()
        return facts

    def frame(self) -> dict[str, Any]:
        """Return what changes."""
        session, rows = self.session, self.session.rows
        n_in = rows.n_in
        drawn = np.zeros(n_in, np.float32) if self.drawn is None else self.drawn
        inputs = self._inputs | {"drawn": tf.constant(drawn[np.newaxis])}
        seen = {k: v.numpy() for k, v in self._measure(inputs).items()}
        hidden, output = session.network.layers
        frame: dict[str, Any] = {
            "epoch": session.epoch,
            "done": session.done,
            "state": session.state,
            "loss": _number(seen["loss"]),
            "score": self._score(seen["outputs"]),
            "trained": _number(session.history[-1]["loss"]) if session.history else None,
            "layers": [
                {"weights": _number(w), "gradient": _number(g)}
                for w, g in zip(seen["weights"], seen["gradients"], strict=True)
            ],
            "dead": None if _is_sigmoid(session) else np.flatnonzero(seen["dead"]).tolist(),
            "kernels": [packed(hidden.kernel.numpy().T), packed(output.kernel.numpy().T)],
        }
        if self.plane:
            frame["plane"] = packed(self.plane.sides(seen["plane"]))
        if rows.task == "classification":
            frame |= self._wrong(seen["outputs"].argmax(axis=1))
        if session.settings.broken == "leak":
            frame["later"] = self._score(seen["later"])
        if self.drawn is not None:
            frame["units"] = packed(seen["units"])
            frame["answer"] = [_number(p) for p in seen["answer"]]
        return frame

    def _measured(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Return tensors of the network as it is: loss, outputs, gradients, units."""
        network = self.session.network
        activation = type(network).activation
        kernels = [layer.kernel for layer in network.layers]
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(network.head.loss(inputs["y"], network(inputs["x"])))
        gradients = tape.gradient(loss, kernels)
        outputs = network(inputs["x_test"])
        answer = network(inputs["drawn"])
        losses = network.head.loss(inputs["y_test"], outputs)
        hidden = activation(network.layers[0](inputs["x"]))
        return {
            "loss": tf.reduce_mean(losses),
            "outputs": outputs,
            "weights": tf.stack([_size(kernel) for kernel in kernels]),
            "gradients": tf.stack([_size(gradient) for gradient in gradients]),
            "dead": tf.reduce_max(hidden, axis=0) <= 0,
            "units": activation(network.layers[0](inputs["drawn"]))[0],
            "answer": network.head.answers(answer).get("probabilities", answer)[0],
            **{k: network(inputs[k]) for k in ("plane", "later") if k in inputs},
        }

    def _score(self, outputs: NDArray[np.float32]) -> float | None:
        """Return the accuracy on test rows, or R squared for a target of numbers."""
        session, y = self.session, self.session.rows.y_test
        if session.rows.task == "classification":
            return _number((outputs.argmax(axis=1) == y).mean())
        if _is_sigmoid(session):
            middle = 0.0 if session.has_signed_labels else 0.5
            return _number(((outputs > middle) == (y > middle)).mean())
        with np.errstate(over="ignore", invalid="ignore"):  # on its way to divergence
            ratio = np.mean(np.square(outputs - y)) / (np.var(y) or 1.0)
        return _number(1 - ratio)

    def _wrong(self, predicted: NDArray[np.int64]) -> dict[str, Any]:
        rows = np.flatnonzero(predicted != self.session.rows.y_test)
        shown = [[int(row), int(predicted[row])] for row in rows[:MAX_WRONG]]
        return {"n_wrong": len(rows), "wrong": shown}


class _Plane:
    """The plane of two inputs: its points, and on which side of the boundary they are."""

    def __init__(self, session: LearnSession) -> None:
        self._session = session
        x = session.rows.x_train.astype(np.float64)
        low, high = x.min(axis=0), x.max(axis=0)
        room = np.where(high > low, high - low, 1.0) * _MARGIN
        self._low, self._high = low - room, high + room
        across, up = (
            np.linspace(self._low[i], self._high[i], PLANE_SIDE) for i in range(2)
        )
        grid = np.stack(np.meshgrid(across, up[::-1]), axis=-1)  # the top row first
        self.grid = grid.reshape(-1, 2).astype(np.float32)

    def points(self) -> list[list[float]]:
        """Return [rows, 3]: both inputs in shares of the plane, 0..1, and the label."""
        rows = self._session.rows
        places = (rows.x_train - self._low) / (self._high - self._low)
        labels = (rows.y_train.reshape(-1) > 0).astype(np.float64)
        return np.column_stack([places, labels]).round(4).tolist()

    def sides(self, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return [PLANE_SIDE ** 2] numbers from -1 to 1; the boundary is at 0."""
        session = self._session
        if _is_sigmoid(session):
            return outputs[:, 0] if session.has_signed_labels else 2 * outputs[:, 0] - 1
        return np.tanh((outputs[:, 1] - outputs[:, 0]) / 2)


def packed(values: ArrayLike) -> dict[str, Any]:
    """Return numbers as bytes from -127 to 127, and the number that 127 stands for."""
    numbers = np.nan_to_num(np.asarray(values, np.float64), posinf=0, neginf=0)
    scale = float(np.abs(numbers).max(initial=0)) or 1.0
    codes = np.round(numbers * (127 / scale)).astype(np.int8)
    return {"scale": scale, "data": base64.b64encode(codes.tobytes()).decode()}


def _has_plane(session: LearnSession) -> bool:
    rows = session.rows
    return rows.n_in == 2 and (_is_sigmoid(session) or len(rows.classes) == 2)


def _is_sigmoid(session: LearnSession) -> bool:
    return isinstance(session.network, SigmoidNetwork)


def _is_raw(session: LearnSession) -> bool:
    return session.settings.broken == "no-scaling"


def _size(values: tf.Tensor) -> tf.Tensor:
    """Return the root of the mean square."""
    return tf.sqrt(tf.reduce_mean(tf.square(values)))


def _number(value: Any) -> float | None:
    """Return a float that JSON can hold; None if it is not finite."""
    return float(value) if math.isfinite(value) else None
