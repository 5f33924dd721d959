"""The trees' part of the reasons equals Shapley's formula, and enters the whole."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
import tensorflow as tf
from sklearn.ensemble import HistGradientBoostingClassifier

from kerasnn.explanations import Background, Explainer
from kerasnn.explanations.tree_values import TreeValues
from kerasnn.models import TabularConfig, TabularNetwork
from kerasnn.trees import Forest
from kerasnn.trees.bins import Bins
from kerasnn.trees.sklearn_trees import forest_of

CARDINALITIES = (5, 9)
# "a" is a number, its indicator and a code; "none" has no input.
FEATURES = {
    "a": ([0, 2], [1]),
    "b": ([1], []),
    "none": ([], []),
    "c": ([3], []),
    "d": ([], [0]),
}


def drawn_rows(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    x = rng.normal(size=(n, 4)).astype(np.float32)
    x[:, 2] = x[:, 2] > 0
    codes = np.stack([rng.integers(0, size, n) for size in CARDINALITIES], axis=1)
    return x, codes.astype(np.int32)


@pytest.fixture(scope="module")
def forest() -> Forest:
    """Return the mean of two forests of three classes, one of them of single leaves."""
    x, codes = drawn_rows(np.random.default_rng(0), 500)
    bins = Bins.fit(x, CARDINALITIES)
    score = (
        x[:, 0] * x[:, 1] + x[:, 3] * (codes[:, 0] > 2) + (codes[:, 1] % 3 == 1) * x[:, 2]
    )
    coded = np.arange(6) < 2
    settings = {"max_iter": 6, "max_depth": 6, "categorical_features": coded}
    forests = [
        forest_of(
            HistGradientBoostingClassifier(min_samples_leaf=least, **settings).fit(
                bins.columns(x, codes), np.digitize(score, [-0.5, 0.5])
            ),
            6,
            bins,
        )
        for least in (5, 400)
    ]
    return Forest.mean(forests)


def network_with(forest: Forest) -> TabularNetwork:
    """Return a network of members that answer 0, and trees."""
    config = TabularConfig(
        n_numeric=2,
        n_in=4,
        n_out=3,
        task="multiclass",
        cardinalities=CARDINALITIES,
        members=4,
        hidden_units=(8,),
        forest=forest.shape,
    )
    network = TabularNetwork(config)
    network.add_trees(forest, 1.0)
    return network


def shapley(worth: dict[tuple[int, ...], np.ndarray], n: int) -> np.ndarray:
    """Return the Shapley values of n players by the definition."""
    found = []
    for player in range(n):
        total = np.zeros(())
        for chosen in (c for c in worth if player not in c):
            share = 1 / (n * math.comb(n - 1, len(chosen)))
            total = total + share * (
                worth[tuple(sorted((*chosen, player)))] - worth[chosen]
            )
        found.append(total)
    return np.array(found)


def mean_outputs(
    network: TabularNetwork, row: Sequence[np.ndarray], background: Sequence[np.ndarray]
) -> dict[tuple[int, ...], np.ndarray]:
    """Return the trees' mean outputs when columns of the background are the row's."""
    numbers = range(len(FEATURES))
    subsets = [c for n in range(6) for c in itertools.combinations(numbers, n)]
    mixed = [np.stack([part] * len(subsets)) for part in background]
    for own, chosen in enumerate(subsets):
        for column in chosen:
            for part, given, places in zip(
                mixed, row, list(FEATURES.values())[column], strict=True
            ):
                part[own][:, places] = given[places]
    flat = (tf.constant(part.reshape(-1, part.shape[-1])) for part in mixed)
    outputs = network.tree_outputs(*flat).numpy().reshape(len(subsets), -1, 3)
    return dict(zip(subsets, outputs.mean(axis=1), strict=True))


def test_tree_values_are_those_of_shapleys_formula(forest: Forest) -> None:
    network = network_with(forest)
    background = drawn_rows(np.random.default_rng(1), 20)
    values = TreeValues(
        network, Background(*background, np.zeros((20, 3))), [*FEATURES.values()]
    )
    outputs = network.tree_outputs(*map(tf.constant, background)).numpy()
    np.testing.assert_allclose(values.base, outputs.mean(axis=0), atol=1e-6)
    evaluate = values.evaluator()
    for row in zip(*drawn_rows(np.random.default_rng(2), 5), strict=True):
        expected = shapley(mean_outputs(network, row, background), len(FEATURES))
        assert np.abs(expected).max() > 0.01
        np.testing.assert_allclose(evaluate(*map(tf.constant, row)), expected, atol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("max_players", [64, 2, 1])
def test_reasons_of_trees_alone_are_their_values(forest: Forest, max_players: int) -> None:
    """Members that answer 0 have no part in the reasons; then nothing is sampled."""
    network = network_with(forest)
    rows = tuple(map(tf.constant, drawn_rows(np.random.default_rng(1), 20)))
    logs = np.log(network.call(rows))
    logs -= logs.mean(axis=1, keepdims=True)
    background = Background(*(part.numpy() for part in rows), logs)
    explainer = Explainer(network, FEATURES, background, max_players=max_players)
    found = explainer(*rows, network.call(rows))
    evaluate = TreeValues(network, background, [*FEATURES.values()]).evaluator()
    expected = np.stack([evaluate(*row) for row in zip(*rows, strict=True)])
    expected -= expected.mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(found["contributions"], expected, atol=2e-5)
    np.testing.assert_allclose(found["standard_error"], 0, atol=1e-5)
