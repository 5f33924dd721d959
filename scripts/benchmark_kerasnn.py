"""kerasnn in the benchmark: `kerasnn.fit`, the lessons' Trainer, and `cross_validate`."""

from typing import Any

from benchmark_keras import KerasFit
from benchmark_works import Array, CrossValidation, Work
from sklearn.model_selection import StratifiedKFold, cross_val_score

from kerasnn import NetworkClassifier, cross_validate
from kerasnn.choices import Driver
from kerasnn.datasets import infer_schema
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


class KerasnnCrossValidation:
    """`kerasnn.cross_validate` of a plain network, with the recipe's learning rate.

    It has no embedding, dropout, weight decay or smoothing of the labels.

    Args:
        work: rows, network and folds.
        together: else scikit-learn's `cross_val_score`, one fold after the other.
    """

    def __init__(self, work: CrossValidation, *, together: bool) -> None:
        self.work, self.together, self.seed = work, together, 0
        self.scores: Array | None = None

    def reset(self, seed: int) -> None:
        """Every run begins anew; what is compiled stays."""
        self.seed = seed

    def run(self, epochs: int) -> dict[str, float]:
        """Train and score each fold."""
        x, y = self.work.x_train, self.work.y_train
        estimator = NetworkClassifier(
            hidden_units=self.work.sizes[1:-1],
            members=1,
            folds=0,
            epochs=epochs,
            batch_size=self.work.batch_size,
            weight_decay=0.0,
            dropout=0.0,
            label_smoothing=0.0,
            activation="relu",
            embedding="none",
            # A pixel that is not 0 in one row alone is an input in every fold: networks
            # of equal size are trained in one loop.
            schema=infer_schema(x),
            random_state=self.seed,
        )
        folds = StratifiedKFold(self.work.folds)
        if self.together:
            self.scores = cross_validate(estimator, x, y, cv=folds)["test_score"]
        else:
            self.scores = cross_val_score(estimator, x, y, cv=folds)
        return {"accuracy": float(self.scores.mean())}

    def outputs(self, x: Array) -> Array:
        """The accuracy of each fold; there are no other rows."""
        assert self.scores is not None
        return self.scores
