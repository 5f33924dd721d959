"""Lessons 7 to 9 in one file: mini-batches of KFold and of tf.data, and the compiled loop.

Run it with `python scripts/train_digits_minibatch.py`; it takes some seconds. The lessons
themselves: docs/lessons/en/index.md.
"""

import argparse
from collections.abc import Callable

import numpy as np
from sklearn.model_selection import KFold

from kerasnn.cli.console import quiet_tensorflow

with quiet_tensorflow():  # without the notices that it prints while it loads
    import keras
    import tensorflow as tf

    import kerasnn
    from kerasnn import datasets, models, reports
    from kerasnn.training import EpochBar, EpochLines

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=500)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--output", default="saved_models/digits_minibatch")
arguments = parser.parse_args()
epochs, seed = arguments.epochs, arguments.seed

(x_train, y_train), test = datasets.digits(scaled=False, one_hot=True)


# 1. A batch is what one step sees; an epoch is once through all rows. Shuffle the row
#    numbers, and let KFold cut them into rows // 64 folds.
def kfold_batches(n_rows: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the row numbers of each batch of one epoch."""
    order = rng.permutation(n_rows)
    return [order[fold] for _, fold in KFold(n_rows // 64).split(order)]


batches = kfold_batches(len(x_train), np.random.default_rng(seed))
print(f"{len(batches)} batches an epoch, of {len(batches[-1])} or {len(batches[0])} rows")


# 2. The network and the step of the lessons before.
def new_network() -> tuple[tf.Module, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]]:
    """Return a network 64-30-10 with weights from N(0, 1), and its training step."""
    network = models.DigitsNetwork(initializer="normal", seed=seed)
    optimizer = keras.optimizers.Adam(learning_rate=0.02)
    variables = list(network.trainable_variables)
    optimizer.build(variables)

    @tf.function(reduce_retracing=True)
    def train_step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            losses = tf.nn.softmax_cross_entropy_with_logits(y, network(x))
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    return network, train_step


def accuracy(network: tf.Module) -> float:
    """Compute the share of the test rows whose largest logit is at the label."""
    x, y = test
    return float(np.mean(network(x).numpy().argmax(axis=1) == y.argmax(axis=1)))


# 3. Two loops: over the epochs, and inside over the batches.
network, train_step = new_network()
rng = np.random.default_rng(seed)
with EpochBar(epochs) as bar:
    lines = EpochLines(epochs, write=bar.write)
    for epoch in range(epochs):
        batches = kfold_batches(len(x_train), rng)
        losses = [train_step(x_train[rows], y_train[rows]) for rows in batches]
        logs = {"loss": float(np.mean(losses)), "val_accuracy": accuracy(network)}
        bar(epoch, logs)
        lines(epoch, logs)
print(f"KFold, {epochs} epochs: test accuracy {accuracy(network):.4f}")

# 4. Outside a lesson one lets the framework draw the batches: the same with tf.data.
dataset = tf.data.Dataset.from_tensor_slices((x_train, y_train))
dataset = dataset.shuffle(len(x_train), seed=seed).batch(64).prefetch(tf.data.AUTOTUNE)
by_tf_data, train_step = new_network()
few = max(1, epochs // 5)
for _ in range(few):
    for x, y in dataset:
        train_step(x, y)
print(f"tf.data, {few} epochs: test accuracy {accuracy(by_tf_data):.4f}")

# 5. And with the loop itself compiled: all epochs inside one graph.
compiled, _ = new_network()
optimizer = keras.optimizers.Adam(learning_rate=0.02)
trainer = kerasnn.Trainer(compiled, optimizer=optimizer)
of_loop = trainer.fit(
    x_train,
    y_train,
    epochs=epochs,
    batch_size=64,
    batching="kfold",
    seed=seed,
    validation_data=test,
)
metrics = trainer.evaluate(*test)
per_step = of_loop.microseconds_per_step()
print(f"compiled loop, {epochs} epochs: test accuracy {metrics['accuracy']:.4f}", end="")
print(f", {per_step:.0f} us a step" if per_step else "")

# 6. The last of the three as a SavedModel, with its curves.
folder = kerasnn.export(
    compiled,
    arguments.output,
    columns=datasets.DIGITS_COLUMNS,
    metadata={"metrics": {"rows": "test rows", **metrics}},
    files={
        f"{name}.png": reports.png(reports.learning_curve(of_loop.history, name))
        for name in ("loss", "accuracy")
    },
)
print(f"Saved {folder}")
