"""A fit resumed from any checkpoint ends as if it had not been interrupted."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasnn
from kerasnn import models
from kerasnn.checkpoints import CheckpointFolder
from kerasnn.errors import InputError, InterruptedFitError
from kerasnn.system.termination import TerminatedError
from kerasnn.training.checkpoints.interrupts import Interrupts
from kerasnn.training.checkpoints.run_checkpoints import RunCheckpoints
from tests.deaths import Killed

ROWS = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
LABELS = (ROWS.sum(axis=1) > 0).astype(np.int32)
TEST = ROWS[:50], LABELS[:50]


def keras_model():
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, "relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3, seed=3),
            keras.layers.Dense(2),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    return model


def fit_arrays(model, **saving):
    callbacks = [
        keras.callbacks.ReduceLROnPlateau("val_loss", patience=1, min_delta=0.01),
        keras.callbacks.EarlyStopping("val_loss", patience=4, restore_best_weights=True),
    ]
    return kerasnn.fit(
        model,
        ROWS,
        LABELS,
        batch_size=16,
        epochs=9,
        seed=5,
        verbose=0,
        validation_data=TEST,
        callbacks=callbacks,
        **saving,
    )


def fit_ahead(model, **saving):
    return kerasnn.fit(
        model, ROWS, LABELS, batch_size=16, epochs=40, seed=5, verbose=0, **saving
    )


def fit_passes(model, **saving):
    return kerasnn.fit(
        model,
        ROWS,
        LABELS,
        batch_size=20,
        epochs=6,
        steps_per_epoch=5,
        seed=5,
        verbose=0,
        **saving,
    )


def fit_dataset(model, **saving):
    dataset = tf.data.Dataset.from_tensor_slices((ROWS, LABELS))
    dataset = dataset.shuffle(50, seed=1).batch(16)
    return kerasnn.fit(model, dataset, epochs=4, verbose=0, shuffle=False, **saving)


def fit_generator(model, **saving):
    def batches():
        rng = np.random.default_rng(4)
        while True:
            rows = rng.integers(0, len(ROWS), 16)
            yield ROWS[rows], LABELS[rows]

    return kerasnn.fit(
        model,
        batches(),
        epochs=4,
        steps_per_epoch=7,
        shuffle=False,
        verbose=0,
        **saving,
    )


def network():
    return models.DigitsNetwork(n_in=4, hidden_units=(8,), n_out=2, seed=1)


def fit_network(network, **saving):
    return kerasnn.fit(
        network,
        ROWS,
        LABELS,
        batch_size=16,
        epochs=12,
        seed=5,
        verbose=0,
        validation_data=TEST,
        **saving,
    )


CASES = {
    "arrays": (keras_model, fit_arrays),
    "passes": (keras_model, fit_passes),
    "dataset": (keras_model, fit_dataset),
    "generator": (keras_model, fit_generator),
    "network": (network, fit_network),
}


def values(model):
    return [variable.numpy() for variable in model.variables]


def same(ones, others):
    return all(np.array_equal(a, b) for a, b in zip(ones, others, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("deaths", [1, 2, 4])
def test_min_delta_has_the_same_meaning_after_a_resume(deaths, die_after, tmp_path):
    """Progress below `min_delta` does not count: the rate falls, then training stops."""

    def fit(**saving):
        model = keras_model()
        callbacks = [
            keras.callbacks.ReduceLROnPlateau("loss", patience=2, min_delta=0.2),
            keras.callbacks.EarlyStopping("accuracy", patience=8, min_delta=0.6),
        ]
        return kerasnn.fit(
            model, ROWS, LABELS, epochs=12, seed=5, verbose=0, callbacks=callbacks, **saving
        ).history

    whole = fit()
    assert len(set(whole["learning_rate"])) > 2
    assert len(whole["loss"]) < 12
    die_after(deaths)
    with pytest.raises(Killed):
        fit(checkpoint=tmp_path, checkpoint_every=1e-9)
    die_after(-1)
    assert fit(checkpoint=tmp_path, resume=True) == whole


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_fit_resumed_from_any_checkpoint_ends_with_the_same_bits(
    name, die_after, tmp_path
):
    make, fit = CASES[name]
    whole = make()
    history = fit(whole, checkpoint=tmp_path / "whole", checkpoint_every=0).history
    (*_, count) = CheckpointFolder(tmp_path / "whole").numbers()
    assert count > 3
    folder = tmp_path / "killed"
    killed_at = count // 3, count - 1
    for deaths in (killed_at[0], killed_at[1] - killed_at[0]):
        die_after(deaths)
        with pytest.raises(Killed):
            fit(make(), checkpoint=folder, checkpoint_every=0, resume=True)
    die_after(-1)
    resumed = make()
    again = fit(resumed, checkpoint=folder, checkpoint_every=3600, resume=True)
    assert same(values(resumed), values(whole))
    assert again.history == history
    assert again.epoch == list(range(len(history["loss"])))


@pytest.mark.slow
def test_saving_changes_nothing(tmp_path):
    plain, saved = network(), network()
    fit_network(plain)
    fit_network(saved, checkpoint=tmp_path, checkpoint_every=0)
    assert same(values(saved), values(plain))


def test_a_folder_with_checkpoints_is_not_overwritten(tmp_path):
    fit_network(network(), checkpoint=tmp_path)
    (number,) = CheckpointFolder(tmp_path).numbers()
    with pytest.raises(InputError) as raised:
        fit_network(network(), checkpoint=tmp_path)
    assert str(raised.value) == (
        f"{tmp_path}: holds checkpoint-{number:010}.npz; resume=True resumes from it,"
        " another folder starts again"
    )


@pytest.mark.slow
def test_a_finished_fit_is_restored_without_training(tmp_path):
    whole, again = network(), network()
    history = fit_network(whole, checkpoint=tmp_path).history
    assert fit_network(again, checkpoint=tmp_path, resume=True).history == history
    assert same(values(again), values(whole))
    assert len(CheckpointFolder(tmp_path).numbers()) == 1


def test_resume_without_a_checkpoint_starts_a_run(tmp_path):
    fitted = fit_network(network(), checkpoint=tmp_path / "new", resume=True)
    assert fitted.epoch == list(range(12))


@pytest.mark.slow
def test_a_checkpoint_of_another_network_or_fit_raises(tmp_path):
    fit_network(network(), checkpoint=tmp_path)
    (path,) = tmp_path.iterdir()
    wider = models.DigitsNetwork(n_in=4, hidden_units=(9,), n_out=2, seed=1)
    before = values(wider)
    with pytest.raises(InputError) as raised:
        fit_network(wider, checkpoint=tmp_path, resume=True)
    assert str(raised.value) == (
        f"{path}: is of another network: its {wider.variables[0].name[:-2]} is [8]"
        f" float32, the {wider.variables[0].name[:-2]} of this one [9] float32"
    )
    assert same(values(wider), before)
    with pytest.raises(InputError) as raised:
        kerasnn.fit(
            network(), ROWS, LABELS, seed=6, verbose=0, checkpoint=tmp_path, resume=True
        )
    assert str(raised.value) == (
        f"{path}: was made with seed=5; got 6; resume with the same value, or use another"
        " folder"
    )
    with pytest.raises(InputError) as raised:
        kerasnn.fit(
            network(),
            ROWS[1:],
            LABELS[1:],
            batch_size=16,
            verbose=0,
            checkpoint=tmp_path,
            resume=True,
        )
    assert str(raised.value).startswith(f"{path}: was made with data='sha256:")


def test_checkpoint_with_a_model_for_keras_only_raises_with_the_way_out(tmp_path):
    model = keras_model()
    model.run_eagerly = True
    with pytest.raises(InputError) as raised:
        fit_ahead(model, checkpoint=tmp_path)
    assert str(raised.value) == (
        "checkpoint= is for the compiled loop, which cannot train this: the model was"
        " compiled with run_eagerly=True; keras.callbacks.BackupAndRestore is for Keras's"
        " own"
    )


SCRIPT = """
    import sys
    from tests.test_saver import fit_network, network
    import keras, kerasnn
    from tests.test_saver import ROWS, LABELS

    class Told(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 3:
                print("under way", flush=True)

    kerasnn.fit(network(), ROWS, LABELS, epochs=10**6, seed=5, verbose=0,
                callbacks=[Told()], checkpoint=sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM])
def test_a_signal_saves_and_reports_how_to_resume(number, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd(), "TF_CPP_MIN_LOG_LEVEL": "3"},
    ) as process:
        assert process.stdout.readline() == "under way\n"
        process.send_signal(number)
        _, output = process.communicate(timeout=240)
    (path,) = tmp_path.iterdir()
    epochs, steps, *_ = CheckpointFolder(tmp_path).newest().description["position"]
    assert epochs >= 3
    within = f" and {steps} steps" if steps else ""
    assert output.splitlines()[-1] == (
        f"kerasnn.errors.InterruptedFitError: {number.name}: the training was stopped"
        f" after {epochs} epochs{within} and saved as {path}; the same call with"
        " resume=True resumes it"
    )


def test_signal_handlers_are_restored_after_a_fit(tmp_path):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    fit_network(network(), checkpoint=tmp_path)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@pytest.mark.parametrize(
    ("number", "error"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, TerminatedError)],
)
def test_a_second_signal_ends_at_once(number, error):
    def interrupt_twice():
        with Interrupts() as interrupts:
            signal.raise_signal(number)
            assert interrupts.received == number
            signal.raise_signal(number)

    with pytest.raises(error):
        interrupt_twice()
    assert issubclass(InterruptedFitError, KeyboardInterrupt)


def test_a_run_in_a_folder_that_another_training_uses_is_refused(tmp_path):
    inside, done = threading.Event(), threading.Event()

    def hold():
        with CheckpointFolder(tmp_path).locked():
            inside.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait()
    model = network()
    before = values(model)
    try:
        with pytest.raises(InputError, match="is in use by another training"):
            fit_network(model, checkpoint=tmp_path, resume=True)
    finally:
        done.set()
        thread.join()
    assert same(values(model), before)


def test_a_run_does_not_write_among_checkpoints_that_were_written_since_it_began(tmp_path):
    one, other = RunCheckpoints(tmp_path), RunCheckpoints(tmp_path)
    with one.watching():
        one.write({}, {"settings": {}})
    refused = pytest.raises(InputError, match="another training has written a checkpoint")
    with refused, other.watching():
        pass
    assert os.listdir(tmp_path) == ["checkpoint-0000000001.npz"]


def test_a_signal_that_comes_after_the_last_step_is_not_lost():
    with pytest.raises(KeyboardInterrupt), Interrupts():
        signal.raise_signal(signal.SIGINT)
