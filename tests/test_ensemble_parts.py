"""Parts that train in threads: which there are, that they change no bit, how they end."""

import threading

import numpy as np
import pytest
from sklearn import model_selection

import kerasnn
from kerasnn import NetworkClassifier
from kerasnn.ensembles import parts
from kerasnn.ensembles.parts import in_threads, parts_of
from kerasnn.ensembles.task import EnsembleTask, NetworkShape
from kerasnn.training.compiled import sharing
from tests.recipes import recipe_of


@pytest.fixture
def cores(monkeypatch):
    """A function that sets the number of cores."""
    return lambda number: monkeypatch.setattr(parts.os, "cpu_count", lambda: number)


def task(seed=0, hidden_units=(8,), **settings):
    settings = {"members": 1, "folds": 0, "embedding": "none", **settings}
    return EnsembleTask(
        x=np.zeros((40, 3), np.float32),
        codes=np.zeros((40, 0), np.int32),
        targets=np.zeros(40, np.int32),
        weights=np.ones(40, np.float32),
        shape=NetworkShape(3, 3, 3, "multiclass", ()),
        recipe=recipe_of(hidden_units=hidden_units, **settings),
        seed=seed,
    )


def seeds_of_parts(tasks):
    return [[task.seed for task in part] for part in parts_of(tasks)]


# --- which parts there are --------------------------------------------------------


@pytest.mark.parametrize(
    ("n_tasks", "n_cores", "expected"),
    [
        (4, 1, [[0, 1, 2, 3]]),
        (4, 2, [[0, 1], [2, 3]]),
        (4, 8, [[0, 1], [2, 3]]),  # two networks at least: one alone rounds differently
        (5, 2, [[0, 1, 2], [3, 4, 0]]),  # filled up: one program for all
        (3, 2, [[0, 1], [2, 0]]),
        (1, 2, [[0]]),
    ],
)
def test_there_is_a_part_for_each_core(cores, n_tasks, n_cores, expected):
    cores(n_cores)
    assert seeds_of_parts([task(seed) for seed in range(n_tasks)]) == expected


def test_a_task_of_several_members_can_be_a_part(cores):
    cores(2)
    assert seeds_of_parts([task(seed, members=3) for seed in range(2)]) == [[0], [1]]


def test_members_that_are_validated_stay_together(cores):
    cores(2)
    validated = [task(seed, members=2, folds=2) for seed in range(4)]
    assert seeds_of_parts(validated) == [[0, 1, 2, 3]]


def test_larger_networks_are_in_smaller_parts(cores):
    cores(1)
    tasks = [task(seed, (64, 128)) for seed in range(8)]  # 64 * 128 * 4 = 2**15
    assert seeds_of_parts(tasks) == [[0, 1, 2, 3], [4, 5, 6, 7]]


# --- what they train --------------------------------------------------------------


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(70, 3))
    return x, (x[:, 0] + x[:, 1] ** 2 > 1).astype(int)


PLAIN = {
    "hidden_units": (6,),
    "members": 1,
    "folds": 0,
    "epochs": 3,
    "batch_size": 16,
    "embedding": "none",
    "driver": "xla",
    "random_state": 0,
}


def weights_of(cross_validate, rows, **settings):
    """The weights of five folds, of 56 rows each."""
    network = NetworkClassifier(**PLAIN | settings)
    splits = model_selection.KFold(5)
    result = cross_validate(network, *rows, cv=splits, return_estimator=True)
    return [w for trained in result["estimator"] for w in trained._kept_weights]


@pytest.mark.slow
def test_folds_end_with_the_same_bits_in_parts_together_and_alone(cores, rows):
    cores(1)
    together = weights_of(kerasnn.cross_validate, rows)
    alone = weights_of(model_selection.cross_validate, rows)
    cores(2)
    in_parts = weights_of(kerasnn.cross_validate, rows)
    for one, two, three in zip(together, alone, in_parts, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)


def test_one_trace_serves_all_parts(cores, rows, monkeypatch):
    cores(2)
    traces, trace = [], sharing._without_variables
    monkeypatch.setattr(
        sharing, "_without_variables", lambda *of: traces.append(1) or trace(*of)
    )
    sharing._shared.clear()
    weights_of(kerasnn.cross_validate, rows, hidden_units=(7,))
    assert len(traces) == 1


@pytest.mark.slow
def test_the_progress_of_all_parts_is_told(cores, rows):
    cores(2)
    told = []
    weights_of(kerasnn.cross_validate, rows, progress=lambda *of: told.append(of))
    done, epochs, losses = zip(*told, strict=True)
    assert list(done) == sorted(done)
    assert done[0] < done[-1] == 3
    assert set(epochs) == {3}
    assert all(0 < loss["loss"] < 10 for loss in losses)


# --- how they end -----------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_part_that_fails_stops_the_others(cores, error):
    cores(2)
    began, stopped = threading.Event(), threading.Event()

    def train(part, tell):
        if part == "fails":
            assert began.wait(10)
            raise error("of a part")
        try:
            while True:
                tell(1, 2, {"loss": 1.0})
                began.set()
        except parts.StoppedError:
            stopped.set()
            raise

    with pytest.raises(error, match="of a part"):
        in_threads(train, ["fails", "goes on", "never begins"], None)
    assert stopped.is_set()
