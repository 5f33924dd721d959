"""Reasons: additive, equal to Shapley's formula, and alike in Python and SavedModel."""

import itertools
import math
import pickle
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from kerasnn import NetworkClassifier, saving
from kerasnn.errors import InputError
from kerasnn.explanations import (
    Background,
    Explainer,
    choose_background,
    contribution_frame,
    explained_scale,
)
from kerasnn.explanations.coalitions import draw_coalitions
from kerasnn.explanations.explainer import mixtures, with_residual
from kerasnn.explanations.players import choose_players, columns_of_inputs
from kerasnn.models import TabularConfig, TabularNetwork

TINY = {"members": 4, "folds": 2, "epochs": 2, "hidden_units": (8,), "random_state": 0}


def network_of(task: str = "binary", n_out: int = 2, **settings) -> TabularNetwork:
    """Return a network with random weights for three numbers, an indicator, two codes."""
    config = TabularConfig(
        n_numeric=3,
        n_in=4,
        n_out=n_out,
        task=task,
        cardinalities=(3, 4),
        **{"members": 4, "hidden_units": (16, 16), "n_frequencies": 4, **settings},
    )
    network = TabularNetwork(config)
    rng = np.random.default_rng(0)
    rows = rows_of(rng, 32)
    x, codes = (np.broadcast_to(part, (config.members, *part.shape)) for part in rows)
    network.initialize(x, codes, range(config.members))
    if task == "regression":
        network.target_scale.assign(np.full(n_out, 3.0))
        network.target_low.assign(np.full(n_out, -1e3))
        network.target_high.assign(np.full(n_out, 1e3))
    return network


def rows_of(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    numbers = rng.normal(size=(n, 3)).astype(np.float32)
    indicator = rng.integers(0, 2, (n, 1)).astype(np.float32)
    codes = np.stack([rng.integers(0, 3, n), rng.integers(0, 4, n)], axis=1)
    return np.concatenate([numbers, indicator], axis=1), codes.astype(np.int32)


# The column "b" has a number, its indicator and a code; "none" has no feature.
FEATURES = {
    "a": ([0], []),
    "b": ([1, 3], [0]),
    "c": ([2], []),
    "none": ([], []),
    "d": ([], [1]),
}


Explain = Callable[..., dict[str, np.ndarray]]


def explainer_of(network: TabularNetwork, **options: int) -> Explain:
    """Return a function of x and codes, with a background of 12 rows."""
    x, codes = rows_of(np.random.default_rng(1), 12)

    def explained(x: np.ndarray, codes: np.ndarray) -> np.ndarray:
        given = network.call((tf.constant(x), tf.constant(codes)))
        return explained_scale(network.config.task, given).numpy().astype(float)

    background = choose_background(x, codes, explained)
    explainer = Explainer(network, FEATURES, background, **options)

    def explain(x: np.ndarray, codes: np.ndarray) -> dict[str, np.ndarray]:
        rows = tf.constant(x), tf.constant(codes)
        return {n: v.numpy() for n, v in explainer(*rows, network.call(rows)).items()}

    return explain


def test_first_layer_and_outputs_of_its_sums_give_the_outputs() -> None:
    for settings in (
        {},
        {"hidden_units": ()},
        {"embedding": "piecewise-linear", "scaled": False},
        {"embedding": "none", "activation": "mish"},
    ):
        network = network_of(**settings)
        x, codes = map(
            network.for_each_member, map(tf.constant, rows_of(np.random.default_rng(2), 5))
        )
        weights, bias = network.first_kernel(), network.first_bias()
        inputs = network.embedded(x, codes)
        sums = inputs @ weights + bias
        np.testing.assert_allclose(network.first_sums(inputs) + bias, sums, atol=2e-5)
        np.testing.assert_allclose(
            network.outputs_of_sums(sums), network.member_outputs(x, codes), atol=2e-5
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "n_out"),
    [("binary", 2), ("multiclass", 3), ("regression", 1), ("regression", 2)],
)
def test_contributions_add_up_to_the_answer_minus_the_mean(task: str, n_out: int) -> None:
    network = network_of(task, n_out)
    explainer = explainer_of(network)
    x, codes = rows_of(np.random.default_rng(2), 7)
    found = explainer(x, codes)
    answer = explained_scale(task, network.call((x, codes))).numpy()
    total = found["contributions"].sum(axis=1) + found["base"]
    np.testing.assert_allclose(total.reshape(answer.shape), answer, atol=1e-5)
    assert (found["contributions"][:, 3] == 0).all()  # the column without a feature
    assert found["contributions"].shape == found["standard_error"].shape


def test_contributions_are_shapley_values_of_the_members() -> None:
    """Compare with Shapley's formula for the mean logit over members and background."""
    network = network_of()
    explainer = explainer_of(network)
    x, codes = rows_of(np.random.default_rng(2), 3)
    background = rows_of(np.random.default_rng(1), 12)
    columns = [name for name in FEATURES if name != "none"]
    values = {
        chosen: mean_logits(network, (x, codes), background, chosen)
        for size in range(5)
        for chosen in itertools.combinations(columns, size)
    }
    expected = np.zeros((3, len(FEATURES)))
    for i, name in enumerate(FEATURES):
        for chosen, value in values.items():
            if name in chosen or name == "none":
                continue
            share = 1 / (4 * math.comb(3, len(chosen)))
            joined = tuple(c for c in columns if c in (*chosen, name))
            expected[:, i] += share * (values[joined] - value)
    base = explained(network, *background).mean()
    left = explained(network, x, codes) - base - expected.sum(axis=1)
    sizes = np.abs(expected) / np.abs(expected).sum(axis=1, keepdims=True)
    expected += sizes * left[:, np.newaxis]
    found = explainer(x, codes)
    # Each member has all 12 rows and all coalitions: nothing is sampled.
    np.testing.assert_allclose(found["contributions"], expected, atol=1e-3)


def explained(network: TabularNetwork, x: np.ndarray, codes: np.ndarray) -> np.ndarray:
    answers = network.call((tf.constant(x), tf.constant(codes)))
    return explained_scale(network.config.task, answers).numpy()[:, 0]


def mean_logits(network, rows, background, chosen) -> np.ndarray:
    """Return the mean logit when the chosen columns are the row's, [rows]."""
    found = []
    for x, codes in zip(*rows, strict=True):
        mixed_x, mixed_codes = (part.copy() for part in background)
        for name in chosen:
            in_x, in_codes = FEATURES[name]
            mixed_x[:, in_x], mixed_codes[:, in_codes] = x[in_x], codes[in_codes]
        members = map(network.for_each_member, map(tf.constant, (mixed_x, mixed_codes)))
        found.append(float(tf.reduce_mean(network.member_outputs(*members))))
    return np.array(found)


def test_orders_change_each_player_once_in_each_direction() -> None:
    drawn = draw_coalitions(7, members=3, n_background=30)
    assert drawn.masks.shape[2:] == (6, 7)
    assert drawn.masks.shape[1] == round(1024 / (12 * 3))
    states = np.concatenate(
        [
            np.zeros((*drawn.masks.shape[:2], 1, 7)),
            drawn.masks,
            1 - drawn.masks,
            np.ones((*drawn.masks.shape[:2], 1, 7)),
        ],
        axis=2,
    )
    # A game in which each player adds its own number gives exactly these.
    worth = np.arange(1.0, 8)
    found = np.einsum("mgps,mgs->mgp", drawn.weights, states @ worth)
    np.testing.assert_allclose(found, np.broadcast_to(worth, found.shape), atol=1e-5)
    assert np.ptp(np.bincount(drawn.background.ravel(), minlength=30)) <= 1


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("values", [1, 4])
def test_parts_that_all_members_share_are_mixed_as_those_of_each(groups, values) -> None:
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 2, [16, groups, 14, 15]).astype(np.float32)
    parts = rng.normal(size=[15, values]).astype(np.float32)
    expected = np.concatenate([masks @ parts, (1 - masks) @ parts], axis=2)
    of_each = np.broadcast_to(parts, [16, groups, 15, values])
    for given in (parts, of_each):
        found = mixtures(tf.constant(masks), tf.constant(given))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_all_coalitions_give_the_shapley_values_of_a_game() -> None:
    drawn = draw_coalitions(3, members=2, n_background=5)
    masks = drawn.masks[0, 0]
    states = np.concatenate([np.zeros((1, 3)), masks, 1 - masks, np.ones((1, 3))])
    # The glove game: one left glove (player 0) and two right ones; a pair is worth 1.
    worth = states[:, 0] * (states[:, 1:].max(axis=1))
    np.testing.assert_allclose(
        drawn.weights[0, 0] @ worth, [2 / 3, 1 / 6, 1 / 6], atol=1e-6
    )


def test_the_smallest_of_many_columns_share_a_player() -> None:
    sizes = np.array([5.0, 0, 1, 4, 2, 3])
    players = choose_players(np.array([0, 0, 2, 3, 4, 5]), sizes, maximum=3)
    assert players.count == 3
    assert players.together.tolist() == [2, 4, 5]
    assert players.of_columns.tolist() == [0, 3, 2, 1, 2, 2]  # 3: no input, no player
    assert players.of_inputs.tolist() == [0, 0, 2, 1, 2, 2]


def test_columns_that_share_a_player_split_its_contribution() -> None:
    network = network_of()
    explainer = explainer_of(network, max_players=2)
    rows = rows_of(np.random.default_rng(2), 4)
    found = explainer(*rows)
    total = found["contributions"].sum(axis=1) + found["base"]
    np.testing.assert_allclose(total, explained(network, *rows), atol=1e-5)
    exact = explainer_of(network)(*rows)["contributions"]
    assert np.corrcoef(found["contributions"].ravel(), exact.ravel())[0, 1] > 0.9


def test_inputs_of_codes_and_embeddings_belong_to_their_column() -> None:
    network = network_of()
    of_inputs = columns_of_inputs(network.config, FEATURES)
    assert len(of_inputs) == network.config.n_embedded
    assert of_inputs.tolist() == [
        0,
        1,
        2,
        1,
        *[0] * 3,
        *[1] * 3,
        *[2] * 3,
        *[1] * 8,
        *[4] * 8,
    ]


def test_residual_is_shared_in_proportion_and_evenly_if_there_is_nothing() -> None:
    given = tf.constant([[1.0, 0.0], [-3.0, 0.0]])
    found = with_residual(given, tf.constant([2.0, 1.0]))
    np.testing.assert_allclose(found, [[1.5, 0.5], [-1.5, 0.5]])


def test_background_has_the_mean_answer_of_the_rows() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 1)).astype(np.float32)
    codes = np.zeros((3000, 0), np.int32)
    background = choose_background(x, codes, lambda x, codes: x.astype(float), n_rows=32)
    assert background.x.shape == (32, 1)
    assert abs(background.base[0] - x.mean()) < 0.05  # of 32 random rows: 0.18
    few = choose_background(x[:5], codes[:5], lambda x, codes: x.astype(float))
    assert sorted(few.x[:, 0]) == sorted(x[:5, 0])


@pytest.fixture(scope="module")
def trained() -> SimpleNamespace:
    """Return a classifier of three classes and its export."""
    rng = np.random.default_rng(0)
    n = 90
    table = pd.DataFrame(
        {
            "size": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "kind of thing": rng.choice(["x", "y", "z"], n),
            "noise": rng.normal(size=n),
        }
    )
    y = np.where(
        table["size"].fillna(0) > 0.5,
        "big",
        np.where(table["kind of thing"] == "x", "ex", "no"),
    )
    return SimpleNamespace(
        table=table, y=y, estimator=NetworkClassifier(**TINY).fit(table, y)
    )


@pytest.fixture(scope="module")
def saved(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "things"
    trained.estimator.export(folder)
    return saving.load(folder)


def test_explain_adds_up_for_the_predicted_class_and_any_other(trained) -> None:
    estimator, rows = trained.estimator, trained.table[:20]
    logs = np.log(estimator.predict_proba(rows))
    logs -= logs.mean(axis=1, keepdims=True)
    frame = estimator.explain(rows)
    assert list(frame) == ["size", "kind of thing", "noise", "(mean)"]
    np.testing.assert_allclose(frame.sum(axis=1), logs.max(axis=1), atol=1e-5)
    for i, label in enumerate(estimator.classes_):
        total = estimator.explain(rows, of=label).sum(axis=1)
        np.testing.assert_allclose(total, logs[:, i], atol=1e-5)
    errors = estimator.explain(rows, standard_errors=True)
    assert list(errors) == list(rows)
    assert (errors.to_numpy() >= 0).all()


@pytest.mark.slow
def test_saved_table_explains_as_the_estimator_does(trained, saved) -> None:
    rows = trained.table
    for of in (None, "ex"):
        expected = trained.estimator.explain(rows, of=of)
        pd.testing.assert_frame_equal(saved.explain(rows, of=of), expected, atol=1e-6)
    outputs = saved.signature_outputs("explain", rows)
    answers = saved.predict(rows)
    assert outputs["class"].tolist() == answers["class"].tolist()
    np.testing.assert_allclose(
        outputs["probabilities"], answers["probabilities"], atol=1e-6
    )
    described = saved.manifest["signatures"]["explain"]["outputs"]
    assert described["contributions"] == {"dtype": "float32", "shape": [None, 3, 3]}


def test_rows_are_explained_alone(trained) -> None:
    rows = trained.table[:6]
    frame = trained.estimator.explain(rows)
    alone = pd.concat([trained.estimator.explain(rows[i : i + 1]) for i in range(6)])
    np.testing.assert_allclose(frame, alone, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("columns", [24, 70])
def test_a_wide_table_is_explained_and_exported(columns, tmp_path) -> None:
    """With many columns each member plays a single group of coalitions."""
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(80, columns)))
    table.columns = [f"column {i}" for i in range(columns)]
    settings = {"members": 16, "folds": 2, "epochs": 1, "random_state": 0}
    network = NetworkClassifier(**settings).fit(
        table, table["column 0"] + table["column 1"] > 0
    )
    assert network.trees_ is not None
    rows = table[:9]
    loaded = saving.load(network.export(tmp_path / "wide"))
    for one in (network, loaded):
        total = one.explain(rows).sum(axis=1)
        logs = np.log(network.predict_proba(rows))
        np.testing.assert_allclose(total, logs[:, 1] - logs[:, 0], atol=1e-4)


def test_explain_wants_a_class_of_the_target(trained, saved) -> None:
    for explain in (trained.estimator.explain, saved.explain):
        with pytest.raises(InputError, match=r"of must be .*: big, ex, no; got 'large'"):
            explain(trained.table, of="large")


def test_a_pickled_estimator_explains_the_same(trained) -> None:
    again = pickle.loads(pickle.dumps(trained.estimator))
    rows = trained.table[:4]
    pd.testing.assert_frame_equal(again.explain(rows), trained.estimator.explain(rows))


def test_two_classes_are_each_others_opposite() -> None:
    outputs = {"contributions": np.array([[1.0, -2.0]]), "base": np.array([0.5])}
    frame = contribution_frame(outputs, ["a", "b"], ["no", "yes"])
    assert frame.to_dict("list") == {"a": [1.0], "b": [-2.0], "(mean)": [0.5]}
    assert contribution_frame(outputs, ["a", "b"], ["no", "yes"], of="no").equals(-frame)
    assert contribution_frame(outputs, ["a", "b"], []).equals(frame)  # of a regression
    named = contribution_frame(outputs, ["a", "(mean)"], [])
    assert list(named) == ["a", "(mean)", "(mean) of the answers"]


def test_one_of_several_values_must_be_chosen() -> None:
    outputs = {
        "contributions": np.array([[[1.0, -2.0]]]),
        "base": np.array([[0.5, 4.0]]),
        "value": np.array([[1.5, 2.0]]),
    }
    frame = contribution_frame(outputs, ["a"], [], of=1)
    assert frame.to_dict("list") == {"a": [-2.0], "(mean)": [4.0]}
    with pytest.raises(InputError, match="has 2 values; say which"):
        contribution_frame(outputs, ["a"], [])


def test_a_background_of_one_row_is_enough() -> None:
    network = network_of("regression", 1)
    x, codes = rows_of(np.random.default_rng(3), 1)
    rows = tf.constant(x), tf.constant(codes)
    answers = network.call(rows)
    explainer = Explainer(network, FEATURES, Background(x, codes, answers.numpy()))
    found = explainer(*rows, answers)
    np.testing.assert_allclose(found["contributions"], 0, atol=2e-3)


def test_an_estimator_that_an_older_version_fitted_says_so(trained, tmp_path):
    older = pickle.loads(pickle.dumps(trained.estimator))
    del older.background_
    np.testing.assert_array_equal(
        older.predict_proba(trained.table), trained.estimator.predict_proba(trained.table)
    )
    for ask in (
        lambda: older.explain(trained.table),
        lambda: older.check(trained.table),
        lambda: older.export(tmp_path / "things"),
    ):
        with pytest.raises(InputError, match="older version of kerasnn: it has no backg"):
            ask()
    assert not (tmp_path / "things").exists()
