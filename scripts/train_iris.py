"""The first lesson: a network by hand in NumPy, then the same in TensorFlow.

Run it with `python scripts/train_iris.py`; it takes a few seconds, plus loading TensorFlow.
"""

import argparse

import tensorflow as tf

import kerasnn
from kerasnn import datasets, models, reference, reports
from kerasnn.training import EpochLines, make_optimizer, train_step

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=200)
parser.add_argument("--output", default="saved_models/iris")
arguments = parser.parse_args()
epochs = arguments.epochs

# 1. The rows: two features, and a label of -1 or 1.
x, y = datasets.iris_perceptron()
print(f"x {x.shape}, y {y.shape}, first row {x[0]} -> {y[0]}")

# 2. NumPy: forward, gradients derived by hand, update, repeat. All weights begin at one.
network = reference.NeuralNetwork(n_in=2, n_hidden=3, n_out=1)
losses = network.fit(x, y, epochs=epochs, learning_rate=0.001)
print(f"\nNumPy, gradients by hand: the last loss is {losses[-1]!r}")

# 3. TensorFlow: the same network as Variables. Its call is the forward pass.
x32, y32 = tf.constant(x, tf.float32), tf.constant(y, tf.float32)
network = models.SigmoidNetwork()
print(f"\nTensorFlow, {[tuple(v.shape) for v in network.trainable_variables]}")

# 4. Trained by hand: record the forward pass on a tape, ask it for the gradients, subtract.
print("\nThe gradients from a tape, the update by hand:")
tell = EpochLines(epochs)
for epoch in range(epochs):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(network.head.loss(y32, network(x32)))
    variables = network.trainable_variables
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        variable.assign_sub(0.1 * gradient)
    tell(epoch, {"loss": float(loss)})

# 5. The same with an optimizer: `train_step` is the body of the loop above.
print("\nThe same with Keras's SGD, one train_step after another:")
network = models.SigmoidNetwork()
optimizer = make_optimizer("sgd", learning_rate=0.1)
optimizer.build(network.trainable_variables)
for epoch in range(epochs):
    row_losses, _ = train_step(network, x32, y32, optimizer)
    tell(epoch, {"loss": float(tf.reduce_mean(row_losses))})

# 6. And compiled: the same step, all epochs inside one graph.
print("\nThe same step, compiled:")
network = models.SigmoidNetwork()
trainer = kerasnn.Trainer(network, optimizer=make_optimizer("sgd", learning_rate=0.1))
history = trainer.fit(x, y, epochs=epochs, batching="full", on_epoch=[tell])

# 0.8889 is 8/9, what a constant output of 1/3 gives. With labels of -1 and 1 an output in
# (0, 1) cannot do better from this start: the next step is to choose other labels.
print(f"\nOutputs of the first and the last row: {network(x)[0]}, {network(x)[-1]}")

# 7. The loss as a picture, and the network as a SavedModel.
curve = reports.png(reports.learning_curve(history.history))
folder = kerasnn.export(
    network,
    arguments.output,
    columns=datasets.IRIS_COLUMNS,
    metadata={"metrics": {"rows": "training rows", "loss": history.history["loss"][-1]}},
    files={"loss.png": curve},
)
print(f"Saved {folder}")
