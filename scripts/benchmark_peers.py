"""The same network, trained on the same rows by kerasnn's drivers and by its peers.

Each class here is a `Peer`. All of them begin with the same weights, shuffle the rows
anew every epoch, train on the short last batch, and use Adam with the same numbers. What
they tell of an epoch is what they offer at no effort: kerasnn loss and accuracy; Keras,
scikit-learn and JAX the loss; PyTorch nothing. What is measured, and how, is
`benchmark.py`'s.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from kerasnn import datasets
from kerasnn.choices import Driver
from kerasnn.layers import initial_weights
from kerasnn.models import DigitsNetwork
from kerasnn.training import Trainer, make_optimizer

Array = NDArray[Any]
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # of Adam, as Keras has them; kerasnn too


@dataclass(frozen=True)
class Work:
    """What all train: a ReLU network with a softmax, and its rows.

    Attributes:
        x_train: [rows, n_in] float32.
        y_train: [rows] int32 labels.
        x_test: the same, not trained on.
        y_test: the same, not trained on.
        sizes: units of the layers, inputs first.
        batch_size: rows of a batch; the last one of an epoch may be short.
        learning_rate: of Adam.
    """

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    sizes: tuple[int, ...]
    batch_size: int
    learning_rate: float

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return math.ceil(len(self.x_train) / self.batch_size)

    def weights(self, seed: int) -> list[tuple[Array, Array]]:
        """Kernel [n_in, n_out] and bias [n_out] of each layer, those of kerasnn."""
        return [
            tuple(
                weight.numpy()
                for weight in initial_weights(
                    "glorot", *sizes, seed=(seed, number), dtype="float32"
                )
            )
            for number, sizes in enumerate(pairwise(self.sizes))
        ]


def digits_work() -> Work:
    """The digits, 1437 rows to train on and 360 to test on, and the network 64-30-10."""
    train, test = datasets.digits()
    return Work(*train, *test, sizes=(64, 30, 10), batch_size=64, learning_rate=0.002)


WORKS: dict[str, Callable[[], Work]] = {"digits": digits_work}


class Peer(Protocol):
    """What the benchmark asks of each: `reset`, then `run`, then `classes` if wanted."""

    def reset(self, seed: int) -> None:
        """Back to the weights of this seed and to an optimizer that remembers nothing."""

    def run(self, epochs: int) -> None:
        """Train, and come back when it is done; compiles what is not compiled yet."""

    def classes(self, x: Array) -> Array:
        """The most probable class of each row."""


class KerasnnTrainer:
    """`kerasnn.Trainer`, the same one from run to run."""

    def __init__(self, work: Work, driver: Driver) -> None:
        self.work, self.seed = work, 0
        n_in, *hidden_units, n_out = work.sizes
        self.trainer = Trainer(
            DigitsNetwork(n_in, tuple(hidden_units), n_out),
            optimizer=make_optimizer("adam", work.learning_rate),
            driver=driver,
        )

    def reset(self, seed: int) -> None:
        """New weights, the optimizer as it was; nothing is compiled again."""
        self.seed = seed
        self.trainer.reset(seed)

    def run(self, epochs: int) -> None:
        """One `fit`."""
        self.trainer.fit(
            self.work.x_train,
            self.work.y_train,
            epochs=epochs,
            batch_size=self.work.batch_size,
            batching="shuffled",
            seed=self.seed,
        )

    def classes(self, x: Array) -> Array:
        """The most probable class of each row."""
        return self.trainer.predict(x)["class"]


class KerasFit:
    """`keras.Model.fit` of an ordinary Sequential.

    Its row order has no seed: after `keras.utils.set_random_seed`, `fit` draws the same
    order in every epoch.
    """

    def __init__(
        self, work: Work, *, jit_compile: bool | str = "auto", epoch_per_call: bool = False
    ) -> None:
        self.work = work
        n_in, *hidden_units, n_out = work.sizes
        self.model = keras.Sequential(
            [
                keras.Input((n_in,)),
                *(keras.layers.Dense(n, activation="relu") for n in hidden_units),
                keras.layers.Dense(n_out),
            ]
        )
        self.model.compile(
            optimizer=keras.optimizers.Adam(work.learning_rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=jit_compile,
            steps_per_execution=work.steps if epoch_per_call else 1,
        )
        optimizer = self.model.optimizer
        optimizer.build(self.model.trainable_variables)
        self.untrained = [variable.numpy() for variable in optimizer.variables]

    def reset(self, seed: int) -> None:
        """New weights, the optimizer as it was; nothing is traced again."""
        weights = self.work.weights(seed)
        self.model.set_weights([weight for layer in weights for weight in layer])
        variables = self.model.optimizer.variables
        for variable, value in zip(variables, self.untrained, strict=True):
            variable.assign(value)

    def run(self, epochs: int) -> None:
        """One `fit`, which reshuffles every epoch."""
        self.model.fit(
            self.work.x_train,
            self.work.y_train,
            batch_size=self.work.batch_size,
            epochs=epochs,
            verbose=0,
        )

    def classes(self, x: Array) -> Array:
        """The most probable class of each row."""
        return self.model.predict(x, verbose=0).argmax(axis=1)


class SklearnMLP:
    """scikit-learn's `MLPClassifier`, told not to stop early."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.model = MLPClassifier(
            hidden_layer_sizes=work.sizes[1:-1],
            alpha=0.0,
            batch_size=work.batch_size,
            learning_rate_init=work.learning_rate,
            beta_1=BETA_1,
            beta_2=BETA_2,
            epsilon=EPSILON,
            n_iter_no_change=10**9,
            # A second fit begins with the weights that are there, and with a new Adam.
            warm_start=True,
        )
        self.run(1)  # makes the weights that `reset` sets

    def reset(self, seed: int) -> None:
        """New weights; the next fit makes a new Adam."""
        self.model.set_params(random_state=seed)
        kernels, biases = zip(*self.work.weights(seed), strict=True)
        self.model.coefs_, self.model.intercepts_ = list(kernels), list(biases)

    def run(self, epochs: int) -> None:
        """One `fit`, which reshuffles every epoch."""
        self.model.set_params(max_iter=epochs)
        with warnings.catch_warnings():
            # "Maximum iterations reached": that is what was asked for.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model.fit(self.work.x_train, self.work.y_train)

    def classes(self, x: Array) -> Array:
        """The most probable class of each row."""
        return self.model.predict(x)


class TorchLoop:
    """PyTorch as its tutorials write it: eager, one step after the other.

    On one thread. With PyTorch's default a step takes as long (0.5 ms), but in some
    processes 50 to 90 ms: two OpenMP threads then wait for each other on one core.
    """

    def __init__(self, work: Work) -> None:
        import torch

        torch.set_num_threads(1)
        self.torch, self.work = torch, work
        *hidden, output = [torch.nn.Linear(*sizes) for sizes in pairwise(work.sizes)]
        layers = [part for layer in hidden for part in (layer, torch.nn.ReLU())]
        self.model = torch.nn.Sequential(*layers, output)
        self.linears = [*hidden, output]
        self.loss = torch.nn.CrossEntropyLoss()
        self.x = torch.from_numpy(work.x_train)
        self.y = torch.from_numpy(work.y_train.astype(np.int64))

    def reset(self, seed: int) -> None:
        """New weights and a new Adam."""
        torch = self.torch
        weights = self.work.weights(seed)
        with torch.no_grad():
            for linear, (kernel, bias) in zip(self.linears, weights, strict=True):
                linear.weight.copy_(torch.from_numpy(kernel.T.copy()))
                linear.bias.copy_(torch.from_numpy(bias.copy()))
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), self.work.learning_rate, (BETA_1, BETA_2), EPSILON
        )
        self.generator = torch.Generator().manual_seed(seed)

    def run(self, epochs: int) -> None:
        """Rows by index: a DataLoader would be slower."""
        for _ in range(epochs):
            order = self.torch.randperm(len(self.x), generator=self.generator)
            for rows in order.split(self.work.batch_size):
                self.optimizer.zero_grad()
                loss = self.loss(self.model(self.x[rows]), self.y[rows])
                loss.backward()
                self.optimizer.step()

    def classes(self, x: Array) -> Array:
        """The most probable class of each row."""
        with self.torch.no_grad():
            return self.model(self.torch.from_numpy(x)).argmax(dim=1).numpy()


class JaxScan:
    """JAX with every epoch of a run, shuffles included, in one compiled `lax.scan`.

    It compiles anew for another number of epochs. Gathering all rows of an epoch at once,
    a one-hot loss, unrolling the scan or gathering without bounds checks gained nothing.
    """

    def __init__(self, work: Work) -> None:
        import jax

        self.jax, self.work = jax, work
        self.train = _jax_train(work)
        self.x, self.y = jax.device_put((work.x_train, work.y_train))

    def reset(self, seed: int) -> None:
        """New weights, moments and number of steps: all that Adam remembers."""
        params = self.jax.device_put(self.work.weights(seed))
        zeros = self.jax.tree.map(self.jax.numpy.zeros_like, params)
        self.state = (params, zeros, zeros, np.float32(0))
        self.key = self.jax.random.key(seed)

    def run(self, epochs: int) -> None:
        """One call of the compiled function."""
        keys = self.jax.random.split(self.key, epochs)
        self.state, losses = self.train(self.state, keys, self.x, self.y)
        losses.block_until_ready()

    def classes(self, x: Array) -> Array:
        """The most probable class of each row."""
        return np.asarray(_jax_logits(self.state[0], x)).argmax(axis=1)


def _jax_logits(params: list[tuple[Array, Array]], x: Array) -> Array:
    *hidden, (kernel, bias) = params
    for hidden_kernel, hidden_bias in hidden:
        x = (x @ hidden_kernel + hidden_bias).clip(0)  # ReLU, of NumPy's arrays as well
    return x @ kernel + bias


def _jax_adam_step(learning_rate: float) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
    """From (state, x [batch, n_in], y [batch]) to (state, loss)."""
    import jax
    import jax.numpy as jnp

    def mean_loss(params: Any, x: Any, y: Any) -> Any:
        log_probabilities = jax.nn.log_softmax(_jax_logits(params, x))
        return -jnp.take_along_axis(log_probabilities, y[:, None], axis=1).mean()

    def step(state: Any, x: Any, y: Any) -> tuple[Any, Any]:
        params, first, second, t = state
        loss, grads = jax.value_and_grad(mean_loss)(params, x, y)
        t = t + 1
        first = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, first, grads)
        second = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, second, grads)
        rate = learning_rate * jnp.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
        params = jax.tree.map(
            lambda p, m, v: p - rate * m / (jnp.sqrt(v) + EPSILON), params, first, second
        )
        return (params, first, second, t), loss

    return step


def _jax_train(work: Work) -> Callable[..., tuple[Any, Any]]:
    """From (state, keys [epochs], x, y) to (state, losses [epochs]), compiled."""
    import jax

    step = _jax_adam_step(work.learning_rate)
    in_full_batches = len(work.x_train) // work.batch_size * work.batch_size

    @jax.jit
    def train(state: Any, keys: Any, x: Any, y: Any) -> tuple[Any, Any]:
        def take_step(state: Any, rows: Any) -> tuple[Any, Any]:
            return step(state, x[rows], y[rows])

        def epoch(state: Any, key: Any) -> tuple[Any, Any]:
            order = jax.random.permutation(key, len(x))
            batches = order[:in_full_batches].reshape(-1, work.batch_size)
            state, losses = jax.lax.scan(take_step, state, batches)
            total = losses.sum() * work.batch_size
            short = order[in_full_batches:]
            if len(short):
                state, loss = take_step(state, short)
                total += loss * len(short)
            return state, total / len(x)

        return jax.lax.scan(epoch, state, keys)

    return train


@dataclass(frozen=True)
class Contender:
    """One line of the table.

    Attributes:
        name: as in `--only`.
        title: as in the table.
        epochs: of a timed run.
        make: builds the peer.
        needs: a package that kerasnn alone does not install.
    """

    name: str
    title: str
    epochs: int
    make: Callable[[Work], Peer]
    needs: str | None = None


# The same for all that can be waited for, so that what a run costs once is spread over as
# many steps: those of `kerasnn train digits`.
EPOCHS = 100

CONTENDERS = (
    Contender("kerasnn-xla", "kerasnn xla", EPOCHS, partial(KerasnnTrainer, driver="xla")),
    Contender("jax", "JAX lax.scan", EPOCHS, JaxScan, needs="jax"),
    Contender(
        "kerasnn-graph", "kerasnn graph", EPOCHS, partial(KerasnnTrainer, driver="graph")
    ),
    Contender("scikit-learn", "scikit-learn MLPClassifier", EPOCHS, SklearnMLP),
    Contender("torch", "PyTorch eager", EPOCHS, TorchLoop, needs="torch"),
    Contender("keras", "Keras fit", EPOCHS, KerasFit),
    Contender(
        "keras-jit", "Keras fit, jit_compile", EPOCHS, partial(KerasFit, jit_compile=True)
    ),
    Contender(
        "keras-epoch",
        "Keras fit, steps_per_execution=epoch",
        EPOCHS,
        partial(KerasFit, epoch_per_call=True),
    ),
    Contender("kerasnn-eager", "kerasnn eager", 2, partial(KerasnnTrainer, driver="eager")),
)
