"""Lessons 1 to 3 in one file: a network in NumPy, then the same in TensorFlow.

Run it with `python scripts/train_iris.py`; it takes a few seconds, most of them to load
TensorFlow. The lessons themselves: docs/lessons/en/index.md.
"""

import argparse

import numpy as np

from kerasnn.cli.console import quiet_tensorflow

with quiet_tensorflow():  # without the notices that it prints while it loads
    import keras
    import tensorflow as tf

    import kerasnn
    from kerasnn import datasets, models, reports

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=200)
parser.add_argument("--output", default="saved_models/iris")
arguments = parser.parse_args()
epochs = arguments.epochs


def print_epoch(epoch: int, loss: float) -> None:
    """Print the first epoch and every hundredth."""
    if epoch == 0 or (epoch + 1) % 100 == 0:
        print(f"Epoch [{epoch + 1}/{epochs}], Loss: [{loss:.4f}]")


# 1. The rows: two features, and a target of -1 or 1.
x, y = datasets.iris_perceptron()
print(f"x {x.shape}, y {y.shape}, first row {x[0]} -> {y[0]}")


# 2. NumPy: forward, gradients derived by hand, update, repeat. All weights begin at one.
def sigmoid(z: np.ndarray) -> np.ndarray:
    """Compute 1 / (1 + exp(-z))."""
    return 1 / (1 + np.exp(-z))


hidden_kernel, output_kernel = np.ones((2, 3)), np.ones((3, 1))
for _ in range(epochs):
    hidden = sigmoid(x @ hidden_kernel)
    output = sigmoid(hidden @ output_kernel)
    loss = np.mean((output - y) ** 2)
    d_output = 2 * (output - y) * output * (1 - output)
    d_hidden = (d_output @ output_kernel.T) * hidden * (1 - hidden)
    output_kernel -= 0.001 * hidden.T @ d_output
    hidden_kernel -= 0.001 * x.T @ d_hidden
print(f"\nNumPy, gradients by hand: the last loss is {float(loss)!r}")


# 3. TensorFlow: the same network as Variables. Its call is the forward pass.
class SigmoidNetwork(tf.Module):
    """The network 2-3-1: sigmoid units, no biases, weights all one."""

    def __init__(self) -> None:
        self.hidden_kernel = tf.Variable(tf.ones([2, 3]))
        self.output_kernel = tf.Variable(tf.ones([3, 1]))

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Compute outputs [rows, 1] of rows x [rows, 2]."""
        hidden = tf.sigmoid(x @ self.hidden_kernel)
        return tf.sigmoid(hidden @ self.output_kernel)


def mean_squared_error(network: tf.Module, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Compute the loss of a network on rows, one number."""
    return tf.reduce_mean(tf.math.squared_difference(network(x), y))


features, targets = tf.constant(x, tf.float32), tf.constant(y, tf.float32)

# 4. Trained by hand: record the forward pass on a tape, ask it for the gradients, subtract.
print("\nTensorFlow: the gradients from a tape, the update by hand")
network = SigmoidNetwork()
for epoch in range(epochs):
    with tf.GradientTape() as tape:
        loss = mean_squared_error(network, features, targets)
    variables = network.trainable_variables
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        variable.assign_sub(0.1 * gradient)
    print_epoch(epoch, float(loss))

# 5. The same with an optimizer.
print("\nThe same with Keras's SGD")
network = SigmoidNetwork()
optimizer = keras.optimizers.SGD(learning_rate=0.1)
for epoch in range(epochs):
    with tf.GradientTape() as tape:
        loss = mean_squared_error(network, features, targets)
    gradients = tape.gradient(loss, network.trainable_variables)
    optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
    print_epoch(epoch, float(loss))

# 6. And compiled: the package's network of the same weights, all epochs inside one graph.
print("\nThe same, compiled")
network = models.SigmoidNetwork()
history = kerasnn.fit(
    network,
    features,
    targets,
    optimizer=keras.optimizers.SGD(learning_rate=0.1),
    epochs=epochs,
    batch_size=len(x),
    shuffle=False,
    driver="graph",
    verbose=0,
)
losses = history.history["loss"]
for epoch, loss in enumerate(losses):
    print_epoch(epoch, loss)

# 0.8889 is 8/9, what a constant output of 1/3 gives. Lesson 3 shows why, and the repairs.
outputs = network(x).numpy()
print(
    f"\nOutputs from {outputs.min():.4f} to {outputs.max():.4f}: the same for every flower"
)

# 7. The loss as a picture, and the network as a SavedModel.
folder = kerasnn.export(
    network,
    arguments.output,
    columns=datasets.IRIS_COLUMNS,
    metadata={"metrics": {"rows": "training rows", "loss": losses[-1]}},
    files={"loss.png": reports.png(reports.learning_curve(history.history))},
)
print(f"Saved {folder}")
