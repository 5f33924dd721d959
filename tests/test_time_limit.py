"""The time limit is the user's: the training is cut to it, and what was cut is said."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from kerasnn import NetworkClassifier, deadline, tables
from kerasnn.deadline import Deadline
from kerasnn.ensembles.chunk_sources import MemoryChunks
from kerasnn.ensembles.recipe import default_recipe
from kerasnn.ensembles.task import EnsembleTask, NetworkShape
from kerasnn.ensembles.time_limit import Pace, fitting_task, seconds_per_step
from kerasnn.ensembles.train import Training
from kerasnn.reports import Score
from kerasnn.tables.measurement import _better_baseline
from kerasnn.tables.time_limit import before_saving, seconds_of_training

SMALL = {"members": 2, "folds": 2, "hidden_units": (8,), "driver": "graph"}


def points(n_rows=80, n_columns=2):
    rng = np.random.default_rng(0)
    columns = {f"x{i}": rng.normal(size=n_rows) for i in range(n_columns)}
    labels = np.where(columns["x0"] + columns["x1"] > 0, "up", "down")
    return pd.DataFrame({**columns, "y": labels})


def task_of(n_rows, n_columns=10):
    rng = np.random.default_rng(0)
    return EnsembleTask(
        x=rng.normal(size=(n_rows, n_columns)).astype(np.float32),
        codes=np.empty((n_rows, 0), np.int32),
        targets=rng.integers(2, size=n_rows).astype(np.int32),
        weights=np.ones(n_rows, np.float32),
        shape=NetworkShape(n_columns, n_columns, 2, "binary", ()),
        recipe=default_recipe("binary", n_rows),
        seed=0,
    )


def test_a_deadline_counts_down(monkeypatch):
    clock = SimpleNamespace(monotonic=lambda: 100.0, process_time=lambda: 2.0)
    monkeypatch.setattr(deadline, "time", clock)
    assert Deadline.after(10).left() == 10
    assert Deadline.of_process(10).left() == 8
    assert Deadline(85.0, 10.0).left() == -5


@pytest.mark.slow
def test_a_limit_that_is_far_away_changes_nothing():
    table = points()
    x, y = table[["x0", "x1"]], table["y"]
    one, other = (
        NetworkClassifier(**SMALL, epochs=6, random_state=0, time_limit=limit).fit(x, y)
        for limit in (None, 3600)
    )
    assert not other.shortened_
    assert other.history_ == one.history_
    for ours, theirs in zip(other._kept_weights, one._kept_weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_training_may_end_within_an_epoch_and_says_so():
    rows = tables.read_rows(points(900), target="y")
    estimator = NetworkClassifier(**SMALL, epochs=300, batch_size=4, time_limit=1e-3)
    measured = tables.measure(tables.fit(rows, estimator), importance=False)
    assert measured.fitted.estimator.n_epochs_ == 1
    assert measured.importance == []
    first = measured.notices[0]
    assert (first.code, first.is_warning) == ("time-limit", True)
    assert first.message == (
        "the time limit ended the training after 1 of 300 epochs, with 2 networks: a longer"
        " one may give better predictions"
    )
    assert set(measured.notices) <= set(measured.all_notices)


def test_a_shortened_training_that_overfits_says_that_it_was_shortened(monkeypatch):
    # As soon as weights have been kept.
    monkeypatch.setattr(Training, "_overfits", lambda self: self.results[0].epoch > 0)
    table = points(900)
    x, y = table[["x0", "x1"]], table["y"]
    short, whole = (
        NetworkClassifier(**SMALL, epochs=300, batch_size=4, time_limit=limit).fit(x, y)
        for limit in (6.0, None)
    )
    assert (short.shortened_, whole.shortened_) == (True, False)
    assert max(short.n_epochs_, whole.n_epochs_) < 300


def test_a_better_linear_model_is_remarked():
    def scores(value):
        return {"log_loss": Score(value, 0.0, 1.0)}

    baselines = {"linear": scores(0.25), "constant": scores(0.1)}
    assert _better_baseline(scores(0.2), baselines) == ()
    (notice,) = _better_baseline(scores(0.5), baselines)
    assert notice.code == "linear-baseline"
    assert notice.is_warning
    assert "log loss 0.250, against 0.500 for the network" in notice.message


@pytest.mark.slow
def test_after_the_deadline_no_column_is_shuffled():
    rows = tables.read_rows(points(), target="y")
    fitted = tables.fit(rows, NetworkClassifier(**SMALL, epochs=1))
    assert tables.measure(fitted, deadline=Deadline.after(-1)).importance == []


@pytest.mark.parametrize("n_rows", [60, 3000])
def test_fewer_members_learn_where_all_of_them_could_hardly(n_rows):
    task = task_of(n_rows)
    assert fitting_task(task, 3600.0) is task
    short = fitting_task(task, 3.0 + 5 * seconds_per_step(task))
    assert short.recipe.members == 2
    assert short.recipe == dataclasses.replace(
        task.recipe, members=2, folds=short.recipe.folds
    )
    middle = fitting_task(task, 3.0 + 24 * seconds_per_step(task))
    assert 2 <= middle.recipe.members < task.recipe.members
    assert middle.recipe.members % middle.recipe.folds == 0


def test_xla_must_save_more_than_its_compilation_before_a_limit():
    source = MemoryChunks([task_of(1300)], has_time_limit=True)
    assert source.xla_pays(None)
    assert not source.xla_pays(10.0)


def test_the_pace_leaves_room_for_evaluations():
    pace = Pace(evaluation_steps=5.0)
    pace.observe(1, 9.0, None)  # compiles
    assert not pace.is_known
    pace.observe(10, 1.0, None)
    assert pace.seconds_per_step == 0.1
    # An evaluation after each 10 steps, estimated at 0.5 seconds.
    assert pace.steps_in(2.1, between_evaluations=10) == int(1.6 / 0.15)
    pace.observe(10, 1.0, 1.0)
    assert pace.steps_in(2.0, between_evaluations=10) == int(1.0 / 0.2)
    assert pace.steps_in(-1.0, between_evaluations=10) == 0
    assert pace.chunk_in(1.0) == 2
    assert pace.chunk_in(1e6) == 80
    assert pace.chunk_in(-1.0) == 1


def test_the_training_gets_what_testing_and_saving_leave():
    rows = tables.read_rows(points(n_columns=40), target="y")
    far, near = Deadline.after(100.0), Deadline.after(1.0)
    for slowness in (1.0, 3.0):
        seconds = seconds_of_training(rows, far, slowness=slowness)
        saving = before_saving(rows, far, slowness=slowness).left()
        assert 50 < seconds < saving < 100
    assert seconds_of_training(rows, near) == 0.2
