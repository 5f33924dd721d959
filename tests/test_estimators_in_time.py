"""Networks that predict in time learn from all rows; those that are validated do not."""

import numpy as np
import pytest

from kerasnn import InputError, NetworkClassifier, NetworkRegressor

N = 200
SHORT = {
    "members": 4,
    "folds": 2,
    "epochs": 12,
    "hidden_units": (16,),
    "batch_size": 16,
    "driver": "graph",
    "random_state": 0,
}


@pytest.fixture(scope="module")
def table():
    """The last quarter of the rows is marked, and has larger targets."""
    rng = np.random.default_rng(0)
    late = (np.arange(N) >= 0.75 * N).astype(float)
    x = np.stack([rng.normal(size=N), late], axis=1)
    return x, x[:, 0] + 4 * late


@pytest.fixture(scope="module")
def saved(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    x, y = table
    return folder, NetworkRegressor(**SHORT, checkpoint=folder).fit(x, y, time=np.arange(N))


def test_those_that_predict_know_the_last_rows_and_validated_ones_do_not(saved, table):
    x, y = table
    late, network = x[:, 1] == 1, saved[1]
    answers = network.oof_predictions_
    assert np.isnan(answers).sum() == N / 2
    assert np.isnan(answers[: N // 2]).all()
    assert abs(answers[late].mean() - y[late].mean()) > 2
    assert abs(network.predict(x)[late].mean() - y[late].mean()) < 1
    assert network.network_.config.members == 4
    assert len(network.history_["member_loss"][0]) == 4


def test_the_score_is_that_of_the_validation_rows(saved, table):
    network, y = saved[1], table[1]
    answers = network.oof_predictions_
    left_out = ~np.isnan(answers)
    loss = np.mean((answers[left_out] - y[left_out]) ** 2) / y.var()
    i = network.history_["epoch"].index(network.best_epoch_)
    # About: unlike the loss, the predictions are clipped to the range of the targets.
    assert network.history_["val_loss"][i] == pytest.approx(loss, rel=0.05)


def test_a_finished_training_in_time_is_resumed(saved, table):
    (folder, network), (x, y) = saved, table
    again = NetworkRegressor(**SHORT, checkpoint=folder, resume=True)
    again.fit(x, y, time=np.arange(N))
    np.testing.assert_array_equal(again.predict(x), network.predict(x))
    np.testing.assert_array_equal(again.oof_predictions_, network.oof_predictions_)


@pytest.mark.slow
def test_rows_of_equal_order_give_equal_folds_whatever_the_times_look_like(table):
    x, y = table
    labels = (y > 1).astype(int)
    order = np.random.default_rng(1).permutation(N)
    dates = np.datetime64("2020-01-01") + order
    ours = [
        NetworkClassifier(**{**SHORT, "epochs": 2}).fit(x, labels, time=time, gap=3)
        for time in (order, dates, dates.astype(str))
    ]
    for one in ours[1:]:
        np.testing.assert_array_equal(one.oof_predictions_, ours[0].oof_predictions_)
    left_out = ~np.isnan(ours[0].oof_predictions_[:, 0])
    assert order[left_out].min() == N / 2


def test_groups_and_times_must_fit_the_rows(table):
    x, y = table
    with pytest.raises(InputError, match="X and time must have the same number of rows"):
        NetworkRegressor().fit(x, y, time=[1, 2, 3])
    with pytest.raises(InputError, match="all 200 rows to learn from are of one group"):
        NetworkRegressor().fit(x, y, groups=np.zeros(N))
    with pytest.raises(InputError, match=r"folds must be at most .*, 4; got folds=5"):
        NetworkRegressor(folds=5).fit(x, y, groups=np.arange(N) % 4)
