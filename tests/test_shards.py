"""Rows on disk: whole or absent, each once an epoch, found again in the middle of one."""

import errno
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnn.datasets import Shards, ShuffledShards, open_shards, write_shards
from kerasnn.errors import InputError
from kerasnn.system import partial_folders


def blocks(sizes, start=0):
    for size in sizes:
        numbers = np.arange(start, start + size)
        yield {
            "x": np.stack([numbers, -numbers], axis=1).astype(np.float32),
            "y": numbers.astype(np.int32),
        }
        start += size


def test_what_is_read_is_what_was_written_in_shards_of_one_size(tmp_path):
    shards = write_shards(
        blocks([5, 1, 9, 0, 4]), tmp_path / "s", rows_per_shard=6, notes={"a": [1]}
    )
    assert shards.sizes == (6, 6, 6, 1)
    assert len(shards) == 19
    assert shards.notes == {"a": [1]}
    y = np.concatenate([shards.shard(i)["y"] for i in range(4)])
    np.testing.assert_array_equal(y, np.arange(19))
    assert not isinstance(shards.shard(0)["x"], np.memmap)
    assert open_shards(tmp_path / "s") == shards


@given(
    sizes=st.lists(st.integers(0, 30), min_size=1, max_size=6).filter(sum),
    per_shard=st.integers(1, 12),
    together=st.integers(1, 4),
    epoch=st.integers(0, 3),
    data=st.data(),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_an_epoch_is_a_permutation_and_can_be_entered_anywhere(
    sizes, per_shard, together, epoch, data, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("shards") / "s"
    shards = write_shards(blocks(sizes), folder, rows_per_shard=per_shard)
    shuffled = ShuffledShards(shards, seed=3, together=together)
    x, y = order_of(shuffled, epoch)
    np.testing.assert_array_equal(np.sort(y), np.arange(sum(sizes)))
    np.testing.assert_array_equal(x[:, 0], y)
    first = data.draw(st.integers(0, len(y) - 1))
    _, rest = order_of(shuffled, epoch, first)
    np.testing.assert_array_equal(rest, y[first:])
    assert max(len(d[1]) for d, _ in shuffled.groups(epoch)) <= shuffled.max_rows


def order_of(shuffled, epoch, first=0):
    """x and y of the rows of an epoch, in order."""
    groups = list(shuffled.groups(epoch, first=first))
    return (np.concatenate([data[i][order] for data, order in groups]) for i in (0, 1))


@pytest.mark.parametrize("first", [0, 5, 17])
def test_pieces_are_the_groups_not_yet_joined(tmp_path, first):
    shards = write_shards(blocks([25]), tmp_path / "s", rows_per_shard=4)
    shuffled = ShuffledShards(shards, seed=1, together=3)
    groups = list(shuffled.groups(2, first=first))
    pairs = zip(groups, shuffled.pieces(2, first=first), strict=True)
    for ((x, y), order), (pieces, same_order) in pairs:
        parts = list(pieces)
        np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), x)
        np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), y)
        np.testing.assert_array_equal(same_order, order)
        assert all(len(part[1]) <= 4 for part in parts)


def test_epochs_differ_and_seeds_repeat(tmp_path):
    shards = write_shards(blocks([100]), tmp_path / "s", rows_per_shard=10)

    def order(seed, epoch):
        _, y = order_of(ShuffledShards(shards, seed=seed), epoch)
        return y.tolist()

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)
    assert order(1, None) == list(range(100))


def test_a_shard_that_vanished_was_cut_or_changed_is_named(tmp_path):
    folder = tmp_path / "s"
    write_shards(blocks([20]), folder, rows_per_shard=10)
    path = folder / "000001-x.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-8])
    with pytest.raises(InputError) as raised:
        open_shards(folder)
    assert str(raised.value) == (
        f"{path}: the shard is damaged: mmap length is greater than file size"
    )
    np.save(path, np.zeros((10, 3), np.float32))
    with pytest.raises(InputError) as raised:
        open_shards(folder)
    assert str(raised.value) == (
        f"{path}: the shard must be [10, 2] float32; it is [10, 3] float32"
    )
    path.unlink()
    with pytest.raises(InputError) as raised:
        open_shards(folder)
    assert str(raised.value) == (
        f"{path}: the shard is not there, which {folder / 'shards.json'} lists"
    )


def test_a_shard_cut_short_after_it_was_opened_is_an_error_and_no_signal(tmp_path):
    shards = write_shards(blocks([2000]), tmp_path / "s")
    path = tmp_path / "s" / "000000-x.npy"
    whole = path.read_bytes()
    for length, problem in (
        (
            4128,
            "Failed to read all data for array. Expected (2000, 2) = 4000 elements, could"
            " only read 1000 elements. (file seems not fully written?)",
        ),
        (0, "No data left in file"),
    ):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError) as raised:
            shards.shard(0)
        assert str(raised.value) == f"{path}: the shard is damaged: {problem}"


def test_arrays_of_the_other_byte_order_are_read_back(tmp_path):
    x = np.arange(10, dtype=">f4")
    shards = write_shards([{"x": x}, {"x": x}], tmp_path / "rows", rows_per_shard=15)
    np.testing.assert_array_equal(shards.shard(0)["x"][:10], x)
    assert shards.arrays["x"].dtype == "float32"


def test_arrays_may_have_any_names(tmp_path):
    arrays = {"a/b": np.arange(3), "a%2Fb": -np.arange(3)}
    shards = write_shards([arrays], tmp_path / "s")
    for name, array in shards.shard(0).items():
        np.testing.assert_array_equal(array, arrays[name])


def test_what_killed_writers_left_goes_when_the_next_one_writes(tmp_path):
    mine = partial_folders.name_prefix(os.getpid())
    gone = partial_folders.name_prefix(2**22 + 1)  # more than there can be
    for name in (mine, gone, ".partial-elsewhere-1-"):
        (tmp_path / f"{name}x").mkdir()
    write_shards(blocks([5]), tmp_path / "s")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted([f"{mine}x", ".partial-elsewhere-1-x", "s"])


def test_a_folder_without_a_description_is_no_folder_of_shards(tmp_path):
    with pytest.raises(InputError) as raised:
        open_shards(tmp_path)
    assert str(raised.value) == (
        f"{tmp_path}: is not a folder of shards: it has no shards.json"
    )


def test_blocks_that_differ_leave_nothing_behind(tmp_path):
    def unlike():
        yield {"x": np.zeros((2, 3), np.float32)}
        yield {"x": np.zeros((2, 4), np.float32)}

    with pytest.raises(InputError) as raised:
        write_shards(unlike(), tmp_path / "s")
    assert str(raised.value) == (
        "blocks of rows must be alike; got x [rows, 4] float32 after x [rows, 3] float32,"
        " rows [2]"
    )
    with pytest.raises(InputError, match="there are no rows to write"):
        write_shards([], tmp_path / "s")
    assert os.listdir(tmp_path) == []


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(path, array):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(InputError) as raised:
        write_shards(blocks([5]), tmp_path / "s")
    assert str(raised.value) == (
        f"{tmp_path / 's'}: cannot be written: No space left on device"
    )
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_there_is_not_written_over(tmp_path):
    write_shards(blocks([5]), tmp_path / "s")
    with pytest.raises(InputError) as raised:
        write_shards(blocks([5]), tmp_path / "s")
    assert str(raised.value) == (
        f"{tmp_path / 's'}: already exists; shards need a folder of their own"
    )
    assert isinstance(open_shards(tmp_path / "s"), Shards)
