"""Trainings that must give equal results on one device, on two, and on several machines.

As a program it is one worker: `python -m tests.distributed_jobs FOLDER JOB...` runs the
jobs under the strategy of its environment, and writes the result of each to
FOLDER/JOB-WORKER.npz.
"""

import contextlib
import json
import os
import sys
from pathlib import Path
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

import kerasnn
from kerasnn import estimators, models, tables, training
from kerasnn.checkpoints import CheckpointFolder
from kerasnn.datasets import ColumnHints, ShuffledShards, write_shards
from kerasnn.ensembles import groups
from kerasnn.ensembles.chunk_sources import DiskChunks
from kerasnn.ensembles.groups import MemberGroups
from kerasnn.ensembles.members.learner_cache import learner_cache
from kerasnn.ensembles.train import RunOptions, Training
from kerasnn.errors import InputError
from kerasnn.tables import streamed
from kerasnn.training.distribution import checkpoints as distributed_checkpoints
from kerasnn.training.distribution.checkpoints import ChiefFolder
from kerasnn.training.distribution.workers import ALONE

ROWS = np.random.default_rng(0).normal(size=(203, 6)).astype(np.float32)
LABELS = (ROWS @ np.arange(6) > 0).astype(np.int32) + (ROWS[:, 0] > 1)
TEST = ROWS[:41], LABELS[:41]
WEIGHTS = np.linspace(0.5, 2, len(ROWS)).astype(np.float32)


def dense(units, activation=None, **kwargs):
    initializer = keras.initializers.GlorotUniform(seed=units)
    return keras.layers.Dense(units, activation, kernel_initializer=initializer, **kwargs)


def keras_model(*layers, optimizer=None):
    model = keras.Sequential([keras.Input((6,)), dense(16, "tanh"), *layers, dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        optimizer or keras.optimizers.Adam(0.01, clipnorm=1.0),
        loss,
        metrics=["accuracy"],
        weighted_metrics=["sparse_categorical_crossentropy"],
    )
    return model


def ended(model, history=None):
    """Weights by number, and the history by name."""
    found = {f"weight/{i}": v.numpy() for i, v in enumerate(model.variables)}
    for name, values in (history.history if history else {}).items():
        found[f"history/{name}"] = np.array(values)
    return found


def job_keras(scope, folder):
    """Train 208 steps: batches of 8 rows and one of 3, weights, a penalty and a test."""
    with scope():
        model = keras_model(dense(8, "relu", kernel_regularizer="l2"))
    history = kerasnn.fit(
        model,
        ROWS,
        LABELS,
        batch_size=8,
        epochs=8,
        seed=3,
        verbose=0,
        sample_weight=WEIGHTS,
        validation_data=TEST,
        callbacks=[keras.callbacks.EarlyStopping("val_loss", patience=2)],
    )
    found = ended(model, history)
    found["evaluated"] = np.array(kerasnn.evaluate(model, *TEST, verbose=0))
    found["predicted"] = kerasnn.predict(model, ROWS, verbose=0)
    return found


def job_network(scope, folder):
    """Train a `tf.Module` 207 steps on 201 rows in batches of 25, the last of 1 row."""
    with scope():
        network = models.DigitsNetwork(n_in=6, hidden_units=(16,), n_out=3, seed=1)
        optimizer = keras.optimizers.Adam(0.01)
    history = kerasnn.fit(
        network,
        ROWS[:201],
        LABELS[:201],
        batch_size=25,
        epochs=23,
        seed=3,
        optimizer=optimizer,
        verbose=0,
        validation_data=TEST,
    )
    found = ended(network, history)
    trainer = training.Trainer(network, driver="graph")
    found["evaluated"] = np.array(list(trainer.evaluate(*TEST).values()))
    return found


def job_dataset(scope, folder):
    """Train on a `tf.data` pipeline that every worker reads, within the scope."""
    with scope():
        model = keras_model()
        return ended(model, fit_dataset(model))


def fit_dataset(model):
    rows = tf.data.Dataset.from_tensor_slices((ROWS, LABELS)).batch(16)
    return kerasnn.fit(model, rows, epochs=3, shuffle=False, verbose=0)


def job_shards(scope, folder):
    """Train on rows on disk: in one step, and in small steps of another order."""
    path = folder / f"shards-{os.getpid()}"
    arrays = {"x": ROWS, "y": LABELS}
    shards = write_shards([arrays], path, rows_per_shard=30)
    rows = ShuffledShards(shards, seed=4)
    with scope():
        model = keras_model()
        other = keras_model()
    found = ended(model, kerasnn.fit(model, rows, batch_size=203, epochs=9, verbose=0))
    small = kerasnn.fit(other, rows, batch_size=8, epochs=4, verbose=0)
    found["small/loss"] = np.array(small.history["loss"])
    return found


def job_normalised(scope, folder):
    """A model with moving averages, which each replica computes from its own rows."""
    with scope():
        model = keras_model(
            keras.layers.BatchNormalization(), keras.layers.Dropout(0.2, seed=2)
        )
    history = kerasnn.fit(model, ROWS, LABELS, batch_size=10, epochs=3, seed=3, verbose=0)
    return ended(model, history)


class Killed(BaseException):
    """The process has died."""


def job_resumed(scope, folder):
    """Resume a fit from some checkpoints; return whether it ends with the same bits."""

    def make():
        with scope():
            return keras_model(
                keras.layers.BatchNormalization(), keras.layers.Dropout(0.2, seed=2)
            )

    def fit(model, **saving):
        return kerasnn.fit(
            model, ROWS, LABELS, batch_size=10, epochs=3, seed=3, verbose=0, **saving
        )

    whole = make()
    history = fit(whole)
    found = ended(whole, history)
    for deaths in (3,):
        left = iter(range(deaths - 1))
        path = folder / f"checkpoints-{deaths}-{scope.__name__}"

        class Dies(ChiefFolder):
            def save(self, *args, left=left):
                written = super().save(*args)
                if next(left, None) is None:
                    raise Killed
                return written

        distributed_checkpoints.ChiefFolder = Dies
        with contextlib.suppress(Killed):
            fit(make(), checkpoint=path, checkpoint_every=0)
        distributed_checkpoints.ChiefFolder = ChiefFolder
        model = make()
        again = ended(model, fit(model, checkpoint=path, resume=True))
        same = all(np.array_equal(found[name], again[name]) for name in again)
        found[f"same/{deaths}"] = np.array(same)
    return found


def job_exported(scope, folder):
    """Have the chief write a SavedModel of the trained network."""
    with scope():
        network = models.DigitsNetwork(n_in=6, hidden_units=(16,), n_out=3, seed=1)
        model = models.DigitsModel(n_in=6, hidden_units=(16,), n_out=3, seed=1)
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    kerasnn.fit(network, ROWS, LABELS, seed=3, verbose=0)
    kerasnn.fit(model, ROWS, LABELS, seed=3, verbose=0)
    strategy = training.distribution.workers.strategy_of(network)
    if strategy is None or training.is_chief(strategy):
        kerasnn.export(network, folder / f"network-{strategy is None}")
        kerasnn.export(model, folder / f"model-{strategy is None}")
    return {
        name: tf.nn.softmax(trained(ROWS)).numpy()
        for name, trained in (("network", network), ("model", model))
    }


def job_refused(scope, folder):
    """Train with different arguments; every worker must raise."""
    with scope():
        model = keras_model()
    strategy = model.distribute_strategy
    epochs = 2 if training.is_chief(strategy) else 3
    try:
        kerasnn.fit(model, ROWS, LABELS, epochs=epochs, verbose=0)
    except InputError as error:
        return {"message": np.array(str(error))}
    return {}


TABLE = pd.DataFrame(
    {"a": ROWS[:, 0], "b": np.where(ROWS[:, 1] > 0, "x", "y"), "c": ROWS[:, 2]}
)
NUMBERS = ROWS[:, 0] * ROWS[:, 2] + np.sin(3 * ROWS[:, 0])


def table_fit(scope, kind, y, **settings):
    """An ensemble, trained under the strategy of a scope."""
    # An activation without a kink: rounding would decide on which side of it a row is.
    settings = {"activation": "silu", "learning_rate": 0.01, **settings}
    settings["hidden_units"] = (16, 8)
    estimator = kind(random_state=3, **({"driver": "graph"} | settings))
    strategy = getattr(scope, "__self__", None)
    return estimator.fit(TABLE, y, sample_weight=WEIGHTS, strategy=strategy)


def ended_table(estimator):
    """Weights by number, what the members left out, and the history by name."""
    found = {f"weight/{i}": v.numpy() for i, v in enumerate(estimator.network_.learned)}
    if estimator.oof_predictions_ is not None:
        found["held_out"] = estimator.oof_predictions_
    for name, values in estimator.history_.items():
        found[f"history/{name}"] = np.array(values)
    return found | {"epochs": np.array([estimator.best_epoch_, estimator.n_epochs_])}


ENSEMBLES = {
    # 7 batches of 20 rows of 2 folds' members: 203 steps.
    "dropout": (
        kerasnn.NetworkClassifier,
        LABELS,
        {"members": 4, "folds": 2, "batch_size": 20, "epochs": 34, "dropout": 0.2},
    ),
    # 5 batches of 41 rows: an odd one cannot be dealt evenly.
    "odd": (
        kerasnn.NetworkRegressor,
        NUMBERS,
        {"members": 2, "folds": 0, "batch_size": 41, "epochs": 40}
        | {"embedding": "piecewise-linear"},
    ),
    # A batch is a row: one worker has none.
    "rows": (
        kerasnn.NetworkClassifier,
        LABELS > 0,
        {"members": 2, "folds": 2, "batch_size": 1, "epochs": 2},
    ),
}


def job_tables(scope, folder):
    """Ensembles of 200 steps and more: dropout, odd batches, batches of one row."""
    return {
        f"{name}/{key}": value
        for name, (kind, y, settings) in ENSEMBLES.items()
        for key, value in ended_table(table_fit(scope, kind, y, **settings)).items()
    }


def job_resumed_table(scope, folder):
    """From a checkpoint an ensemble ends at the same bits, or tells that not."""
    kind, y, settings = ENSEMBLES["dropout"]
    settings = settings | {"epochs": 12}
    whole = ended_table(table_fit(scope, kind, y, **settings))
    path = folder / "table-checkpoints"
    left = iter(range(2))

    class Dies(ChiefFolder):
        def save(self, *args):
            written = super().save(*args)
            if next(left, None) is None:
                raise Killed
            return written

    distributed_checkpoints.ChiefFolder = Dies
    with contextlib.suppress(Killed):
        table_fit(scope, kind, y, checkpoint=path, checkpoint_every=0, **settings)
    distributed_checkpoints.ChiefFolder = ChiefFolder
    again = ended_table(table_fit(scope, kind, y, checkpoint=path, resume=True, **settings))
    assert left.__length_hint__() == 0
    return {"same": np.array(all(np.array_equal(whole[n], again[n]) for n in whole))}


def job_refused_tables(scope, folder):
    """What each worker is told that cannot train together."""
    worker = training.distribution.workers.WorkerGroup.of(scope.__self__).worker
    kind, y, settings = ENSEMBLES["dropout"]
    other = np.where(np.arange(len(y)) == 7 * worker, 0, y)
    told = {}
    for name, given in {
        "rows": {"y": other},
        "driver": {"y": y, "driver": "xla"},
        "resume": {"y": y, "checkpoint": folder / "none", "resume": worker == 1},
    }.items():
        try:
            table_fit(scope, kind, **settings, **given)
        except InputError as error:
            told[name] = np.array(str(error))
    return told


def disk_fit(scope, folder, **settings):
    """An ensemble on shards: 26 epochs of 8 steps or more."""
    folder.mkdir(exist_ok=True)
    path = folder / f"rows-{os.getpid()}.csv"
    TABLE.assign(y=NUMBERS).to_csv(path, index=False)
    hints = ColumnHints(categorical=["b"])
    rows = tables.stream_rows(path, target="y", hints=hints)
    settings = {"hidden_units": (16, 8), "members": 2, "batch_size": 20, **settings}
    settings |= {"learning_rate": 0.01, "driver": "graph"}
    strategy = getattr(scope, "__self__", None)
    with mock.patch.object(streamed, "SHARD_ROWS", 8):  # 8 or 9 a worker, in 3 groups
        estimator = kerasnn.NetworkRegressor(dropout=0.2, **settings)
        return tables.fit(rows, estimator, strategy=strategy).estimator


def as_two_workers(task, options):
    """The batches of two workers side by side, step by step in plain Python."""
    validation, recipe = task.validation, task.validation.recipe
    feeds = [
        MemberGroups(
            task.rows,
            validation.member_seeds,
            recipe.batch_size,
            task._arrays,
            place=(worker, 2),
        )
        for worker in range(2)
    ]
    source = DiskChunks(task, ALONE)
    source.feed = feeds[0]
    source.total = sum(map(feeds[0].steps, range(recipe.epochs)))
    found = Training(source, RunOptions(driver="eager"))
    with learner_cache().borrow(validation, recipe.members) as learner:
        found.prepare(learner)
        for epoch in range(recipe.epochs):
            learner.reset_metrics()
            for chunks in zip(*(feed.chunks(epoch) for feed in feeds), strict=True):
                for step in range(chunks[0].stop):
                    logs = learner.train_step(side_by_side(chunks, step, recipe.members))
                source.advance(chunks[0], 1)
            assert source.evaluation_due
            found.evaluate(learner, logs["loss"].numpy())
    assert source.done == source.total >= 200
    return found.results[0]


def side_by_side(calls, step, members):
    """A batch of each member: one worker's rows, then the other's."""
    batch = []
    for leaf in range(4):
        parts = [tf.gather(c.rows[leaf], c.blocks[0][0, step]) for c in calls]
        parts = [tf.reshape(part, [members, -1, *part.shape[1:]]) for part in parts]
        joined = tf.concat(parts, axis=1)
        batch.append(tf.reshape(joined, [-1, *joined.shape[2:]]))
    return batch


def job_on_disk(scope, folder):
    """Each worker reads its own shards; alone the batches are those of both."""
    if hasattr(scope, "__self__"):
        return ended_table(disk_fit(scope, folder, epochs=30))
    with mock.patch.object(estimators.base, "train_on_disk", as_two_workers):
        return ended_table(disk_fit(scope, folder, epochs=30))


def job_resumed_disk(scope, folder):
    """From a checkpoint in the middle of an epoch it ends at the same bits."""
    groups.ROWS_PER_CHUNK = 60
    settings = {"epochs": 4}
    whole = ended_table(disk_fit(scope, folder, **settings))
    path = folder / "disk-checkpoints"
    left = iter(range(3))

    class Dies(ChiefFolder):
        def save(self, *args):
            written = super().save(*args)
            if next(left, None) is None:
                raise Killed
            return written

    distributed_checkpoints.ChiefFolder = Dies
    with contextlib.suppress(Killed):
        disk_fit(scope, folder, checkpoint=path, checkpoint_every=1e-9, **settings)
    distributed_checkpoints.ChiefFolder = ChiefFolder
    *_, done, _ = CheckpointFolder(path).newest().description["position"]
    again = ended_table(disk_fit(scope, folder, checkpoint=path, resume=True, **settings))
    assert left.__length_hint__() == 0
    assert done > 0
    return {"same": np.array(all(np.array_equal(whole[n], again[n]) for n in whole))}


JOBS = {
    name.removeprefix("job_"): job
    for name, job in list(globals().items())
    if name.startswith("job_")
}


def alone(name, folder):
    """Return the results of a job in this process."""
    return JOBS[name](contextlib.nullcontext, folder)


def config_of(ports, worker):
    """Return TF_CONFIG of a worker on this machine."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    return json.dumps({"cluster": cluster, "task": {"type": "worker", "index": worker}})


def main(folder, *names):
    config = json.loads(os.environ.get("TF_CONFIG", "{}"))
    if config:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    else:
        device = tf.config.list_physical_devices("CPU")[0]
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(device, two)
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    worker = config["task"]["index"] if config else 0
    for name in names:
        found = JOBS[name](strategy.scope, Path(folder))
        np.savez(Path(folder) / f"{name}-{worker}.npz", **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
