"""Time of a step when many digits networks are trained by `fit_many`.

    python scripts/benchmark_many.py --networks 32 --epochs 100
    python scripts/benchmark_many.py --json > docs/measured/many.json

Each round trains new networks (64 -> 30 -> 10, batch 64), several at a time, one at a time,
and a twentieth of the epochs of one by Keras's `fit`; the programs were compiled before.
Times are those of whole calls, in microseconds for each step of each network.
"""

import argparse
import json
import time
from collections.abc import Callable

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


def seconds(call: Callable[[], object]) -> float:
    """Return the wall time of a call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    x, y = load_digits(return_X_y=True)
    x, y = (x[:ROWS] / 16).astype("float32"), y[:ROWS]
    few = max(1, options.epochs // 20)
    steps = -(-ROWS // BATCH) * options.epochs * options.networks
    keras_steps = -(-ROWS // BATCH) * few

    def many(threads: int | None) -> float:
        models = [build() for _ in range(options.networks)]
        run = {"batch_size": BATCH, "epochs": options.epochs, "driver": "xla"}
        return seconds(lambda: kerasnn.fit_many(models, x, y, threads=threads, **run))

    def keras_fit() -> float:
        model = build()
        run = {"batch_size": BATCH, "verbose": 0}
        model.fit(x, y, epochs=1, **run)  # traces the step
        return seconds(lambda: model.fit(x, y, epochs=few, **run))

    many(None)
    rounds = [
        (many(None) / steps, many(1) / steps, keras_fit() / keras_steps)
        for _ in range(options.rounds)
    ]
    times = 1e6 * np.median(rounds, axis=0)
    ratios = np.median(np.array(rounds) / np.array(rounds)[:, :1], axis=0)
    names = ("fit_many", "one at a time", "Keras fit")
    rows = [
        {"name": name, "us_a_step": float(microseconds), "ratio": float(ratio)}
        for name, microseconds, ratio in zip(names, times, ratios, strict=True)
    ]
    if options.json:
        settings = {
            name: getattr(options, name) for name in ("networks", "epochs", "rounds")
        }
        print(json.dumps({**settings, "contenders": rows}))
        return
    for row in rows:
        print("{name:14s} {us_a_step:8.1f} us  {ratio:6.1f}x".format(**row), flush=True)


if __name__ == "__main__":
    main()
