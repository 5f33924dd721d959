"""Lessons 4 to 6 in one file: handwritten digits, cross-entropy, Adam on all rows.

Run it with `python scripts/train_digits.py`; it takes a few seconds, most of them to load
TensorFlow. The lessons themselves: docs/lessons/en/index.md.
"""

import argparse

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from kerasnn.cli.console import quiet_tensorflow

with quiet_tensorflow():  # without the notices that it prints while it loads
    import keras
    import tensorflow as tf

    import kerasnn
    from kerasnn import datasets, layers, models, reports

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=500)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--output", default="saved_models/digits_full_batch")
arguments = parser.parse_args()
epochs = arguments.epochs

# 1. 1,797 digits of 8x8 pixels, 0..16; the labels as rows of the identity matrix. A fifth
#    of the rows is kept for the test.
pixels, labels = load_digits(return_X_y=True)
one_hot = np.eye(10)[labels]
print(f"label {labels[3]} is {one_hot[3].astype(int)}")
x_train, x_test, y_train, y_test = (
    tf.constant(part, tf.float32)
    for part in train_test_split(pixels, one_hot, test_size=0.2, random_state=1)
)
print(f"train {x_train.shape} -> {y_train.shape}, test {x_test.shape} -> {y_test.shape}")

# 2. Softmax makes probabilities of any numbers; cross-entropy is their surprise.
logits = tf.constant([[-1.3, 2.6, -0.9]])
print(f"\nsoftmax({[-1.3, 2.6, -0.9]}) = {tf.nn.softmax(logits)[0].numpy().round(2)}")
surprise = tf.nn.softmax_cross_entropy_with_logits([[0.0, 1.0, 0.0]], logits)
print(f"cross-entropy if class 1 is true: {surprise[0]:.4f}")


# 3. A network 64-30-10: ReLU inside, logits at the end, all weights drawn from N(0, 1).
class DigitsNetwork(tf.Module):
    """The network 64-30-10 with explicit Variables."""

    def __init__(self, seed: int) -> None:
        hidden = layers.initial_weights("normal", 64, 30, seed=(seed, 0), dtype="float32")
        output = layers.initial_weights("normal", 30, 10, seed=(seed, 1), dtype="float32")
        self.hidden_kernel, self.hidden_bias = map(tf.Variable, hidden)
        self.output_kernel, self.output_bias = map(tf.Variable, output)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Compute logits [rows, 10] of rows x [rows, 64]."""
        x = tf.cast(x, tf.float32)
        hidden = tf.nn.relu(x @ self.hidden_kernel + self.hidden_bias)
        return hidden @ self.output_kernel + self.output_bias


def accuracy(logits: tf.Tensor, y: tf.Tensor) -> float:
    """Compute the share of rows whose largest logit is at the label."""
    hits = tf.equal(tf.argmax(logits, axis=1), tf.argmax(y, axis=1))
    return float(tf.reduce_mean(tf.cast(hits, tf.float32)))


# 4. Adam, all rows at once. One optimizer for the whole training: it remembers a mean of
#    the gradients and of their squares; a new one at each step would begin from nothing.
network = DigitsNetwork(arguments.seed)
optimizer = keras.optimizers.Adam(learning_rate=0.02)
variables = list(network.trainable_variables)
optimizer.build(variables)


@tf.function  # compiled, see lesson 9; the numbers are the same without
def train_step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Update the weights by the gradient of the loss on these rows, and return the loss."""
    with tf.GradientTape() as tape:
        losses = tf.nn.softmax_cross_entropy_with_logits(y, network(x))
        loss = tf.reduce_mean(losses)
    gradients = tape.gradient(loss, variables)
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return loss


print()
history = {"loss": [], "val_accuracy": []}
for epoch in range(epochs):
    loss = float(train_step(x_train, y_train))
    history["loss"].append(loss)
    history["val_accuracy"].append(accuracy(network(x_test), y_test))
    if epoch == 0 or (epoch + 1) % 100 == 0:
        shown = history["val_accuracy"][-1]
        print(f"Epoch [{epoch + 1}/{epochs}], Accuracy: [{shown:.2f}], Loss: [{loss:.4f}]")

# 5. What it got wrong.
probabilities = tf.nn.softmax(network(x_test)).numpy()
truth = y_test.numpy().argmax(axis=1)
wrong = np.flatnonzero(probabilities.argmax(axis=1) != truth)
print(f"\nTest accuracy {history['val_accuracy'][-1]:.4f}:", end=" ")
print(f"{len(wrong)} of {len(truth)} test rows are wrong, the first are {wrong[:5]}")

# 6. As a SavedModel: the package's network of the same shape takes the weights.
served = models.DigitsNetwork()
for layer, kernel, bias in (
    (served.layers[0], network.hidden_kernel, network.hidden_bias),
    (served.layers[1], network.output_kernel, network.output_bias),
):
    layer.kernel.assign(kernel)
    layer.bias.assign(bias)
figures = {
    "loss.png": reports.learning_curve(history, "loss"),
    "accuracy.png": reports.learning_curve(history, "accuracy"),
    "wrong.png": reports.wrong_digits_figure(x_test.numpy(), truth, probabilities),
}
losses = tf.nn.softmax_cross_entropy_with_logits(y_test, network(x_test))
metrics = {"loss": float(tf.reduce_mean(losses)), "accuracy": history["val_accuracy"][-1]}
folder = kerasnn.export(
    served,
    arguments.output,
    columns=datasets.DIGITS_COLUMNS,
    metadata={"metrics": {"rows": "test rows", **metrics}},
    files={name: reports.png(figure) for name, figure in figures.items() if figure},
)
print(f"Saved {folder}")
