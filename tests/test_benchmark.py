"""The benchmark: who takes part, on equal terms, and how its numbers are made."""

import functools
import importlib
import importlib.util
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture(scope="module")
def benchmark():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        yield importlib.import_module("benchmark")
        for name in [name for name in sys.modules if name.startswith("benchmark")]:
            sys.modules.pop(name)


@pytest.fixture(scope="module")
def works(benchmark):
    return {name: make() for name, make in benchmark.WORKS.items()}


@pytest.fixture
def cold(benchmark):
    return sys.modules["benchmark_cold"]


@pytest.fixture
def worker(benchmark):
    return sys.modules["benchmark_worker"]


def named(benchmark, name):
    (contender,) = [c for c in benchmark.CONTENDERS if c.name == name]
    return contender


def made(benchmark, name, work):
    contender = named(benchmark, name)
    if contender.needs is not None:
        pytest.importorskip(contender.needs)
    return contender.make(work)


def without(monkeypatch, *packages):
    """As if these were not installed."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name in packages else find_spec(name, *rest),
    )


# Who takes part, in what.


def test_names_and_titles_are_unique_and_every_work_has_its_baseline(benchmark):
    names = [contender.name for contender in benchmark.CONTENDERS]
    titles = [contender.title for contender in benchmark.CONTENDERS]
    assert len(set(names)) == len(set(titles)) == len(names)
    assert benchmark.BASELINES.keys() == benchmark.WORKS.keys()
    for work, baseline in benchmark.BASELINES.items():
        assert work in named(benchmark, baseline).works


def test_works_and_classes_that_contenders_name_are_there(benchmark):
    for contender in benchmark.CONTENDERS:
        assert set(contender.works) <= benchmark.WORKS.keys()
        module, name = contender.peer.split(":")
        assert f"class {name}" in (SCRIPTS / f"{module}.py").read_text()


@pytest.mark.parametrize(
    ("name", "shape", "n_test", "sizes", "steps"),
    [
        ("digits", (1437, 64), 360, (64, 30, 10), 23),
        ("cv", (1797, 64), 0, (64, 30, 10), 260),
        ("fit-small", (20_000, 8), 2_000, (8, 64, 64, 1), 625),
        ("fit-norm", (1437, 64), 360, (64, 128, 128, 10), 45),
        ("fit-middle", (100_000, 54), 10_000, (54, 256, 256, 256, 7), 391),
    ],
)
def test_a_work_has_these_rows_and_steps(works, name, shape, n_test, sizes, steps):
    work = works[name]
    assert (work.x_train.shape, len(work.x_test)) == (shape, n_test)
    assert (work.sizes, work.steps) == (sizes, steps)
    assert work.x_train.dtype == work.x_test.dtype == np.float32
    if work.task == "classification":
        assert work.y_train.shape == shape[:1]
        assert set(work.y_train) == set(range(sizes[-1]))
        assert set(work.y_test) in (set(), set(work.y_train))
    else:
        assert work.y_train.shape == (shape[0], sizes[-1])


def test_weights_are_glorots_and_have_a_seed(works):
    kernel, bias = works["fit-middle"].weights(0)[1]
    limit = math.sqrt(6 / 512)
    assert limit * 0.99 < np.abs(kernel).max() <= limit
    assert abs(kernel.std() - limit / math.sqrt(3)) < 0.01 * limit
    assert not bias.any()
    again, other = (works["fit-middle"].weights(seed)[1][0] for seed in (0, 1))
    assert (kernel == again).all()
    assert (kernel != other).any()


def test_a_score_is_accuracy_or_r2(works):
    digits, small = works["digits"], works["fit-small"]
    assert (digits.score_name, small.score_name) == ("accuracy", "R2")
    assert digits.score(np.eye(10)[digits.y_test]) == 1.0
    assert small.score(small.y_test) == 1.0
    assert abs(small.score(np.full_like(small.y_test, small.y_test.mean()))) < 1e-6


# On equal terms.


@pytest.mark.parametrize(
    ("name", "contender"),
    [
        ("digits", "kerasnn-fit"),
        ("digits", "kerasnn-graph"),
        ("digits", "scikit-learn"),
        *(
            (name, contender)
            for name in ("fit-small", "fit-norm")
            for contender in ("kerasnn-fit-graph", "jax", "torch")
        ),
    ],
)
def test_a_peer_trains_as_keras_does(benchmark, works, as_keras, name, contender):
    """One batch an epoch, so that the row order does not matter, and no dropout."""
    peer = made(benchmark, contender, one_batch(works[name]))
    # PyTorch's epsilon of Adam and its running variance are a little different.
    tolerance = 2e-3 if contender == "torch" else 1e-4
    tells_logits = contender not in ("kerasnn-graph", "scikit-learn")
    for expected, got in zip(as_keras(name), trained_twice(peer), strict=True):
        if isinstance(expected, dict):
            got = {log: got[log] for log in expected}
        elif not tells_logits:
            expected = softmax(expected)
        assert expected == pytest.approx(got, abs=tolerance)


@pytest.fixture(scope="module")
def as_keras(benchmark, works):
    """What Keras gives, for the name of a work."""
    return functools.cache(
        lambda name: trained_twice(made(benchmark, "keras", one_batch(works[name])))
    )


def one_batch(work):
    rows = {"x_train": work.x_train[:100], "y_train": work.y_train[:100]}
    return replace(work, **rows, batch_size=100, dropout=0.0)


def trained_twice(peer):
    """Outputs before and after, and what was told; again, when nothing of it is left."""
    seen = []
    for _ in range(2):
        peer.reset(3)
        x_test = peer.work.x_test
        seen += [peer.outputs(x_test), peer.run(3), peer.outputs(x_test)]
    return seen


def softmax(logits):
    exponentials = np.exp(logits)
    return exponentials / exponentials.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("name", ["kerasnn-xla", "jax", "scikit-learn", "torch", "keras"])
def test_a_peer_learns_the_digits(benchmark, works, name):
    work = works["digits"]
    peer = made(benchmark, name, work)
    peer.reset(0)
    peer.run(5)
    assert work.score(peer.outputs(work.x_test)) > 0.85


def test_a_second_run_after_reset_repeats_the_first_one(benchmark, works):
    work = works["digits"]
    for name in ("kerasnn-graph", "scikit-learn"):
        peer = named(benchmark, name).make(work)
        runs = []
        for _ in range(2):
            peer.reset(0)
            peer.run(2)
            runs.append(peer.outputs(work.x_test))
        np.testing.assert_array_equal(*runs)


def test_jax_keeps_as_many_units_as_it_should(benchmark, works):
    jax = pytest.importorskip("jax")
    work = works["fit-norm"]
    masks = importlib.import_module("benchmark_jax").drawn_masks(work, jax.random.key(0))
    for mask in map(np.asarray, masks):
        assert mask.shape == (45, 32, 128)
        assert np.unique(mask) == pytest.approx([0, 1 / 0.8])
        assert mask.mean() == pytest.approx(1, abs=0.01)


def test_cross_validation_in_one_loop_scores_as_one_fold_after_the_other(benchmark, works):
    scores = {}
    for name in ("kerasnn-cv", "kerasnn-cv-apart", "scikit-learn-cv"):
        work = replace(works["cv"], folds=3)
        peer = named(benchmark, name).make(work)
        peer.reset(0)
        told = peer.run(10)
        scores[name] = peer.outputs(work.x_test)
        assert scores[name].shape == (3,)
        assert work.score(scores[name]) == told["accuracy"] > 0.75
    assert scores["kerasnn-cv"] == pytest.approx(scores["kerasnn-cv-apart"], abs=0.005)


# Processes of their own.


def test_keras_on_jax_runs_in_a_process_without_tensorflow(benchmark, works, worker):
    pytest.importorskip("jax")
    with worker.Worker(named(benchmark, "keras-jax"), "digits") as timed:
        assert timed.first_run(1, seed=0) > 0
        assert timed.score(5, seed=0) > 0.85
        libraries = Path(f"/proc/{timed.process.pid}/maps")
        if libraries.exists():
            assert "jaxlib" in libraries.read_text()
            assert "libtensorflow" not in libraries.read_text()
            assert 100 < timed.peak_megabytes() < 10_000
    assert timed.process.returncode == 0


def test_a_process_that_ends_is_an_error_that_says_why(benchmark, worker):
    stranger = replace(named(benchmark, "scikit-learn"), name="stranger")
    with (
        worker.Worker(stranger, "digits") as timed,
        pytest.raises(RuntimeError, match="not enough values to unpack"),
    ):
        timed.first_run(1, seed=0)


class Clock:
    """In place of a contender: numbers known beforehand, and what was asked."""

    def __init__(self, first, later=()):
        self.first, self.later, self.asked = dict(first), list(later), []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def first_run(self, epochs, seed):
        self.asked.append(epochs)
        return self.first[epochs]

    def timed_run(self, epochs, seed):
        return self.later.pop(0)

    def peak_megabytes(self):
        return 512.0


@pytest.mark.parametrize(
    ("limit", "asked", "long", "estimated"),
    [(23, [1, 10, 100], 19.0, False), (22, [1, 10], 22.5, True)],
)
def test_a_cold_start_runs_100_epochs_only_within_the_limit(
    benchmark, cold, limit, asked, long, estimated
):
    clock = Clock({1: 3.0, 10: 4.5, 100: 19.0}, [0.75, 0.5])
    cold_start = cold.ColdStart(named(benchmark, "keras"))
    cold_start.measure(lambda contender: clock, limit_seconds=limit, seed=0)
    assert clock.asked == asked
    assert cold_start.summary() == {
        "name": "keras",
        "title": "Keras fit",
        "compile_seconds": 2.5,
        "seconds_10": 4.5,
        "seconds_100": long,  # estimated: 2.5 s, and 10 times what the other 2 s did
        "estimated": estimated,
        "peak_megabytes": 512.0,
    }


def test_the_cold_table_marks_what_is_estimated(cold):
    row = {
        "title": "Keras fit",
        "compile_seconds": 2.5,
        "seconds_10": 4.5,
        "seconds_100": 22.5,
        "estimated": True,
        "peak_megabytes": 512.0,
    }
    assert cold.cold_lines([row, row | {"estimated": False}]) == [
        "contender                              compile s  10 epochs  100 epochs  peak MB",
        "Keras fit                                   2.50       4.50      ~22.50      512",
        "Keras fit                                   2.50       4.50       22.50      512",
    ]


# Numbers.


def test_all_that_can_be_waited_for_run_the_same_epochs_in_turns(benchmark, works):
    clocks = {
        "keras": Clock({100: 9.0}, [2.3, 4.6]),
        "kerasnn-eager": Clock({2: 1.0}, [0.46, 0.46]),
    }
    for clock in clocks.values():
        clock.score = lambda epochs, seed: 0.5
    seen = benchmark.measure(
        works["digits"],
        [named(benchmark, name) for name in clocks],
        lambda contender: clocks[contender.name],
        rounds=2,
        epochs=None,
        score_epochs=5,
        seed=0,
    )
    assert [m.epochs for m in seen] == [100, 2]
    assert seen[0].us_a_step == pytest.approx([1000, 2000])
    assert seen[1].us_a_step == pytest.approx([10_000, 10_000])


def test_the_ratio_is_the_median_within_rounds_not_of_medians(benchmark):
    # Ratios 1, 4, 2; the medians would give 6 / 2.
    assert benchmark.median_ratio([1.0, 8.0, 6.0], [1.0, 2.0, 3.0]) == 2.0


def test_a_summary_is_complete_and_is_json(benchmark):
    xla = benchmark.Measurement(
        named(benchmark, "kerasnn-xla"), 200, 1.5, [10.0, 20.0, 60.0]
    )
    keras = benchmark.Measurement(
        named(benchmark, "keras"), 8, 0.5, [500.0, 400.0, 600.0], score=0.75
    )
    summary = benchmark.summarize([xla, keras], "kerasnn-xla")
    assert json.loads(json.dumps(summary))[1] == {
        "name": "keras",
        "title": "Keras fit",
        "epochs": 8,
        "us_a_step": [500.0, 400.0, 600.0],
        "median": 500.0,
        "min": 400.0,
        "ratio": 20.0,  # of 50, 20 and 10
        "first_seconds": 0.5,
        "score": 0.75,
    }
    assert summary[0]["ratio"] == 1.0
    assert benchmark.summarize([keras], "kerasnn-xla")[0]["ratio"] is None


def test_the_table_has_a_line_for_each_contender(benchmark):
    keras = benchmark.Measurement(named(benchmark, "keras"), 8, 0.5, [500.0], score=0.75)
    lines = benchmark.step_lines(benchmark.summarize([keras], "kerasnn-xla"), "R2")
    report = {
        "notes": ["a note"],
        "left_out": ["someone: not installed"],
        "versions": {"keras": "3.0"},
        "cores": 2,
        "load_before": 0.25,
    }
    assert benchmark.text(lines, report).splitlines() == [
        "contender                             epochs  us a step      min   ratio"
        "  first s       R2",
        "Keras fit                                  8      500.0    500.0       -"
        "     0.50    0.750",
        "",
        "a note",
        "someone: not installed",
        "keras 3.0",
        "2 cores, load 0.25 before",
    ]


def test_one_round_is_called_a_look(benchmark, works):
    work = works["digits"]
    assert benchmark.notes(work, "kerasnn-xla", 1, 30)[-1] == (
        "fewer than 5 rounds: a look, not a measurement"
    )
    one, five = (benchmark.notes(work, "kerasnn-xla", n, 30) for n in (1, 5))
    assert len(five) == len(one) - 1


def test_the_score_of_a_cross_validation_is_said_to_be_a_mean(benchmark, works):
    assert benchmark.notes(works["cv"], "kerasnn-cv", 5, 200)[3] == (
        "accuracy: mean of 10 folds after 200 epochs; weights, schedules and row orders"
        " are each one's own"
    )


# The command.


def test_nobody_left_is_a_failure_that_says_why(benchmark, monkeypatch, capsys):
    without(monkeypatch, "torch", "jax")
    assert benchmark.main(["--only", "torch", "jax"]) == 1
    assert benchmark.main(["--work", "fit-small", "--only", "scikit-learn"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        'JAX lax.scan: not installed, left out (python -m pip install ".[bench]")',
        'PyTorch eager: not installed, left out (python -m pip install ".[bench]")',
        "digits: nobody to measure",
        "fit-small: nobody to measure",
    ]


def test_less_than_one_round_is_refused(benchmark, capsys):
    with pytest.raises(SystemExit):
        benchmark.main(["--rounds", "0"])
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .endswith("error: argument --rounds: must be a whole number of at least 1; got '0'")
    )


def test_the_whole_benchmark_prints_one_json_object(benchmark, monkeypatch, capsys):
    without(monkeypatch, "torch")
    monkeypatch.setitem(benchmark.BASELINES, "digits", "scikit-learn")
    arguments = "--rounds 1 --epochs 2 --score-epochs 5 --seed 4 --json"
    only = ["--only", "scikit-learn", "torch"]
    assert benchmark.main([*arguments.split(), *only]) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    (row,) = report.pop("contenders")
    assert (row["name"], row["epochs"], row["ratio"]) == ("scikit-learn", 2, 1.0)
    assert row["us_a_step"] == [row["median"]] == [row["min"]]
    assert 0 < row["median"] < 1e6
    assert row["score"] > 0.5
    assert report["versions"].keys() >= {"python", "kerasnn", "tensorflow", "keras"}
    assert {"cores", "load_before", "notes"} < report.keys()
    assert [report[k] for k in ("work", "rounds", "score_epochs", "seed", "cold")] == [
        *("digits", 1, 5, 4, False)
    ]
    assert (report["steps_per_epoch"], report["score_name"]) == (23, "accuracy")
    (left_out,) = report["left_out"]
    assert left_out.startswith("PyTorch eager: not installed")
    assert err.splitlines() == [
        left_out,
        "first run: scikit-learn MLPClassifier",
        "round 1 of 1",
        "accuracy: scikit-learn MLPClassifier",
    ]


def test_cold_starts_are_printed_as_a_table(benchmark, monkeypatch, capsys):
    clock = Clock({1: 3.0, 10: 4.5, 100: 19.0}, [0.75, 0.5])
    monkeypatch.setattr(benchmark, "Worker", lambda contender, work: clock)
    assert benchmark.main(["--cold", "--only", "scikit-learn"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1] == (
        "scikit-learn MLPClassifier                  2.50       4.50       19.00      512"
    )
    assert err.splitlines() == ["cold start 1 of 1: scikit-learn MLPClassifier"]
