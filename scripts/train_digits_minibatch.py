"""The third lesson: mini-batches, cut by scikit-learn's KFold, then drawn by tf.data.

Run it with `python scripts/train_digits_minibatch.py`; it takes a few seconds, plus loading
TensorFlow.
"""

import argparse

import kerasnn
from kerasnn import datasets, models, reference, reports
from kerasnn.training import EpochBar, EpochLines, make_optimizer, make_plan

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=500)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--output", default="saved_models/digits_minibatch")
arguments = parser.parse_args()
epochs, seed = arguments.epochs, arguments.seed

(x_train, y_train), test = datasets.digits(scaled=False, one_hot=True)

# 1. A batch is what one step sees; an epoch is once through all rows. The reference batcher
#    shuffles the row numbers and cuts them into rows // 64 folds.
batches = reference.kfold_batches(len(x_train), 64, seed=seed)
print(f"{len(batches)} batches an epoch, of {len(batches[-1])} or {len(batches[0])} rows")

# 2. It is for teaching. The plans below all show every row once an epoch:
for batching in ("full", "kfold", "shuffled", "tf-data"):
    sizes = make_plan(batching, len(x_train), 64).sizes
    print(f"  {batching:9}{len(sizes):3} batches, the last of {sizes[-1]} rows")

# 3. The network of the second lesson, on mini-batches: 22 steps an epoch instead of one.
network = models.DigitsNetwork(initializer="normal", seed=seed)
trainer = kerasnn.Trainer(network, optimizer=make_optimizer("adam", learning_rate=0.02))
with EpochBar(epochs) as bar:
    history = trainer.fit(
        x_train,
        y_train,
        epochs=epochs,
        batch_size=64,
        batching="kfold",
        seed=seed,
        validation_data=test,
        on_epoch=[bar, EpochLines(epochs, write=bar.write)],
    )
per_step = history.microseconds_per_step()
print(f"Test accuracy {history.history['val_accuracy'][-1]:.4f}", end="")
print(f", {per_step:.0f} us a step once compiled" if per_step else "")

# 4. Outside a lesson one would let the framework draw them: the same with tf.data.
framework = kerasnn.Trainer(
    models.DigitsNetwork(initializer="normal", seed=seed),
    optimizer=make_optimizer("adam", learning_rate=0.02),
)
framework.fit(x_train, y_train, epochs=epochs, batch_size=64, batching="tf-data", seed=seed)
print(f"With tf.data: test accuracy {framework.evaluate(*test)['accuracy']:.4f}")

# 5. The first of the two as a SavedModel, with its curves.
folder = kerasnn.export(
    network,
    arguments.output,
    columns=datasets.DIGITS_COLUMNS,
    metadata={"metrics": {"rows": "test rows", **trainer.evaluate(*test)}},
    files={
        f"{name}.png": reports.png(reports.learning_curve(history.history, name))
        for name in ("loss", "accuracy")
    },
)
print(f"Saved {folder}")
