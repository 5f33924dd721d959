"""scikit-learn in the benchmark."""

import warnings

from benchmark_works import BETA_1, BETA_2, EPSILON, Array, CrossValidation, Work
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neural_network import MLPClassifier


class SklearnMLP:
    """`MLPClassifier`, told not to stop early."""

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

    def run(self, epochs: int) -> dict[str, float]:
        """One `fit`, which reshuffles every epoch."""
        self.model.set_params(max_iter=epochs)
        with warnings.catch_warnings():
            # "Maximum iterations reached": that is what was asked for.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model.fit(self.work.x_train, self.work.y_train)
        return {"loss": float(self.model.loss_)}

    def outputs(self, x: Array) -> Array:
        """Probabilities."""
        return self.model.predict_proba(x)


class SklearnCrossValidation:
    """`cross_val_score` of `MLPClassifier` as it comes, told not to stop early.

    Args:
        work: rows, network and folds.
        n_jobs: processes that train folds at the same time.
    """

    def __init__(self, work: CrossValidation, *, n_jobs: int) -> None:
        self.work, self.n_jobs, self.seed = work, n_jobs, 0
        self.scores: Array | None = None

    def reset(self, seed: int) -> None:
        """Every run begins anew."""
        self.seed = seed

    def run(self, epochs: int) -> dict[str, float]:
        """Train and score each fold."""
        model = QuietMLP(
            hidden_layer_sizes=self.work.sizes[1:-1],
            batch_size=self.work.batch_size,
            learning_rate_init=self.work.learning_rate,
            max_iter=epochs,
            n_iter_no_change=10**9,
            random_state=self.seed,
        )
        self.scores = cross_val_score(
            *(model, self.work.x_train, self.work.y_train),
            cv=StratifiedKFold(self.work.folds),
            n_jobs=self.n_jobs,
        )
        return {"accuracy": float(self.scores.mean())}

    def outputs(self, x: Array) -> Array:
        """The accuracy of each fold; there are no other rows."""
        assert self.scores is not None
        return self.scores


class QuietMLP(MLPClassifier):
    """It does not warn in the processes of `n_jobs`, which no filter here reaches."""

    def fit(self, X: Array, y: Array) -> "QuietMLP":  # noqa: N803
        """As ever; "Maximum iterations reached" is what was asked for."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return super().fit(X, y)
