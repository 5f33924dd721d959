"""What disks do to a training: an error that names the file, and nothing that is lost."""

import os
import resource
import tempfile
from contextlib import ExitStack, contextmanager

import keras
import numpy as np
import pytest

import kerasnn
from kerasnn.checkpoints import CheckpointFolder
from kerasnn.datasets import ShuffledShards, write_shards
from kerasnn.errors import InputError

ROWS = np.random.default_rng(0).normal(size=(6000, 4)).astype(np.float32)
SUMS = ROWS.sum(axis=1)
FULL = 48 * 1024  # bytes that a file may have: less than a shard or a checkpoint here
FIT = {"epochs": 3, "batch_size": 500, "verbose": 0}


@contextmanager
def full_disk():
    """No file may grow any more: the system's own error, as of a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class At(keras.callbacks.Callback):
    """Does something once, at the end of the second epoch; remembers nothing."""

    def __init__(self, action=lambda: None):
        super().__init__()
        self._action = action

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            self._action()


def model(width=2000):
    keras.utils.set_random_seed(7)
    hidden = keras.layers.Dense(width, "relu", name="hidden")
    made = keras.Sequential([keras.Input((4,)), hidden], name="net")
    made.add(keras.layers.Dense(1))
    made.compile("adam", "mse")
    return made


def weights(of):
    return [variable.numpy() for variable in of.variables]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Shards, and the weights and history of a fit of them."""
    folder = tmp_path_factory.mktemp("rows") / "shards"
    source = ShuffledShards(write_shards(blocks(), folder, rows_per_shard=1000))
    fitted = model()
    history = kerasnn.fit(fitted, source, **FIT).history
    return source, weights(fitted), history


def blocks():
    return [{"x": ROWS, "y": SUMS}]


def stopped(source, folder, action):
    """The error of a fit that something is done to after two epochs."""
    with pytest.raises(InputError) as raised:
        kerasnn.fit(
            model(),
            source,
            checkpoint=folder,
            checkpoint_every=0,
            callbacks=[At(action)],
            **FIT,
        )
    return str(raised.value)


def check_goes_on(uninterrupted, folder):
    source, expected, history = uninterrupted
    resumed = model()
    again = kerasnn.fit(
        resumed, source, checkpoint=folder, resume=True, callbacks=[At()], **FIT
    )
    assert again.history == history
    for one, other in zip(weights(resumed), expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_shard_that_vanishes_in_training_is_named_and_the_fit_goes_on(
    uninterrupted, tmp_path
):
    source = uninterrupted[0]
    path = source.shards.folder / "000004-y.npy"
    told = stopped(source, tmp_path, lambda: path.rename(tmp_path / path.name))
    assert told == (
        f"{path}: the shard is not there, which {path.parent / 'shards.json'} lists"
    )
    (tmp_path / path.name).rename(path)
    check_goes_on(uninterrupted, tmp_path)


def test_a_shard_cut_short_in_training_is_named_and_the_fit_goes_on(
    uninterrupted, tmp_path
):
    source = uninterrupted[0]
    path = source.shards.folder / "000003-x.npy"
    whole = path.read_bytes()
    told = stopped(source, tmp_path, lambda: os.truncate(path, 128 + 16 * 10))
    assert told == (
        f"{path}: the shard is damaged: Failed to read all data for array. Expected (1000,"
        " 4) = 4000 elements, could only read 40 elements. (file seems not fully written?)"
    )
    path.write_bytes(whole)
    check_goes_on(uninterrupted, tmp_path)


def test_a_disk_that_is_full_when_a_checkpoint_is_written_ends_the_fit(
    uninterrupted, tmp_path
):
    with ExitStack() as disk:
        told = stopped(uninterrupted[0], tmp_path, lambda: disk.enter_context(full_disk()))
    kept = CheckpointFolder(tmp_path)
    numbers = kept.numbers()
    assert told == (
        f"{kept.path(numbers[-1] + 1)}: the checkpoint cannot be written: File too large;"
        " the earlier ones are unchanged"
    )
    assert kept.load(numbers[-1]).description["position"][0] >= 1
    assert list(tmp_path.glob(".partial-*")) == []
    check_goes_on(uninterrupted, tmp_path)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "rows.csv"
    np.savetxt(
        path,
        np.column_stack([ROWS, SUMS]),
        "%.6g",
        delimiter=",",
        header="a,b,c,d,t",
        comments="",
    )
    return path


@pytest.mark.parametrize("kept", [False, True], ids=["temporary", "kept"])
def test_a_disk_that_is_full_when_shards_are_written_leaves_nothing(
    table, tmp_path, kept, monkeypatch
):
    (tmp_path / "t").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))
    options = {"checkpoint": tmp_path / "run"} if kept else {}
    with full_disk(), pytest.raises(InputError) as raised:
        kerasnn.fit(model(), table, "t", **options, **FIT)
    path, told = str(raised.value).split(": ", 1)
    assert told == (
        "cannot be written: the disk does not take all of it: 24000 requested and 12256"
        " written"
    )
    if kept:
        assert path == str(tmp_path / "run" / "rows" / "training")
        assert list((tmp_path / "run" / "rows").iterdir()) == []
        kerasnn.fit(model(2), table, "t", **options, **FIT)
    assert list((tmp_path / "t").glob("kerasnn*")) == []


def test_a_folder_that_cannot_be_written_is_named(table, uninterrupted, tmp_path):
    (tmp_path / "file").write_text("precious")
    folder = tmp_path / "file" / "run"
    with pytest.raises(InputError) as raised:
        kerasnn.fit(model(), table, "t", checkpoint=folder, **FIT)
    told = f"{folder / '.lock'}: cannot be locked: Not a directory"
    assert str(raised.value) == told
    assert stopped(uninterrupted[0], folder, lambda: None) == told
    assert (tmp_path / "file").read_text() == "precious"


def test_a_checkpoint_of_another_network_is_told_and_stays(table, tmp_path):
    folder = tmp_path / "run"
    kerasnn.fit(model(3), table, "t", checkpoint=folder, **FIT)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    newest = CheckpointFolder(folder).newest().path
    with pytest.raises(InputError) as raised:
        kerasnn.fit(model(5), table, "t", checkpoint=folder, resume=True, **FIT)
    assert str(raised.value) == (
        f"{newest}: is of another network: its net/hidden/kernel is [4, 3] float32, the"
        " net/hidden/kernel of this one [4, 5] float32"
    )
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert after == before
    kerasnn.fit(model(3), table, "t", checkpoint=folder, resume=True, **FIT)


def test_a_file_of_a_table_that_vanishes_while_it_is_read_is_named(
    tmp_path, table, monkeypatch
):
    folder = tmp_path / "rows"
    folder.mkdir()
    for name in ("a.csv", "b.csv"):
        (folder / name).write_bytes(table.read_bytes())
    listed = [folder / "a.csv", folder / "b.csv"]
    monkeypatch.setattr("kerasnn.datasets.table_files", lambda path: listed)
    (folder / "b.csv").unlink()
    with pytest.raises(InputError) as raised:
        kerasnn.fit(model(), folder, "t", **FIT)
    assert str(raised.value) == f"{folder / 'b.csv'}: there is no such file"
