"""JAX in the benchmark, all of it written by hand."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from benchmark_works import (
    BETA_1,
    BETA_2,
    EPSILON,
    NORM_EPSILON,
    NORM_MOMENTUM,
    Array,
    Work,
)

Tree = Any  # a nest of arrays


class JaxScan:
    """Every epoch of a run in one compiled `lax.scan`, which tells of them at its end.

    It compiles anew for another number of epochs. NumPy draws the row orders: shuffles
    inside cost 22 us a step of the digits, and one call for each epoch 7. Gathering all
    rows of an epoch at once, a one-hot loss, unrolling the scan or gathering without
    bounds checks gained nothing. The masks of an epoch are drawn at once, which saves a
    tenth of a step.
    """

    def __init__(self, work: Work) -> None:
        self.work = work
        self.train = jax.jit(partial(train, work))
        self.rows = jax.device_put((work.x_train, work.y_train))
        self.test_rows = jax.device_put((work.x_test, work.y_test))

    def reset(self, seed: int) -> None:
        """New weights, moments and number of steps: all that is remembered."""
        hidden = [np.ones(n, np.float32) for n in self.work.sizes[1:-1]]
        layers = [{"kernel": k, "bias": b} for k, b in self.work.weights(seed)]
        stats = []
        if self.work.batch_norm:
            stats = [{"mean": 0 * ones, "variance": ones} for ones in hidden]
            for layer, ones in zip(layers, hidden, strict=False):
                layer |= {"gamma": ones, "beta": 0 * ones}
        zeros = jax.tree.map(np.zeros_like, layers)
        self.state = jax.device_put((layers, stats, zeros, zeros, np.float32(0)))
        self.rng, self.key = np.random.default_rng(seed), jax.random.key(seed)

    def run(self, epochs: int) -> dict[str, float]:
        """One call of the compiled function."""
        n_rows = len(self.work.x_train)
        orders = np.empty((epochs, n_rows), np.int32)
        for order in orders:
            order[:] = self.rng.permutation(n_rows)
        self.key, key = jax.random.split(self.key)
        keys = jax.random.split(key, epochs)
        self.state, logs = self.train(self.state, orders, keys, self.rows, self.test_rows)
        return {name: float(values[-1]) for name, values in jax.device_get(logs).items()}

    def outputs(self, x: Array) -> Array:
        """Logits or values."""
        layers, stats, *_ = self.state
        return np.asarray(forward(layers, stats, x)[0])


def forward(
    layers: list[dict[str, Any]],
    stats: list[dict[str, Any]],
    x: Any,
    masks: list[Any] | None = None,
) -> tuple[Any, list[dict[str, Any]]]:
    """Outputs [batch, n_out] and new statistics; without a list of masks, not training."""
    *hidden, output = layers
    new_stats = []
    for number, layer in enumerate(hidden):
        x = jax.nn.relu(x @ layer["kernel"] + layer["bias"])
        if stats:
            x, new = normalized(layer, stats[number], x, training=masks is not None)
            new_stats.append(new)
        if masks:
            x = x * masks[number]
    return x @ output["kernel"] + output["bias"], new_stats


def normalized(
    layer: dict[str, Any], running: dict[str, Any], x: Any, *, training: bool
) -> tuple[Any, dict[str, Any]]:
    """BatchNormalization, and its running statistics after this batch."""
    now = {"mean": x.mean(axis=0), "variance": x.var(axis=0)} if training else running
    scale = layer["gamma"] * jax.lax.rsqrt(now["variance"] + NORM_EPSILON)
    new = jax.tree.map(
        lambda old, new: NORM_MOMENTUM * old + (1 - NORM_MOMENTUM) * new, running, now
    )
    return (x - now["mean"]) * scale + layer["beta"], new


def summed(work: Work, outputs: Any, y: Any) -> dict[str, Any]:
    """Loss and hits, sums over the rows."""
    if work.task == "regression":
        return {"loss": ((outputs - y) ** 2).mean(axis=1).sum()}
    log_probabilities = jax.nn.log_softmax(outputs)
    sums = {"loss": -jnp.take_along_axis(log_probabilities, y[:, None], axis=1).sum()}
    if work.accuracy:
        sums["accuracy"] = (outputs.argmax(axis=1) == y).sum().astype(jnp.float32)
    return sums


def train_step(work: Work, state: Tree, x: Any, y: Any, masks: list[Any]) -> Any:
    """The state after one step of Adam, and the sums of its batch."""
    layers, stats, first, second, t = state

    def mean_loss(layers: Tree) -> Any:
        outputs, new_stats = forward(layers, stats, x, masks)
        sums = summed(work, outputs, y)
        return sums["loss"] / len(x), (new_stats, sums)

    grads, (stats, sums) = jax.grad(mean_loss, has_aux=True)(layers)
    t = t + 1
    first = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, first, grads)
    second = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, second, grads)
    rate = work.learning_rate * jnp.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
    layers = jax.tree.map(
        lambda p, m, v: p - rate * m / (jnp.sqrt(v) + EPSILON), layers, first, second
    )
    return (layers, stats, first, second, t), sums


def drawn_masks(work: Work, key: Any) -> list[Any]:
    """Of an epoch, [steps, batch, units] for each hidden layer: 0, or 1 / kept share."""
    if not work.dropout:
        return []
    kept = 1 - work.dropout
    shapes = [(work.steps, work.batch_size, units) for units in work.sizes[1:-1]]
    keys = jax.random.split(key, len(shapes))
    return [
        jax.random.bernoulli(key, kept, shape) / kept
        for key, shape in zip(keys, shapes, strict=True)
    ]


def train(
    work: Work, state: Tree, orders: Any, keys: Any, rows: Any, test_rows: Any
) -> tuple[Tree, dict[str, Any]]:
    """The state after all epochs, and what is told of each: [epochs] for each name."""
    x, y = rows
    n_full, n_short = divmod(len(x), work.batch_size)
    step: Callable[..., Any] = partial(train_step, work)

    def epoch(state: Tree, order_and_key: Any) -> tuple[Tree, dict[str, Any]]:
        order, masks = order_and_key[0], drawn_masks(work, order_and_key[1])
        batches = order[: len(x) - n_short].reshape(n_full, work.batch_size)
        state, sums = jax.lax.scan(
            lambda state, batch: step(state, x[batch[0]], y[batch[0]], batch[1]),
            state,
            (batches, [mask[:n_full] for mask in masks]),
        )
        totals = jax.tree.map(jnp.sum, sums)
        if n_short:
            short = order[len(x) - n_short :]
            masks = [mask[-1, :n_short] for mask in masks]
            state, sums = step(state, x[short], y[short], masks)
            totals = jax.tree.map(jnp.add, totals, sums)
        return state, {name: total / len(x) for name, total in totals.items()} | (
            validation(state) if work.validate else {}
        )

    def validation(state: Tree) -> dict[str, Any]:
        outputs, _ = forward(state[0], state[1], test_rows[0])
        sums = summed(work, outputs, test_rows[1])
        return {f"val_{name}": total / len(outputs) for name, total in sums.items()}

    return jax.lax.scan(epoch, state, (orders, keys))
