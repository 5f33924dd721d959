"""kerasnn in the benchmark: `kerasnn.fit` of a Keras model, and the lessons' Trainer."""

from typing import Any

from benchmark_keras import KerasFit
from benchmark_works import Array, Work

from kerasnn.choices import Driver
from kerasnn.models import DigitsNetwork
from kerasnn.training import Trainer, fit, make_optimizer


class KerasnnFit(KerasFit):
    """`kerasnn.fit` of the Sequential that Keras trains as well."""

    def __init__(self, work: Work, *, driver: str = "auto") -> None:
        super().__init__(work)
        self.driver = driver

    def fit(self, *rows: Array, **options: Any) -> Any:
        """The arguments are those of Keras."""
        return fit(self.model, *rows, driver=self.driver, **options)


class KerasnnTrainer:
    """`kerasnn.Trainer`, the same one from run to run."""

    def __init__(self, work: Work, *, driver: Driver) -> None:
        self.work, self.seed = work, 0
        n_in, *hidden_units, n_out = work.sizes
        self.network = DigitsNetwork(n_in, tuple(hidden_units), n_out)
        self.trainer = Trainer(
            self.network,
            optimizer=make_optimizer("adam", work.learning_rate),
            driver=driver,
        )

    def reset(self, seed: int) -> None:
        """New weights, the optimizer as it was; nothing is compiled again."""
        self.seed = seed
        self.trainer.reset(seed)
        weights = self.work.weights(seed)
        for layer, (kernel, bias) in zip(self.network.layers, weights, strict=True):
            layer.kernel.assign(kernel)
            layer.bias.assign(bias)

    def run(self, epochs: int) -> dict[str, float]:
        """One `fit`."""
        history = self.trainer.fit(
            self.work.x_train,
            self.work.y_train,
            epochs=epochs,
            batch_size=self.work.batch_size,
            batching="shuffled",
            seed=self.seed,
        )
        return {name: values[-1] for name, values in history.history.items()}

    def outputs(self, x: Array) -> Array:
        """Probabilities."""
        return self.trainer.predict(x)["probabilities"]
