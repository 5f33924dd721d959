"""A network in NumPy with a backward pass derived by hand."""

from typing import Literal, NamedTuple

import numpy as np

from kerasnn.reference.functions import FloatArray as Array
from kerasnn.reference.functions import mean_squared_error, sigmoid


class Gradients(NamedTuple):
    """Derivatives of the squared error by the two kernels."""

    hidden_kernel: Array  # [n_in, n_hidden]
    output_kernel: Array  # [n_hidden, n_out]


class NeuralNetwork:
    """One hidden layer of sigmoid units, sigmoid outputs, no biases, weights all one.

        hidden = sigmoid(x @ hidden_kernel)        [rows, n_hidden]
        output = sigmoid(hidden @ output_kernel)   [rows, n_out]

    Args:
        n_in: features of a row.
        n_hidden: hidden units.
        n_out: outputs.
    """

    def __init__(self, n_in: int = 2, n_hidden: int = 3, n_out: int = 1) -> None:
        self.hidden_kernel = np.ones((n_in, n_hidden))
        self.output_kernel = np.ones((n_hidden, n_out))

    def forward(self, x: Array) -> Array:
        """Compute outputs [rows, n_out] in (0, 1) of rows x [rows, n_in]."""
        return sigmoid(sigmoid(x @ self.hidden_kernel) @ self.output_kernel)

    def backward(
        self, x: Array, y: Array, *, reduction: Literal["sum", "mean"] = "sum"
    ) -> Gradients:
        """Compute gradients of the squared error E = sum (output - y)^2, by the chain rule.

        With a = sigmoid(z) and da/dz = a (1 - a):

            dE/dz_output = 2 (output - y) * output (1 - output)
            dE/dW_output = hidden^T @ dE/dz_output
            dE/dz_hidden = (dE/dz_output @ W_output^T) * hidden (1 - hidden)
            dE/dW_hidden = x^T @ dE/dz_hidden

        Args:
            x: [rows, n_in].
            y: [rows, n_out].
            reduction: "sum" of the squared errors, or their "mean" over all elements.

        Raises:
            ValueError: y differs in shape from the output (NumPy would broadcast it).
        """
        hidden = sigmoid(x @ self.hidden_kernel)
        output = sigmoid(hidden @ self.output_kernel)
        if y.shape != output.shape:
            raise ValueError(f"y must be {output.shape}; got {y.shape=}")
        d_output = 2.0 * (output - y) * output * (1.0 - output)
        if reduction == "mean":
            d_output /= y.size
        d_hidden = (d_output @ self.output_kernel.T) * hidden * (1.0 - hidden)
        return Gradients(x.T @ d_hidden, hidden.T @ d_output)

    def fit(
        self,
        x: Array,
        y: Array,
        *,
        epochs: int = 200,
        learning_rate: float = 0.001,
        reduction: Literal["sum", "mean"] = "sum",
    ) -> list[float]:
        """Train by gradient descent on all rows at once: W -= learning_rate * dE/dW.

        Returns:
            The mean squared error of each epoch, taken before its update.
        """
        losses = []
        for _ in range(epochs):
            losses.append(mean_squared_error(y, self.forward(x)))
            gradients = self.backward(x, y, reduction=reduction)
            self.hidden_kernel -= learning_rate * gradients.hidden_kernel
            self.output_kernel -= learning_rate * gradients.output_kernel
        return losses
