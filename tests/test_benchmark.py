"""The benchmark: who takes part, on equal terms, and how its numbers are made."""

import importlib
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture(scope="module")
def benchmark():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        yield importlib.import_module("benchmark")
        for name in ("benchmark", "benchmark_peers"):
            sys.modules.pop(name)


@pytest.fixture(scope="module")
def work(benchmark):
    return benchmark.WORKS["digits"]()


def named(benchmark, name):
    (contender,) = [c for c in benchmark.CONTENDERS if c.name == name]
    return contender


def without(monkeypatch, *packages):
    """As if these were not installed."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name in packages else find_spec(name, *rest),
    )


def test_names_and_titles_are_unique_and_the_baseline_takes_part(benchmark):
    names = [contender.name for contender in benchmark.CONTENDERS]
    titles = [contender.title for contender in benchmark.CONTENDERS]
    assert len(set(names)) == len(set(titles)) == len(names)
    assert benchmark.BASELINE in names


def test_the_work_is_23_steps_an_epoch_from_the_weights_of_kerasnn(benchmark, work):
    from kerasnn.models import DigitsNetwork

    assert work.steps == 23
    assert (len(work.x_train), len(work.x_test)) == (1437, 360)
    layers = DigitsNetwork(seed=3).layers
    for (kernel, bias), layer in zip(work.weights(3), layers, strict=True):
        np.testing.assert_array_equal(kernel, layer.kernel)
        np.testing.assert_array_equal(bias, layer.bias)


@pytest.mark.parametrize("name", ["kerasnn-xla", "jax", "scikit-learn", "torch", "keras"])
def test_every_peer_starts_from_these_weights_and_learns(benchmark, work, name):
    contender = named(benchmark, name)
    if contender.needs is not None:
        pytest.importorskip(contender.needs)
    (kernel_1, bias_1), (kernel_2, bias_2) = work.weights(1)
    hidden = np.maximum(work.x_test @ kernel_1 + bias_1, 0)
    untrained = (hidden @ kernel_2 + bias_2).argmax(axis=1)
    peer = contender.make(work)
    peer.reset(0)
    peer.run(5)
    assert (peer.classes(work.x_test) == work.y_test).mean() > 0.85
    peer.reset(1)
    np.testing.assert_array_equal(peer.classes(work.x_test), untrained)


def test_a_second_run_after_reset_repeats_the_first_one(benchmark, work):
    for name in ("kerasnn-graph", "scikit-learn"):
        peer = named(benchmark, name).make(work)
        runs = []
        for _ in range(2):
            peer.reset(0)
            peer.run(2)
            runs.append(peer.classes(work.x_test))
        np.testing.assert_array_equal(*runs)


def test_a_peer_that_is_not_installed_is_left_out_by_name(benchmark, monkeypatch):
    without(monkeypatch, "torch")
    here, missing = benchmark.split_installed(
        [named(benchmark, "torch"), named(benchmark, "keras")]
    )
    assert [contender.name for contender in here] == ["keras"]
    assert [benchmark.left_out_line(contender) for contender in missing] == [
        "PyTorch eager: not installed, left out (pip install 'kerasnn[bench]')"
    ]


def test_nobody_left_is_a_failure_that_says_why(benchmark, monkeypatch, capsys):
    without(monkeypatch, "torch", "jax")
    assert benchmark.main(["--only", "torch", "jax"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "JAX lax.scan: not installed, left out (pip install 'kerasnn[bench]')",
        "PyTorch eager: not installed, left out (pip install 'kerasnn[bench]')",
    ]


def test_the_ratio_is_the_median_within_rounds_not_of_medians(benchmark):
    # Ratios 1, 4, 2; the medians would give 6 / 2.
    assert benchmark.median_ratio([1.0, 8.0, 6.0], [1.0, 2.0, 3.0]) == 2.0


def test_a_summary_is_complete_and_is_json(benchmark):
    xla = benchmark.Measurement(
        named(benchmark, "kerasnn-xla"), 200, 1.5, [10.0, 20.0, 60.0]
    )
    keras = benchmark.Measurement(
        named(benchmark, "keras"), 8, 0.5, [500.0, 400.0, 600.0], accuracy=0.75
    )
    summary = benchmark.summarize([xla, keras])
    assert json.loads(json.dumps(summary))[1] == {
        "name": "keras",
        "title": "Keras fit",
        "epochs": 8,
        "us_a_step": [500.0, 400.0, 600.0],
        "median": 500.0,
        "min": 400.0,
        "ratio": 20.0,  # of 50, 20 and 10
        "first_seconds": 0.5,
        "accuracy": 0.75,
    }
    assert summary[0]["ratio"] == 1.0
    assert benchmark.summarize([keras])[0]["ratio"] is None


def test_the_table_has_a_line_for_each_contender(benchmark):
    keras = benchmark.Measurement(named(benchmark, "keras"), 8, 0.5, [500.0], accuracy=0.75)
    text = benchmark.table(
        {
            "contenders": benchmark.summarize([keras]),
            "notes": ["a note"],
            "left_out": ["someone: not installed"],
            "versions": {"keras": "3.0"},
            "cores": 2,
            "load_before": 0.25,
        }
    )
    assert text.splitlines() == [
        "contender                             epochs  us a step      min   ratio"
        "  first s accuracy",
        "Keras fit                                  8      500.0    500.0       -"
        "     0.50    0.750",
        "",
        "a note",
        "someone: not installed",
        "keras 3.0",
        "2 cores, load 0.25 before",
    ]


def test_one_round_is_called_a_look(benchmark, work):
    assert benchmark.notes(work, 1, 30)[-1] == (
        "fewer than 5 rounds: a look, not a measurement"
    )
    assert len(benchmark.notes(work, 5, 30)) == len(benchmark.notes(work, 1, 30)) - 1


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
    arguments = "--rounds 1 --epochs 2 --accuracy-epochs 2 --seed 4 --json"
    only = ["--only", "kerasnn-xla", "torch"]
    assert benchmark.main([*arguments.split(), *only]) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    (row,) = report.pop("contenders")
    assert (row["name"], row["epochs"], row["ratio"]) == ("kerasnn-xla", 2, 1.0)
    assert row["us_a_step"] == [row["median"]] == [row["min"]]
    assert 0 < row["median"] < 1e6
    assert row["accuracy"] > 0.5
    assert report["versions"].keys() >= {"python", "kerasnn", "tensorflow", "keras"}
    assert {"cores", "load_before", "notes"} < report.keys()
    assert [report[k] for k in ("work", "rounds", "accuracy_epochs", "seed")] == [
        *("digits", 1, 2, 4)
    ]
    assert report["steps_per_epoch"] == 23
    (left_out,) = report["left_out"]
    assert left_out.startswith("PyTorch eager: not installed")
    assert err.splitlines() == [
        left_out,
        "first run: kerasnn xla",
        "round 1 of 1",
        "accuracy: kerasnn xla",
    ]
