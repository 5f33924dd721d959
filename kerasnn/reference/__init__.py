"""The reference, in NumPy and scikit-learn: everything fast is tested to be equal to it.

It holds the network with a hand-derived backward pass, the functions of the lesson and the
KFold mini-batcher. It does not use TensorFlow.
"""

from kerasnn.reference.batching import kfold_batches
from kerasnn.reference.functions import (
    accuracy,
    cross_entropy,
    mean_squared_error,
    one_hot,
    sigmoid,
    sigmoid_derivative,
    softmax,
)
from kerasnn.reference.network import Gradients, NeuralNetwork

__all__ = [
    "Gradients",
    "NeuralNetwork",
    "accuracy",
    "cross_entropy",
    "kfold_batches",
    "mean_squared_error",
    "one_hot",
    "sigmoid",
    "sigmoid_derivative",
    "softmax",
]
