"""Trees in the graph answer as scikit-learn's, and stand beside the networks."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

import kerasnn
from kerasnn.ensembles.validation import ValidationScore
from kerasnn.errors import InputError
from kerasnn.estimators import blending, default_recipe
from kerasnn.estimators.blending import EVEN, FEW_ROWS, SMALLER, _chosen
from kerasnn.trees import Forest, boosting
from kerasnn.trees.bins import MAX_BINS, Bins
from kerasnn.trees.boosting import BoostedFolds, Rows
from kerasnn.trees.forest import CELLS_PER_BLOCK
from kerasnn.trees.sklearn_trees import all_outputs, forest_of

CARDINALITIES = (300, 12)  # more codes than scikit-learn has categories, and few
N = 400


def drawn_rows(rng: np.random.Generator, n: int = N) -> tuple[np.ndarray, np.ndarray]:
    x = rng.normal(size=(n, 4)).astype(np.float32)
    x[:, 3] = np.round(x[:, 3])
    codes = np.stack([rng.integers(0, size, n) for size in CARDINALITIES], axis=1)
    return x, codes.astype(np.int32)


def targets_of(x: np.ndarray, codes: np.ndarray, n_out: int) -> np.ndarray:
    """Return values for n_out 1, else that many classes."""
    value = x[:, 0] * x[:, 1] + x[:, 3] + codes[:, 0] % 5 + 2 * (codes[:, 1] == 3)
    if n_out == 1:
        return value
    return np.digitize(value, np.quantile(value, np.arange(1, n_out) / n_out))


def fitted_model(
    x: np.ndarray, codes: np.ndarray, n_out: int, bins: Bins, seen=None, **settings
) -> HistGradientBoostingClassifier | HistGradientBoostingRegressor:
    make = HistGradientBoostingRegressor if n_out == 1 else HistGradientBoostingClassifier
    model = make(
        max_iter=12,
        early_stopping=False,
        categorical_features=np.arange(x.shape[1] + codes.shape[1]) < codes.shape[1],
        random_state=0,
        **settings,
    )
    targets = targets_of(x, codes, n_out)
    return model.fit(bins.columns(x, codes), targets if seen is None else seen[targets])


@pytest.mark.parametrize("n_out", [1, 2, 3])
def test_a_forest_answers_as_the_model(rng: np.random.Generator, n_out: int) -> None:
    x, codes = drawn_rows(rng)
    bins = Bins.fit(x, CARDINALITIES)
    model = fitted_model(x, codes, n_out, bins)
    new_x, new_codes = drawn_rows(rng, 2 * CELLS_PER_BLOCK // (12 * n_out) + 3)
    rows = np.concatenate([x, 3 * new_x]), np.concatenate([codes, new_codes])
    found = forest_of(model, 12, bins).outputs(*rows).numpy()
    outputs = model.predict if n_out == 1 else model.decision_function
    expected = outputs(bins.columns(*rows)).reshape(found.shape)
    np.testing.assert_allclose(found, expected, atol=2e-6, rtol=1e-6)


@pytest.mark.parametrize("n_out", [3, 4])
def test_a_class_that_a_model_never_saw_is_as_likely_as_half_a_row(
    rng: np.random.Generator, n_out: int
) -> None:
    x, codes = drawn_rows(rng)
    bins = Bins.fit(x, CARDINALITIES)
    seen = np.array([0, 1, 3])[: n_out - 1]  # of classes 0, 1, 2; or of 0, 1, 2, 3
    model = fitted_model(x, codes, n_out - 1, bins, seen=seen)
    columns = bins.columns(x, codes)
    found = forest_of(model, 12, bins, n_out).outputs(x, codes).numpy()
    np.testing.assert_allclose(
        softmax(found[:, seen], axis=1), model.predict_proba(columns), atol=1e-5
    )
    own = model.decision_function(columns).reshape(N, -1)
    np.testing.assert_allclose(found, all_outputs(model, own, n_out), atol=2e-6, rtol=1e-6)
    before = np.exp(forest_of(model, 12, bins, n_out).baseline)
    share = np.delete(before, seen) / before[seen].sum()
    np.testing.assert_allclose(share, 0.5 / N, rtol=1e-5)


def test_an_unseen_code_goes_where_missing_values_go(rng: np.random.Generator) -> None:
    x, codes = drawn_rows(rng)
    seen = codes[:, 1] != 7
    bins = Bins.fit(x, CARDINALITIES)
    model = fitted_model(x[seen], codes[seen], 1, bins)
    found = forest_of(model, 12, bins).outputs(x, codes).numpy()[:, 0]
    expected = model.predict(bins.columns(x, codes))
    assert (~seen).any()
    np.testing.assert_allclose(found, expected, atol=2e-6, rtol=1e-6)


def test_the_warning_filters_of_the_program_survive_the_threads(monkeypatch) -> None:
    def grow(folds, model, fold):
        warnings.resetwarnings()  # as scikit-learn does, and a thread undoes too late
        warnings.warn("`sklearn.utils.parallel.delayed` should be used", UserWarning, 1)
        warnings.warn("too few rows", RuntimeWarning, 1)
        return np.zeros((len(fold[1]), 1))

    monkeypatch.setattr(BoostedFolds, "_grow", grow)
    x, codes = drawn_rows(np.random.default_rng(0), 20)
    rows = Rows(x, codes, targets_of(x, codes, 1), np.ones(20))
    halves = np.arange(10), np.arange(10, 20)
    folds = BoostedFolds(rows, [halves, halves[::-1]], "regression", CARDINALITIES, seed=0)

    def filters_stay() -> bool:
        before = list(warnings.filters)
        folds.grow()
        return warnings.filters == before

    with pytest.warns(RuntimeWarning, match="too few rows") as caught:
        assert filters_stay()
    assert {w.category for w in caught} == {RuntimeWarning}


def test_neighbouring_numbers_of_float32_are_told_apart() -> None:
    low = np.float32(1.0)
    high = np.nextafter(low, np.float32(2))
    x = np.where(np.arange(100) < 50, low, high)[:, np.newaxis]
    bins = Bins.fit(x, ())
    model = HistGradientBoostingRegressor(max_iter=20, learning_rate=0.5)
    model.fit(bins.columns(x, np.empty((100, 0))), (x[:, 0] > low).astype(float))
    found = forest_of(model, 20, bins).outputs(x, np.empty((100, 0), np.int32)).numpy()
    np.testing.assert_allclose(found[:, 0], x[:, 0] > low, atol=1e-3)


def test_many_values_are_binned_by_quantiles(rng: np.random.Generator) -> None:
    x = rng.normal(size=(5000, 1)).astype(np.float32)
    columns = Bins.fit(x, ()).columns(x, np.empty((5000, 0)))
    counts = np.unique(columns, return_counts=True)[1]
    assert MAX_BINS - 5 <= len(counts) <= MAX_BINS
    assert counts.max() <= 3 * 5000 / MAX_BINS
    assert np.all(np.diff(columns[np.argsort(x[:, 0]), 0]) >= 0)


def test_a_mean_of_forests(rng: np.random.Generator) -> None:
    x, codes = drawn_rows(rng)
    bins = Bins.fit(x, CARDINALITIES)
    forests = [
        forest_of(fitted_model(x, codes, 3, bins, max_features=0.5, max_depth=d), 12, bins)
        for d in (2, 6)
    ]
    outputs = [forest.outputs(x, codes).numpy() for forest in forests]
    mean = Forest.mean(forests)
    np.testing.assert_allclose(mean.outputs(x, codes), np.mean(outputs, axis=0), atol=1e-5)


def test_no_rows_have_no_outputs(rng: np.random.Generator) -> None:
    x, codes = drawn_rows(rng)
    bins = Bins.fit(x, CARDINALITIES)
    forest = forest_of(fitted_model(x, codes, 3, bins), 12, bins)
    assert forest.outputs(x[:0], codes[:0]).shape == (0, 3)


def boosted(rng_seed: int = 0, *, weighted: bool = False) -> BoostedFolds:
    rng = np.random.default_rng(rng_seed)
    x, codes = drawn_rows(rng)
    weights = np.ones(N, np.float32)
    if weighted:
        weights[: N // 2] = 0
    order = rng.permutation(N)
    parts = np.array_split(order, 3)
    folds = [(np.setdiff1d(order, part), part) for part in parts[:2]]
    rows = Rows(x, codes, targets_of(x, codes, 3), weights)
    return BoostedFolds(rows, folds, "multiclass", CARDINALITIES, seed=1)


def test_rows_are_predicted_by_the_model_that_left_them_out() -> None:
    folds = boosted()
    outputs = folds.grow()
    rows = np.concatenate([left_out for _, left_out in folds._folds])
    assert np.isfinite(outputs[rows]).all()
    assert np.isnan(np.delete(outputs, rows, axis=0)).all()
    assert folds.rounds == 25
    assert folds.forest(25).shape.trees == 2 * 25 * 3


def test_more_rows_get_larger_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    small = boosting.Growth(0, max_leaf_nodes=4, max_depth=2)
    nodes = []
    for from_rows in (N + 1, N):
        large = boosting.Growth(from_rows, max_leaf_nodes=15, max_depth=6)
        monkeypatch.setattr(boosting, "GROWTHS", (large, small))
        folds = boosted()
        folds.grow()
        nodes.append(folds.forest(25).shape.nodes)
    assert nodes[0] <= 2 * 25 * 3 * 7 < nodes[1]  # a tree of 4 leaves has 7 nodes


def test_equal_folds_grow_to_equal_bits() -> None:
    for weighted in (False, True):
        forests = []
        for _ in range(2):
            folds = boosted(weighted=weighted)
            folds.grow()
            forests.append(folds.forest(25))
        for first, second in zip(*(forest.arrays for forest in forests), strict=True):
            np.testing.assert_array_equal(first, second)


def scores_of(**losses: float) -> dict[float, ValidationScore]:
    """Return scores of rows whose losses differ by chance only where means are equal."""
    noise = np.random.default_rng(0).normal(size=100)
    return {
        float(share): ValidationScore(loss + 0.1 * i * (noise - noise.mean()), np.ones(100))
        for i, (share, loss) in enumerate((float(k[1:]) / 10, v) for k, v in losses.items())
    }


def test_the_even_share_is_chosen_unless_another_is_better_beyond_chance() -> None:
    assert _chosen(scores_of(s0=1.0, s5=1.0, s10=1.0), EVEN) == 0.5
    assert _chosen(scores_of(s0=1.0, s5=1.001, s10=2.0), EVEN) == 0.5
    assert _chosen(scores_of(s0=1.0, s5=2.0, s10=2.0), EVEN) == 0.0
    assert _chosen(scores_of(s0=2.0, s5=2.0, s10=1.0), EVEN) == 1.0


@pytest.mark.parametrize("n_rows", [FEW_ROWS - 1, FEW_ROWS])
def test_few_rows_prefer_a_smaller_share(n_rows: int) -> None:
    preferred = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            blending, "_chosen", lambda scores, share: preferred.append(share) or 0
        )
        table, target = steps(np.random.default_rng(0), n_rows)
        kerasnn.NetworkRegressor(**SMALL).fit(table, target)
    assert preferred == [EVEN if n_rows == FEW_ROWS else SMALLER]


# ---------------------------------------------------------------------- estimators

SMALL = {"members": 4, "folds": 2, "epochs": 3, "hidden_units": (8,), "random_state": 0}


def steps(rng: np.random.Generator, n: int = 300) -> tuple[pd.DataFrame, np.ndarray]:
    """Return a table whose target has steps, which trees learn at once."""
    table = pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "age": np.where(rng.random(n) < 0.1, np.nan, rng.integers(0, 90, n)),
            "town": rng.choice([f"town {i}" for i in range(12)], n),
        }
    )
    value = 3.0 * (table["size"] > 0.3) + 2.0 * (table["age"] > 40)
    return table, (value + (table["town"] == "town 3")).to_numpy()


@pytest.fixture(scope="module")
def regressor() -> tuple[kerasnn.NetworkRegressor, pd.DataFrame, np.ndarray]:
    table, target = steps(np.random.default_rng(0))
    return kerasnn.NetworkRegressor(**SMALL).fit(table, target), table, target


def test_trees_stand_beside_networks_where_they_help(regressor) -> None:
    estimator, table, target = regressor
    trees = estimator.trees_
    assert trees is not None
    assert trees.share >= 0.5
    assert trees.losses["both"] < trees.losses["networks"]
    alone = kerasnn.NetworkRegressor(**SMALL, trees=False).fit(table, target)
    assert alone.trees_ is None
    assert estimator.score(table, target) > alone.score(table, target)
    assert trees.losses["networks"] == pytest.approx(alone._validation_score.loss)


def test_the_answers_are_those_of_networks_and_trees(regressor) -> None:
    estimator, table, _ = regressor
    x, codes = estimator.prepare(table)
    network, trees = estimator.network_, estimator.trees_
    own = network.member_outputs(*map(network.for_each_member, (x, codes)))
    outputs = own + trees.forest.outputs(x, codes)
    expected = network.mean_answers(outputs).numpy()[:, 0]
    np.testing.assert_allclose(estimator.predict(table), expected, rtol=1e-6, atol=1e-6)


def test_left_out_answers_and_intervals_are_those_of_both(regressor) -> None:
    estimator, table, target = regressor
    error = np.mean((estimator.oof_predictions_ - target) ** 2)
    scaled = error / estimator._target_scale[0] ** 2
    assert scaled == pytest.approx(estimator.trees_.losses["both"], rel=0.02)
    ends = estimator.predict_interval(table, 0.9)
    assert np.mean((ends[:, 0] <= target) & (target <= ends[:, 1])) > 0.9


def test_contributions_of_both_add_up(regressor) -> None:
    estimator, table, _ = regressor
    frame = estimator.explain(table[:9])
    np.testing.assert_allclose(frame.sum(axis=1), estimator.predict(table[:9]), atol=1e-4)
    assert frame["size"].abs().mean() > frame["town"].abs().mean()


@pytest.mark.slow
def test_one_column_contributes_everything() -> None:
    table, target = steps(np.random.default_rng(3))
    fitted = kerasnn.NetworkRegressor(**SMALL).fit(table[["size"]], target)
    assert fitted.trees_ is not None
    frame = fitted.explain(table[["size"]][:5])
    expected = fitted.predict(table[["size"]][:5])
    np.testing.assert_allclose(frame.sum(axis=1), expected, atol=1e-4)


@pytest.mark.slow
def test_the_saved_model_answers_as_the_estimator(regressor, tmp_path) -> None:
    estimator, table, _ = regressor
    version = estimator.export(tmp_path / "steps")
    found = kerasnn.load(version).predict(table)["value"]
    np.testing.assert_allclose(found, estimator.predict(table), rtol=1e-6, atol=1e-6)


def test_a_pickled_estimator_has_its_trees(regressor) -> None:
    estimator, table, _ = regressor
    copy = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(copy.predict(table), estimator.predict(table))


def test_a_keras_model_with_trees_is_made_again_from_its_config(regressor) -> None:
    network = regressor[0].network_
    again = type(network).from_config(network.get_config())
    assert again.config == network.config
    for ours, other in zip(network.variables, again.variables, strict=True):
        assert ours.shape == other.shape


@pytest.mark.slow
def test_in_time_the_trees_that_predict_learned_from_all_rows() -> None:
    table, target = steps(np.random.default_rng(1))
    fitted = kerasnn.NetworkRegressor(**SMALL).fit(table, target, time=np.arange(300))
    assert len(fitted.trees_.forest.roots) == fitted.trees_.rounds
    assert np.isnan(fitted.oof_predictions_[:140]).all()


@pytest.mark.slow
def test_there_are_no_trees_where_they_cannot_be_validated() -> None:
    table, target = steps(np.random.default_rng(2), 60)
    none = {**SMALL, "folds": 0}
    assert kerasnn.NetworkRegressor(**none).fit(table, target).trees_ is None
    two = np.stack([target, -target], axis=1)
    assert kerasnn.NetworkRegressor(**SMALL).fit(table, two).trees_ is None
    one = np.arange(60) == 0
    assert kerasnn.NetworkRegressor(**SMALL).fit(table, target, one).trees_ is None
    labels = np.where(one, "high", "low")  # without that row a model knows one class
    assert kerasnn.NetworkClassifier(**SMALL).fit(table, labels).trees_ is None


@pytest.mark.slow
def test_a_class_of_one_row_stands_beside_trees(tmp_path) -> None:
    table, target = steps(np.random.default_rng(2))
    labels = np.where(target > 2, "high", "low").astype(object)
    labels[0] = "one row only"
    fitted = kerasnn.NetworkClassifier(**SMALL).fit(table, labels)
    assert fitted.trees_ is not None
    known = fitted.predict_proba(table)
    assert known[0, 2] < 0.5
    version = fitted.export(tmp_path / "rare")
    found = kerasnn.load(version).predict(table)["probabilities"]
    np.testing.assert_allclose(found, known, atol=1e-6)
    explained = fitted.explain(table[:4], of="one row only")
    assert np.isfinite(explained.to_numpy()).all()


def test_equal_targets_are_learned_without_a_word_of_leaks() -> None:
    table, target = steps(np.random.default_rng(2), 80)
    fitted = kerasnn.NetworkRegressor(**SMALL).fit(table, np.ones_like(target))
    np.testing.assert_array_equal(fitted.predict(table), 1.0)
    assert not [notice for notice in fitted.warnings_ if notice.code == "leak"]


def test_another_value_of_trees_is_refused() -> None:
    table, target = steps(np.random.default_rng(2), 60)
    with pytest.raises(InputError, match="trees must be 'auto', True or False; got 'yes'"):
        kerasnn.NetworkRegressor(**SMALL, trees="yes").fit(table, target)


def test_all_models_are_scored_on_the_same_left_out_rows(regressor) -> None:
    estimator, _, target = regressor
    standings = estimator.leaderboard_
    losses = {one.model: one.rmse for one in standings}
    models = {"networks and trees", "networks", "trees", "linear", "constant"}
    assert losses.keys() == models
    assert list(losses.values()) == sorted(losses.values())
    error = np.sqrt(np.mean((estimator.oof_predictions_ - target) ** 2))
    assert losses["networks and trees"] == pytest.approx(error, rel=0.01)
    assert losses["constant"] == pytest.approx(target.std(), rel=0.02)


@pytest.mark.slow
def test_classes_are_scored_by_log_loss_and_accuracy() -> None:
    table, value = steps(np.random.default_rng(4))
    label = np.where(value > 2, "high", "low")
    fitted = kerasnn.NetworkClassifier(**SMALL, trees=False).fit(table, label)
    networks = next(s for s in fitted.leaderboard_ if s.model == "networks")
    predicted = fitted.classes_[fitted.oof_predictions_.argmax(axis=1)]
    assert networks.accuracy == np.mean(predicted == label)
    assert networks.log_loss == pytest.approx(fitted._validation_score.loss)
    assert networks.scores.keys() == {"log_loss", "accuracy"}
    without = kerasnn.NetworkClassifier(**{**SMALL, "folds": 0}).fit(table, label)
    assert without.leaderboard_ == []


@pytest.mark.slow
def test_quality_decides_what_is_left_open() -> None:
    small = default_recipe("binary", 500)
    fast, best = (default_recipe("binary", 500, q) for q in ("fast", "best"))
    cost = [r.members * r.epochs / r.batch_size for r in (fast, small, best)]
    assert cost[0] <= cost[1] / 4
    assert cost[2] == 4 * cost[1]
    for n_rows in (2_000, 50_000):
        large, fast = (default_recipe("binary", n_rows, q) for q in ("default", "fast"))
        assert fast.batch_size == 2 * large.batch_size
    table, target = steps(np.random.default_rng(5), 60)
    settings = {"quality": "fast", "epochs": 1, "trees": False}
    fitted = kerasnn.NetworkRegressor(**settings).fit(table, target)
    assert fitted.recipe_.members == 4
    assert fitted.recipe_.epochs == 1
    with pytest.raises(kerasnn.errors.InputError, match="quality must be"):
        kerasnn.NetworkRegressor(quality="good").fit(table, target)
