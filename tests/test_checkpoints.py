"""Files that are whole or absent: what is read is what was written, or is passed over."""

import errno
import hashlib
import io
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnn.checkpoints import CheckpointFolder, DamagedCheckpointWarning
from kerasnn.errors import InputError

ARRAYS = {
    "dense/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "seed": np.array(2**63, np.uint64),
    "nothing": np.zeros((0, 4)),
}
DESCRIPTION = {"epoch": 3, "history": {"loss": [0.5, 0.25, float("nan")]}, "text": "Größe"}


def test_what_is_read_is_what_was_written(tmp_path):
    folder = CheckpointFolder(tmp_path / "new" / "run")
    assert folder.newest() is None
    path = folder.save(7, ARRAYS, DESCRIPTION)
    assert path == tmp_path / "new" / "run" / "checkpoint-0000000007.npz"
    read = folder.newest()
    assert read.number == 7
    assert read.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert read.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(read.arrays[name], array)
    with np.load(path) as file:  # any NumPy reads it
        np.testing.assert_array_equal(file["dense/kernel"], ARRAYS["dense/kernel"])
    assert repr(read.description) == repr({"format": 1, **DESCRIPTION})


def test_the_last_ones_stay_and_nothing_else_does(tmp_path):
    folder = CheckpointFolder(tmp_path, keep=2)
    (tmp_path / ".partial-left-by-a-killed-process").write_bytes(b"half")
    for number in (1, 2, 10):
        folder.save(number, ARRAYS, DESCRIPTION)
    assert folder.numbers() == [2, 10]
    assert sorted(os.listdir(tmp_path)) == [
        "checkpoint-0000000002.npz",
        "checkpoint-0000000010.npz",
    ]


def test_a_damaged_one_is_named_and_the_one_before_it_used(tmp_path):
    folder = CheckpointFolder(tmp_path)
    folder.save(1, ARRAYS, {"epoch": 1})
    path = folder.save(2, ARRAYS, {"epoch": 2})
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.warns(DamagedCheckpointWarning) as warned:
        assert folder.newest().description["epoch"] == 1
    (warning,) = warned
    assert str(warning.message) == (
        f"{path}: the checkpoint is damaged; the previous one is used, if there is one"
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = CheckpointFolder(tmp_path_factory.mktemp("whole"))
    return folder.save(1, ARRAYS, DESCRIPTION).read_bytes()


@given(data=st.data())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_changed_byte_or_a_lost_end_is_noticed(data, whole, tmp_path_factory):
    folder = CheckpointFolder(tmp_path_factory.mktemp("damaged"))
    changed = bytearray(whole)
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        changed[at] ^= data.draw(st.integers(1, 255))
    else:
        del changed[at:]
    folder.path(1).write_bytes(changed)
    with pytest.raises(InputError) as raised:
        folder.load(1)
    assert str(raised.value) == f"{folder.path(1)}: the checkpoint is damaged"


def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path, monkeypatch):
    folder = CheckpointFolder(tmp_path)
    folder.save(1, ARRAYS, DESCRIPTION)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError) as raised:
        folder.save(2, ARRAYS, DESCRIPTION)
    assert str(raised.value) == (
        f"{folder.path(2)}: the checkpoint cannot be written: No space left on device;"
        " the earlier ones are unchanged"
    )
    assert os.listdir(tmp_path) == ["checkpoint-0000000001.npz"]
    assert folder.newest().number == 1


def with_right_sum(path, **arrays):
    whole = io.BytesIO()
    np.savez(whole, **arrays)
    content = whole.getvalue()
    path.write_bytes(content + hashlib.sha256(content).digest())


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.ones(2)}, "the checkpoint is damaged: it has no checkpoint.json"),
        (
            {"checkpoint.json": np.array([{}], object)},
            "the checkpoint is damaged: Object arrays cannot be loaded when"
            " allow_pickle=False",
        ),
        (
            {"checkpoint.json": np.frombuffer(b"[1]", np.uint8)},
            "it must be an object; got [1]",
        ),
        (
            {"checkpoint.json": np.frombuffer(b"{", np.uint8)},
            "cannot be read: Expecting property name enclosed in double quotes: line 1"
            " column 2 (char 1)",
        ),
    ],
)
def test_a_right_sum_over_wrong_content_is_no_checkpoint(tmp_path, arrays, message):
    folder = CheckpointFolder(tmp_path)
    with_right_sum(folder.path(1), **arrays)
    with pytest.raises(InputError) as raised:
        folder.load(1)
    assert str(raised.value) == f"{folder.path(1)}: {message}"


def test_packed_arrays_are_no_checkpoint(tmp_path):
    folder, whole = CheckpointFolder(tmp_path), io.BytesIO()
    np.savez_compressed(whole, x=np.zeros(10**6))  # would unpack to 8 MB
    content = whole.getvalue()
    folder.path(1).write_bytes(content + hashlib.sha256(content).digest())
    with pytest.raises(InputError, match="its arrays are packed"):
        folder.load(1)


def test_another_format_is_refused(tmp_path):
    folder = CheckpointFolder(tmp_path)
    path = folder.save(1, ARRAYS, {"format": 99})
    with pytest.raises(InputError) as raised:
        folder.load(1)
    assert str(raised.value) == f"{path}: format must be 1; got 99"


def test_what_was_half_written_is_gone_when_the_next_one_appears(tmp_path, monkeypatch):
    (tmp_path / ".partial-left-by-a-killed-process").write_bytes(b"half")
    replace, there = os.replace, []

    def rename(beside, path):
        replace(beside, path)
        there.extend(found.name for found in tmp_path.iterdir())

    monkeypatch.setattr(os, "replace", rename)
    CheckpointFolder(tmp_path).save(1, ARRAYS, DESCRIPTION)
    assert sorted(there) == [".lock", "checkpoint-0000000001.npz"]
    assert os.listdir(tmp_path) == ["checkpoint-0000000001.npz"]


def test_a_folder_of_rows_that_another_process_is_writing_stays(tmp_path):
    (tmp_path / ".partial-another.machine-1-x").mkdir()
    CheckpointFolder(tmp_path).save(1, ARRAYS, DESCRIPTION)
    assert (tmp_path / ".partial-another.machine-1-x").is_dir()
