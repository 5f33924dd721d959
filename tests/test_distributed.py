"""One device, two devices and two workers on this machine give the same weights."""

import contextlib
import json
import os
import random
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import kerasnn
from kerasnn import models, training
from kerasnn.checkpoints import CheckpointFolder
from kerasnn.datasets import ShuffledShards, write_shards
from kerasnn.errors import InputError, WorkerLostError
from kerasnn.training.checkpoints.run_checkpoints import RunCheckpoints
from kerasnn.training.compiled.chunks import Chunk
from kerasnn.training.distribution.sharding import ShardedFeed, batch_sizes, local_slice
from kerasnn.training.distribution.workers import WorkerGroup
from tests import distributed_jobs as jobs

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs" / "several-machines.md"
WORKERS_DO = (
    *("keras", "network", "dataset", "shards", "resumed", "exported", "refused"),
    *("tables", "resumed_table", "refused_tables", "on_disk", "resumed_disk"),
)
DEVICES_DO = ("keras", "network")


def free_ports(count):
    """Return free ports below those that Linux assigns to connections by itself."""
    ports = []
    for port in random.SystemRandom().sample(range(20_000, 32_000), 100):
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            ports.append(port)
    return ports[:count]


def start(folder, names, config="", code=None):
    program = (
        ["-c", code] if code else ["-m", "tests.distributed_jobs", str(folder), *names]
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CONFIG": config or "{}"}
    return subprocess.Popen(
        [sys.executable, *program],
        cwd=folder if code else ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders with the results of two devices, and of two workers."""
    found = {name: tmp_path_factory.mktemp(name) for name in ("devices", "workers")}
    processes = [start(found["devices"], DEVICES_DO)]
    ports = free_ports(2)
    for worker in range(2):
        config = jobs.config_of(ports, worker)
        processes.append(start(found["workers"], WORKERS_DO, config))
    example = re.search(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)[1]
    processes.append(start(found["devices"], (), code=example))
    for process in processes:
        output, _ = process.communicate(timeout=400)
        assert process.returncode == 0, output
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Results of a job on one device; each is trained once."""
    ended = {}
    folder = tmp_path_factory.mktemp("alone")

    def of(name):
        if name not in ended:
            ended[name] = jobs.alone(name, folder)
        return ended[name]

    return of


def assert_alike(found, expected):
    assert set(found) == set(expected)
    for name in found:
        if not name.startswith("small/"):
            np.testing.assert_allclose(found[name], expected[name], atol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", DEVICES_DO)
def test_two_devices_give_the_weights_of_one(name, folders, alone):
    assert_alike(np.load(folders["devices"] / f"{name}-0.npz"), alone(name))


@pytest.mark.parametrize(
    "name", ["keras", "network", "dataset", "shards", "tables", "on_disk"]
)
@pytest.mark.parametrize("worker", [0, 1])
def test_two_workers_give_the_weights_of_one_process(name, worker, folders, alone):
    assert_alike(np.load(folders["workers"] / f"{name}-{worker}.npz"), alone(name))


def test_each_worker_learns_from_its_own_shards(folders, alone):
    """Small batches have another order than in one process; the loss falls alike."""
    losses = np.load(folders["workers"] / "shards-0.npz")["small/loss"]
    np.testing.assert_allclose(losses, alone("shards")["small/loss"], atol=0.05)
    assert losses[-1] < losses[0] / 1.3


@pytest.mark.parametrize("worker", [0, 1])
def test_resumed_workers_end_with_the_same_bits(worker, folders):
    """Moving averages, dropout and history, from a checkpoint within an epoch."""
    assert np.load(folders["workers"] / f"resumed-{worker}.npz")["same/3"]


@pytest.mark.parametrize("name", ["resumed_table", "resumed_disk"])
@pytest.mark.parametrize("worker", [0, 1])
def test_a_resumed_ensemble_ends_with_the_same_bits(name, worker, folders):
    assert np.load(folders["workers"] / f"{name}-{worker}.npz")["same"]


def test_the_workers_end_with_the_same_ensembles(folders):
    one, other = (np.load(folders["workers"] / f"tables-{i}.npz") for i in range(2))
    assert set(one) == set(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.mark.parametrize("worker", [0, 1])
def test_workers_that_cannot_train_an_ensemble_together_raise(worker, folders):
    output = np.load(folders["workers"] / f"refused_tables-{worker}.npz")
    assert str(output["driver"]) == "several workers train with driver='graph'; got 'xla'"
    start = "every worker must be given the same model, rows and arguments; worker"
    assert str(output["rows"]).startswith(f"{start} {worker} has {{'recipe': \"{{'members'")
    own, chiefs = re.findall(r"'data': \['sha256:(\w+)'\]", str(output["rows"]))
    assert (own == chiefs) == (worker == 0)
    assert str(output["resume"]) == (
        f"{start} {worker} has {{'checkpoint': True, 'resume': {worker == 1}}}, the chief"
        " {'checkpoint': True, 'resume': False}"
    )


def test_the_export_of_the_chief_predicts_as_the_network(folders):
    found = np.load(folders["workers"] / "exported-0.npz")
    for name in ("network", "model"):
        (version,) = (folders["workers"] / f"{name}-False").iterdir()
        answers = kerasnn.load(version).predict(jobs.ROWS)["probabilities"]
        np.testing.assert_allclose(answers, found[name], atol=1e-6)


@pytest.mark.parametrize("worker", [0, 1])
def test_workers_with_different_arguments_raise(worker, folders):
    output = str(np.load(folders["workers"] / f"refused-{worker}.npz")["message"])
    start = "every worker must be given the same model, rows and arguments; worker"
    assert output.startswith(f"{start} {worker} has {{'epochs': {3 if worker else 2}, ")
    assert ", the chief {'epochs': 2, " in output


def test_the_example_of_the_docs_runs_alone(folders):
    assert (folders["devices"] / "my_model" / "saved_model.pb").exists()


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(1, 5), st.integers(0, 3), st.integers(0, 9))
def test_the_slices_of_the_workers_make_up_the_batch(width, workers, first, count):
    numbers = np.random.default_rng(0).permutation(12 * width).astype(np.int32)
    call = Chunk(
        None,
        [],
        [tf.constant(numbers.reshape(1, 12, width))],
        first,
        first + count,
        first_step=first,
    )
    shares = [
        local_slice(call, SimpleNamespace(n_workers=workers, worker=i, replicas=workers))
        for i in range(workers)
    ]
    for step in range(count):
        dealt = [s.numbers[s.bounds[step] : s.bounds[step + 1]] for s in shares]
        batch = numbers[(first + step) * width :][:width]
        assert np.array_equal(np.concatenate(dealt), batch)
        assert [s.totals[step] for s in shares] == [width] * workers
        sizes = [len(rows) for rows in dealt]
        assert max(sizes) - min(sizes) <= 1
        assert all(s.some_empty == (width < workers) for s in shares)


def part_feeds(shards, workers, batch_size):
    return [
        ShardedFeed(
            ShuffledShards(shards, seed=1),
            batch_size,
            shuffle=True,
            workers=SimpleNamespace(n_workers=workers, worker=worker, local_replicas=1),
        )
        for worker in range(workers)
    ]


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [7, 32, 203])
def test_every_row_on_disk_belongs_to_one_worker_once_an_epoch(
    workers, batch_size, tmp_path
):
    numbers = np.arange(203, dtype=np.int32)
    shards = write_shards([{"x": numbers}], tmp_path / "shards", rows_per_shard=30)
    feeds = part_feeds(shards, workers, batch_size)
    epochs = [[list(feed.chunks(e, lambda: 1)) for feed in feeds] for e in range(2)]
    assert {feed.steps for feed in feeds} == {feeds[0].steps}
    for calls in epochs:
        read = [
            c.local_slice.rows[0].numpy()[c.local_slice.numbers]
            for own in calls
            for c in own
        ]
        assert np.array_equal(np.sort(np.concatenate(read)), numbers)
        totals = np.array(
            [np.concatenate([c.local_slice.totals for c in own]) for own in calls]
        )
        sizes = [
            np.concatenate([np.diff(c.local_slice.bounds) for c in own]) for own in calls
        ]
        assert np.array_equal(totals, [np.sum(sizes, axis=0)] * workers)
        cuts = [[call.stop for call in own] for own in calls]
        assert cuts == [cuts[0]] * workers


def test_an_epoch_on_disk_resumes_at_any_step(tmp_path):
    numbers = np.arange(203, dtype=np.int32)
    shards = write_shards([{"x": numbers}], tmp_path / "shards", rows_per_shard=30)
    for feed in part_feeds(shards, 2, 16):

        def rows(done, feed=feed):
            calls = feed.chunks(3, lambda: 1, by_batch=True, done=done)
            return [
                c.local_slice.rows[0].numpy()[c.local_slice.numbers].tolist() for c in calls
            ]

        assert rows(9) == rows(0)[9:]


def test_batch_sizes_are_proportional_to_the_parts_of_the_workers():
    assert batch_sizes([100, 100, 50], 50) == [20, 20, 10]
    assert batch_sizes([7, 7, 7], 8) == [3, 2, 3]


def test_each_worker_reads_every_nth_shard(tmp_path):
    shards = write_shards([{"x": jobs.ROWS}], tmp_path / "shards", rows_per_shard=60)
    rows = ShuffledShards(shards)
    assert [rows.part(worker, 3).numbers for worker in range(3)] == [(0, 3), (1,), (2,)]
    assert rows.part(0, 3).n_rows == 60 + 23
    with pytest.raises(InputError) as raised:
        rows.part(4, 5)
    assert str(raised.value) == (
        f"{tmp_path / 'shards'}: has 4 shards for 5 workers, of which each reads its own:"
        " write it with fewer rows_per_shard"
    )


@pytest.fixture(scope="module")
def strategy():
    return tf.distribute.MirroredStrategy(["CPU:0"])


def refused(model, *arguments, **named):
    with pytest.raises(InputError) as raised:
        kerasnn.fit(model, *arguments, verbose=0, **named)
    return str(raised.value)


def test_the_only_process_is_the_chief(strategy):
    assert training.is_chief(strategy)


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.UnavailableError(None, None, ""),
        tf.errors.AbortedError(None, None, ""),
        tf.errors.InternalError(None, None, "recvmsg:Connection reset by peer"),
        tf.errors.UnknownError(None, None, "Socket closed\n\t [[{{node all_reduce}}]]"),
        tf.errors.InternalError(None, None, "Collective ops is aborted by: RecvBuf"),
        tf.errors.FailedPreconditionError(
            None,
            None,
            "Device /job:worker/replica:0/task:1/device:CPU:0 current incarnation doesn't"
            " match with one in the group. This usually means this worker has restarted but"
            " the collective leader hasn't",
        ),
        tf.errors.InternalError(None, None, "worker 1: heartbeat timeout"),
    ],
    ids=lambda error: f"{type(error).__name__}-{error.message[:20]}",
)
def test_tensorflow_errors_of_a_lost_worker_become_worker_lost_errors(error, strategy):
    with (
        pytest.raises(WorkerLostError) as raised,
        WorkerGroup(strategy).reports_lost_workers(),
    ):
        raise error
    assert str(raised.value) == (
        "worker 0 of 1 cannot continue: another worker has stopped. Start all of them"
        " again; with checkpoint= and resume=True they resume from the last checkpoint"
    )
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("kind", [tf.errors.InternalError, tf.errors.InvalidArgumentError])
def test_other_errors_of_tensorflow_are_unchanged(kind, strategy):
    with (
        pytest.raises(kind, match="shapes differ"),
        WorkerGroup(strategy).reports_lost_workers(),
    ):
        raise kind(None, None, "shapes differ")


def test_variables_made_outside_of_the_scope_raise(strategy):
    optimizer = keras.optimizers.SGD(0.1, name="outside")
    optimizer.build([])
    with strategy.scope():
        network = models.DigitsNetwork(n_in=6, hidden_units=(4,), n_out=3)
    assert refused(network, jobs.ROWS, jobs.LABELS, optimizer=optimizer) == (
        "outside/iteration was made outside of the scope of MirroredStrategy: make and"
        " compile the model, and the optimizer, within `with strategy.scope():`"
    )


def test_a_loss_that_is_not_a_mean_raises(strategy):
    with strategy.scope():
        model = jobs.keras_model()
        loss = keras.losses.SparseCategoricalCrossentropy(reduction="sum")
        model.compile("sgd", loss)
    assert refused(model, jobs.ROWS, jobs.LABELS) == (
        "on several workers a loss must be a mean over rows, with"
        " reduction='sum_over_batch_size'; that of sparse_categorical_crossentropy is 'sum'"
    )


def test_drivers_other_than_the_graph_raise(strategy):
    with strategy.scope():
        model = jobs.keras_model()
    assert refused(model, jobs.ROWS, jobs.LABELS, driver="xla") == (
        "several workers train with driver='graph'; got 'xla'"
    )
    model.run_eagerly = True
    assert refused(model, jobs.ROWS, jobs.LABELS) == (
        "several workers cannot train this: the model was compiled with run_eagerly=True"
    )


def test_a_step_that_returns_more_than_metrics_raises(strategy):
    class Telling(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, x):
            return self.dense(x)

        def train_step(self, data):
            return {**super().train_step(data), "mine": 0.0}

    with strategy.scope():
        model = Telling()
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert refused(model, jobs.ROWS, jobs.LABELS) == (
        "on several workers a step can return metrics only; ['mine'] of Telling must be a"
        " keras.metrics.Mean or the like"
    )


def test_an_endless_stream_needs_steps_per_epoch(strategy):
    def batches():
        while True:
            yield jobs.ROWS[:8], jobs.LABELS[:8]

    with strategy.scope():
        model = jobs.keras_model()
    assert refused(model, batches(), shuffle=False) == (
        "several workers must know how many batches an epoch has, to end it together:"
        " give steps_per_epoch"
    )
    history = kerasnn.fit(
        model, batches(), shuffle=False, steps_per_epoch=5, epochs=2, verbose=0
    )
    assert history.params["steps"] == 5


def command(source, config, name="train"):
    return subprocess.Popen(
        [sys.executable, "-m", "kerasnn", name, *source],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CONFIG": config},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def pair(options):
    """The command on two workers."""
    ports = free_ports(2)
    return [command(options, jobs.config_of(ports, worker)) for worker in range(2)]


def outputs_of(processes):
    """Return standard output and standard error of each process."""
    return [process.communicate(timeout=300) for process in processes]


def test_the_workers_of_tf_config_train_a_lesson(tmp_path):
    processes = pair(["iris", "--epochs", "3", "--output", str(tmp_path), "--json"])
    output = outputs_of(processes)
    assert [process.returncode for process in processes] == [0, 0], output
    assert output[1][0] == ""
    assert json.loads(output[0][0])["folder"] == str(tmp_path / "iris" / "1")
    assert [path.name for path in (tmp_path / "iris").iterdir()] == ["1"]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table, and options with which it trains in about a second."""
    path = tmp_path_factory.mktemp("table") / "table.csv"
    jobs.TABLE.assign(y=jobs.LABELS).to_csv(path, index=False)
    settings = {"target": "y", "epochs": "100", "members": "2", "folds": "2"}
    settings |= {"hidden-units": "8", "batch-size": "32"}
    return [str(path), *(f"--{name}={value}" for name, value in settings.items())]


@pytest.fixture(scope="module")
def whole(table, tmp_path_factory):
    """The folder of a model that two workers trained without interruption."""
    folder = tmp_path_factory.mktemp("whole")
    processes = pair([*table, "--output", str(folder)])
    (chief, worker) = outputs_of(processes)
    assert [process.returncode for process in processes] == [0, 0], (chief, worker)
    written = folder / "table" / "1"
    assert f"Saved    {written}" in chief[0].splitlines()
    assert worker == (
        f"Worker 1 of 2 trained on its share of 100 epochs over {table[0]}; the chief"
        f" saved {written}\n",
        "",
    )
    assert [path.name for path in (folder / "table").iterdir()] == ["1"]
    return written


def test_after_the_death_of_a_worker_all_resume_to_the_same_bits(table, whole, tmp_path):
    options = [*table, "--output", str(tmp_path), "--checkpoint", str(tmp_path / "saved")]
    chief, worker = pair([*options, "--checkpoint-every", "0.001"])
    while not list(tmp_path.glob("saved/checkpoint-*")) and chief.poll() is None:
        time.sleep(0.01)
    worker.kill()
    (_, output), _ = outputs_of([chief, worker])
    assert output.splitlines()[-1] == (
        "Error: worker 0 of 2 cannot continue: another worker has stopped. Start all of"
        " them again; with --checkpoint and --resume they resume from the last checkpoint"
    )
    assert chief.returncode == 1
    epoch = CheckpointFolder(tmp_path / "saved").newest().description["position"][0]
    assert 0 < epoch < 100
    processes = pair([*options, "--resume"])
    output = outputs_of(processes)
    assert [process.returncode for process in processes] == [0, 0], output
    models = [kerasnn.load(path) for path in (whole, tmp_path / "table" / "1")]
    answers = [model.predict(jobs.TABLE)["probabilities"] for model in models]
    np.testing.assert_array_equal(*answers)
    assert models[0].manifest["metrics"] == models[1].manifest["metrics"]


@pytest.mark.parametrize(("made_by", "got"), [(1, 2), (2, 1)])
def test_a_checkpoint_is_resumed_by_as_many_workers_only(made_by, got, tmp_path):
    checkpoints = RunCheckpoints(tmp_path, replicas=made_by)
    path = checkpoints.write({}, {"settings": {}, "variables": []})
    assert RunCheckpoints(tmp_path, resume=True, replicas=made_by).found.path == path
    with pytest.raises(InputError) as raised:
        RunCheckpoints(tmp_path, resume=True, replicas=got)
    assert str(raised.value) == (
        f"{path}: was made by {made_by} worker{'s' * (made_by > 1)}, and as many must"
        f" resume it; got {got}. Another folder starts again"
    )


def test_tuning_on_several_workers_raises(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("x,y\n1,2\n")
    process = command([str(path), "--target", "y"], jobs.config_of([1, 2], 0), "tune")
    (output,) = outputs_of([process])
    assert process.returncode == 1
    assert output[1] == (
        f"Error: {path}: settings are tried on one machine; TF_CONFIG names 2 workers, and"
        " each would try its own. Unset it here: several processes share the trials of one"
        " --storage\n"
    )
