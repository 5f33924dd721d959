"""The lesson's functions in NumPy: activations, labels, losses, accuracy."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def sigmoid(z: ArrayLike) -> FloatArray:
    """Compute the logistic function 1 / (1 + exp(-z)), elementwise.

    Written with tanh, which is the same function and does not overflow for large -z.
    """
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(z, dtype=float)))


def sigmoid_derivative(z: ArrayLike) -> FloatArray:
    """Compute the derivative of `sigmoid`: sigmoid(z) * (1 - sigmoid(z)), elementwise."""
    output = sigmoid(z)
    return output * (1.0 - output)


def softmax(logits: ArrayLike) -> FloatArray:
    """Compute probabilities over the last axis: exp(z_k) / sum_j exp(z_j).

    The largest logit is subtracted first: the quotient stays the same, and exp never
    sees a positive number.
    """
    logits = np.asarray(logits, dtype=float)
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def one_hot(labels: ArrayLike, n_classes: int) -> FloatArray:
    """Return rows of the identity matrix, one for each label.

    Args:
        labels: [rows] integers in 0..n_classes-1.
        n_classes: width of the result.

    Returns:
        [rows, n_classes] float64.

    Raises:
        ValueError: a label is not an integer in 0..n_classes-1.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"labels must be [rows] integers; got shape {labels.shape} of {labels.dtype}"
        )
    outside = np.flatnonzero((labels < 0) | (labels >= n_classes))
    if outside.size:
        row = int(outside[0])
        raise ValueError(
            f"labels must be in 0..{n_classes - 1}; got labels[{row}]={labels[row]}"
        )
    return np.eye(n_classes)[labels]


def mean_squared_error(targets: ArrayLike, outputs: ArrayLike) -> float:
    """Compute the mean of (targets - outputs)^2 over all elements.

    Raises:
        ValueError: the shapes differ, which NumPy would broadcast.
    """
    targets, outputs = np.asarray(targets), np.asarray(outputs)
    if targets.shape != outputs.shape:
        raise ValueError(
            "targets and outputs must have one shape;"
            f" got {targets.shape} and {outputs.shape}"
        )
    return float(np.mean((targets - outputs) ** 2))


def cross_entropy(targets: ArrayLike, logits: ArrayLike) -> float:
    """Compute softmax and cross-entropy in one function, in nats, mean over rows.

    Args:
        targets: [rows, n_classes], one-hot rows (or probabilities).
        logits: [rows, n_classes], not normalised.

    Raises:
        ValueError: the shapes differ.

    Source: Bishop, Pattern Recognition and Machine Learning (2006), eq. 4.108.
    """
    targets, logits = np.asarray(targets), np.asarray(logits, dtype=float)
    if targets.shape != logits.shape or logits.ndim != 2:
        raise ValueError(
            "targets and logits must both be [rows, n_classes];"
            f" got {targets.shape} and {logits.shape}"
        )
    # log softmax from logits: log(softmax(z)) is -inf where the exponential underflows.
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-(targets * log_softmax).sum(axis=1).mean())


def accuracy(targets: ArrayLike, logits: ArrayLike) -> float:
    """Compute the share of rows whose largest logit is at the label.

    Args:
        targets: [rows, n_classes] one-hot rows, or [rows] integer labels.
        logits: [rows, n_classes].
    """
    targets = np.asarray(targets)
    labels = targets.argmax(axis=1) if targets.ndim == 2 else targets
    return float(np.mean(labels == np.asarray(logits).argmax(axis=1)))
