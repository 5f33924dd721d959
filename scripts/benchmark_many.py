"""Time of a step and network when many digits networks are trained side by side.

    python scripts/benchmark_many.py --networks 32 --epochs 100 --driver xla

Each round trains new networks (64 -> 30 -> 10, batch 64) with `kerasnn.fit_many`, and one
with `kerasnn.fit`. Times are those of the calls of the loop, without the first one, which
compiles. The largest difference between the first network and its single fit is printed.
"""

import argparse

import keras
import numpy as np
from sklearn.datasets import load_digits

import kerasnn

ROWS = 1437
BATCH = 64


def build() -> keras.Model:
    """Return a compiled network for digits."""
    layers = [keras.layers.Dense(30, "sigmoid"), keras.layers.Dense(10, "softmax")]
    model = keras.Sequential([keras.Input((64,)), *layers])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--driver", choices=["xla", "graph"], default="xla")
    options = parser.parse_args()
    x, y = load_digits(return_X_y=True)
    x, y = (x[:ROWS] / 16).astype("float32"), y[:ROWS]
    run = {"batch_size": BATCH, "epochs": options.epochs, "driver": options.driver}
    for _ in range(options.rounds):
        fits = kerasnn.fit_many(build, x, y, seeds=range(options.networks), **run)
        keras.utils.set_random_seed(0)
        single = build()
        history = kerasnn.fit(single, x, y, seed=0, verbose=0, **run)
        pairs = zip(single.get_weights(), fits.models[0].get_weights(), strict=True)
        difference = max(float(np.abs(a - b).max()) for a, b in pairs)
        together = fits.histories[0].microseconds_per_step() or np.nan
        alone = history.microseconds_per_step() or np.nan
        print(
            f"{fits}: {together / len(fits):.1f} us a step and network, alone {alone:.1f};"
            f" weights differ by {difference:.1e} at most",
            flush=True,
        )


if __name__ == "__main__":
    main()
