"""scikit-learn in the benchmark."""

import warnings

from benchmark_works import BETA_1, BETA_2, EPSILON, Array, Work
from sklearn.exceptions import ConvergenceWarning
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
