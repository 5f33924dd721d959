"""Parts of `kill_and_resume.py` and `benchmark_streaming.py`, without their processes."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from kerasnn import datasets
from kerasnn.checkpoints import CheckpointFolder
from kerasnn.errors import InputError

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    yield importlib.import_module
    for name in ("kill_and_resume", "benchmark_streaming"):
        sys.modules.pop(name, None)


def test_a_bit_a_type_and_a_name_change_the_hash(script):
    hashed = script("kill_and_resume").hashed
    one = {"a": np.array([1.0, 0.0], np.float32), "b": np.array([1])}
    assert hashed(one) == hashed(dict(reversed(one.items())))
    negative = {**one, "a": np.array([1.0, -0.0], np.float32)}
    whole = {**one, "a": np.array([0x3F800000, 0], np.int32)}
    renamed = {"a": one["a"], "c": one["b"]}
    assert len({hashed(each) for each in (one, negative, whole, renamed)}) == 4


def test_what_differs_is_named_and_what_is_half_written_is_found(script, tmp_path):
    kill = script("kill_and_resume")
    assert kill.differences({"history": "1", "manifest": "2"}, {"history": "1"}) == [
        "another manifest"
    ]
    assert kill.left_behind(tmp_path) == []
    half = tmp_path / "models" / "model" / ".partial-here-1-x"
    half.mkdir(parents=True)
    assert kill.left_behind(tmp_path) == [f"{half} is left"]


def test_the_phase_of_a_kill_is_told_by_what_it_left(script, tmp_path):
    kill = script("kill_and_resume")
    assert kill.phase(tmp_path) == "before the first checkpoint"
    folder = CheckpointFolder(tmp_path / "checkpoints")
    folder.save(1, {}, {"position": [3, 0, [], False]})
    assert kill.phase(tmp_path) == "in training"
    folder.save(2, {}, {"position": [9, 0, [], True]})
    assert kill.phase(tmp_path) == "between training and export"
    (tmp_path / "models" / "model" / ".partial-here-1-x").mkdir(parents=True)
    assert kill.phase(tmp_path) == "in the export"
    (tmp_path / "models" / "model" / ".partial-here-1-x").rename(
        tmp_path / "models" / "model" / "1"
    )
    assert kill.phase(tmp_path) == "after the export"
    (tmp_path / "checkpoints" / ".partial-x").touch()
    assert kill.phase(tmp_path) == "in a checkpoint"


def test_a_damaged_checkpoint_is_not_passed_over(script, tmp_path):
    folder = CheckpointFolder(tmp_path / "checkpoints")
    for number in (1, 2):
        folder.save(number, {}, {"position": [number, 0, [], False]})
    folder.path(1).write_bytes(b"cut short")
    with pytest.raises(InputError, match=r"checkpoint-0000000001\.npz: .*damaged$"):
        script("kill_and_resume").newest_checkpoint(tmp_path)


def test_the_manifest_is_compared_without_names_and_times(script, tmp_path):
    (tmp_path / "assets.extra").mkdir()
    path = tmp_path / "assets.extra" / "kerasnn.json"
    told = []
    for run, seconds in (("a", 1.0), ("b", 2.0)):
        manifest = {
            "run": run,
            "created": run,
            "training": {"seconds": seconds, "epochs": 3},
        }
        path.write_text(json.dumps(manifest))
        told.append(script("kill_and_resume").manifest_of(tmp_path))
    assert told == ['{"training": {"epochs": 3}}'] * 2


def test_the_benchmark_writes_the_same_rows_as_parquet_and_as_shards(script, tmp_path):
    bench = script("benchmark_streaming")
    bench.make(tmp_path, 1000)
    assert not list(tmp_path.glob("*.partial"))
    rows = datasets.open_shards(tmp_path / "shards-1000")
    columns = next(bench.table(1000))
    shard = rows.shard(0)
    np.testing.assert_array_equal(shard["x"][:, 5], columns["x5"])
    np.testing.assert_array_equal(shard["codes"][:, 2], columns["c2"] + 2 + 10)
    np.testing.assert_array_equal(shard["y"], columns["label"])
    assert shard["codes"].max() < sum(bench.LEVELS)
    assert len(columns) == 30
    bench.make_csv(tmp_path, 1000)
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 1001


def test_more_rows_of_the_benchmark_begin_with_the_fewer(script):
    bench = script("benchmark_streaming")
    few, many = next(bench.table(10)), next(bench.table(2000))
    for name, column in few.items():
        np.testing.assert_array_equal(column, many[name][:10])
    assert bench.spread([3.0, 1.0, 2.0]) == (1.0, 2.0, 3.0)
