"""The second lesson: handwritten digits, softmax and cross-entropy, Adam on all rows.

Run it with `python scripts/train_digits.py`; it takes a few seconds, plus loading
TensorFlow.
"""

import argparse

import numpy as np

import kerasnn
from kerasnn import datasets, models, reference, reports
from kerasnn.training import EpochLines, make_optimizer

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=500)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--output", default="saved_models/digits_full_batch")
arguments = parser.parse_args()
epochs, seed = arguments.epochs, arguments.seed

# 1. 1,797 digits of 8x8 pixels, 0..16; the labels as rows of the identity matrix.
(x_train, y_train), (x_test, y_test) = datasets.digits(scaled=False, one_hot=True)
print(f"train {x_train.shape} -> {y_train.shape}, test {x_test.shape} -> {y_test.shape}")
print(f"label {y_train[0].argmax()} is {y_train[0].astype(int)}")

# 2. Softmax makes probabilities of any numbers; cross-entropy is their surprise.
logits = [-1.3, 2.6, -0.9]
print(f"\nsoftmax({logits}) = {reference.softmax(logits).round(2)}")
surprise = reference.cross_entropy([[0, 1, 0]], [logits])
print(f"cross-entropy if class 1 is true: {surprise:.4f}")

# 3. A network 64-30-10: ReLU inside, logits at the end, all weights drawn from N(0, 1).
network = models.DigitsNetwork(initializer="normal", seed=seed)
print(f"\n{[tuple(v.shape) for v in network.trainable_variables]}")

# 4. Adam, all rows at once. One optimizer for the whole training: it remembers a mean of
#    the gradients and of their squares; a new one at each step would begin from nothing.
trainer = kerasnn.Trainer(network, optimizer=make_optimizer("adam", learning_rate=0.02))
history = trainer.fit(
    x_train,
    y_train,
    epochs=epochs,
    batching="full",
    validation_data=(x_test, y_test),
    on_epoch=[EpochLines(epochs)],
)
print(f"Test accuracy {history.history['val_accuracy'][-1]:.4f}")

# 5. What it got wrong, and the network as a SavedModel.
labels = y_test.argmax(axis=1)
probabilities = trainer.predict(x_test)["probabilities"]
wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
print(f"{len(wrong)} of {len(labels)} test rows are wrong, the first are {wrong[:5]}")
files = {
    f"{name}.png": reports.png(reports.learning_curve(history.history, name))
    for name in ("loss", "accuracy")
}
figure = reports.wrong_digits_figure(x_test, labels, probabilities)
if figure is not None:
    files["wrong.png"] = reports.png(figure)
folder = kerasnn.export(
    network,
    arguments.output,
    columns=datasets.DIGITS_COLUMNS,
    metadata={"metrics": {"rows": "test rows", **trainer.evaluate(x_test, y_test)}},
    files=files,
)
print(f"Saved {folder}")
