"""An example of the gallery; scripts/build_gallery.py makes its page."""

# %% [markdown]
# # A Keras model, accelerated
#
# The same program twice: as it is, and with one line more.

# %%
import time

import keras
import numpy as np

import kerasnn

(x, y), test = (
    kerasnn.datasets.digits()
)  # 1,437 rows of 64 pixels, ten classes


def train(epochs):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.layers.Input((64,)),
            keras.layers.Dense(30, "relu"),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    started = time.perf_counter()
    history = model.fit(
        x, y, epochs=epochs, validation_data=test, verbose=0
    )
    return model, history.history, time.perf_counter() - started


model, history, seconds = train(epochs=6)

# %%
with kerasnn.accelerate(driver="graph", summary=False):
    fast_model, fast_history, fast_seconds = train(epochs=6)

print(f"test accuracy with Keras's loop {history['val_accuracy'][-1]:.3f}")
print(
    f"accelerated                     {fast_history['val_accuracy'][-1]:.3f}"
)
pairs = zip(model.get_weights(), fast_model.get_weights(), strict=True)
print(
    "the same weights, bit for bit:",
    all(np.array_equal(a, b) for a, b in pairs),
)

# %% tags=["timing"]
print(
    f"seconds: {seconds:.1f} with Keras's loop, {fast_seconds:.1f} accelerated"
)

# %% [markdown]
# ## What to learn from it
#
# - Without XLA (`driver="graph"`) the results are Keras's to the last bit, dropout included.
#   With the default, `driver="auto"`, long runs use XLA, which is faster and rounds in
#   another order.
# - The gain is large for small networks and small batches, where Keras spends its time
#   between the steps. Here compiling is most of what is left; it pays more with every epoch.
# - An unedited program: `kerasnn run train.py`. [Faster fit](../faster-fit.md) says what is
#   the same, what is not, and what was measured.
