"""One of several workers, as TF_CONFIG says; without it, the only one."""

import keras
import numpy as np
import tensorflow as tf

import kerasnn

strategy = (
    tf.distribute.MultiWorkerMirroredStrategy()
)  # before anything else of TensorFlow

rng = np.random.default_rng(0)  # the same rows in every worker
x = rng.normal(size=(2000, 8)).astype("float32")
y = np.sin(x).sum(axis=1)

keras.utils.set_random_seed(0)
with strategy.scope():
    model = keras.Sequential(
        [
            keras.layers.Input((8,)),
            keras.layers.Dense(32, "tanh"),
            keras.layers.Dense(1),
        ]
    )
    model.compile("adam", "mse")

history = kerasnn.fit(
    model, x, y, batch_size=100, epochs=10, seed=0, verbose=0
)

if kerasnn.training.is_chief(strategy):
    print(f"workers: {strategy.num_replicas_in_sync}")
    print(f"loss: {history.history['loss'][-1]:.6f}")
