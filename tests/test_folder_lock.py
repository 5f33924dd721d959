"""Two trainings never share a folder, and one that was killed does not block the next."""

import errno
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace

import pytest

from kerasnn.checkpoints import CheckpointFolder
from kerasnn.errors import InputError
from kerasnn.system import folder_lock
from kerasnn.system.folder_lock import LOCK, Holder, check_free, check_held, locked
from kerasnn.system.processes import boot_id, host_name, start_time

GONE = 2**22 + 1  # more than a process's number can be
HOLDS = """
import sys, time
from kerasnn.system.folder_lock import locked
with locked(sys.argv[1]):
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process, which holds the lock."""
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def written(folder, **changes):
    """The lock of a holder that does not hold a flock."""
    holder = replace(Holder.this_process(), **changes)
    folder.mkdir(exist_ok=True)
    (folder / LOCK).write_text(json.dumps(asdict(holder)))
    return holder


def refusal(folder):
    with pytest.raises(InputError) as raised, locked(folder):
        pass
    return str(raised.value)


@pytest.fixture
def no_flock(monkeypatch):
    def unsupported(descriptor, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(folder_lock.fcntl, "flock", unsupported)
    monkeypatch.setattr(folder_lock, "_SETTLE_SECONDS", 0.05)


def test_a_lock_of_a_live_process_is_refused_with_its_name_and_the_way_out(other, tmp_path):
    text = refusal(tmp_path)
    found = re.fullmatch(
        r"(.*): is in use by another training: process (\d+) on (\S+) \((.*)\) since"
        r" (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00:00)\. Wait until it ends, stop it, or give"
        r" this one another folder",
        text,
    )
    folder, process, host, command, _ = found.groups()
    assert (folder, int(process), host) == (str(tmp_path), other.pid, host_name())
    assert command == f"-c {tmp_path}"
    with pytest.raises(InputError, match="is in use by another training"):
        check_free(tmp_path)
    with pytest.raises(InputError, match="is in use by another training"):
        CheckpointFolder(tmp_path).save(1, {}, {})
    assert os.listdir(tmp_path) == [LOCK]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_lock_of_a_process_that_was_killed_is_taken_over_at_once(
    number, other, tmp_path
):
    other.send_signal(number)
    other.wait()
    assert (tmp_path / LOCK).exists()
    check_free(tmp_path)
    with locked(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["process"] == os.getpid()
    assert os.listdir(tmp_path) == []


def test_the_thread_that_holds_it_enters_again_and_another_one_does_not(tmp_path):
    refused = []

    def enter():
        try:
            with locked(tmp_path):
                pass
        except InputError as error:
            refused.append(str(error))

    with locked(tmp_path):
        with locked(tmp_path):
            check_held(tmp_path)
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        assert (tmp_path / LOCK).exists()
    assert len(refused) == 1
    assert "another thread of this process" in refused[0]
    assert os.listdir(tmp_path) == []


@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # of JAX, if it is loaded
def test_a_forked_process_neither_holds_nor_keeps_the_lock(tmp_path):
    def child(pipe):
        pipe.send(refusal(tmp_path))
        pipe.recv()
        with locked(tmp_path):
            pipe.send("locked")

    ours, its = multiprocessing.Pipe()
    with locked(tmp_path):
        process = multiprocessing.get_context("fork").Process(target=child, args=(its,))
        process.start()
        assert f"process {os.getpid()} " in ours.recv()
    with locked(tmp_path):  # though the child lives
        pass
    ours.send("go")
    assert ours.recv() == "locked"
    process.join()


def test_a_holder_on_another_machine_is_dead_when_it_was_silent_for_long(tmp_path):
    holder = written(tmp_path, host="far", boot="other", process=7)
    text = refusal(tmp_path)
    assert str(holder) in text
    assert re.search(r"sign of life 0 s ago\. If it is dead, try again in 60 s\.", text)
    long_ago = time.time() - folder_lock.SILENT_SECONDS - 1
    os.utime(tmp_path / LOCK, (long_ago, long_ago))
    with locked(tmp_path):
        pass
    assert os.listdir(tmp_path) == []


def test_a_holder_touches_its_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_lock, "BEAT_SECONDS", 0.02)
    with locked(tmp_path):
        os.utime(tmp_path / LOCK, (0, 0))
        deadline = time.monotonic() + 10
        while (tmp_path / LOCK).stat().st_mtime == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_after_a_restart_of_the_machine_the_lock_of_before_is_not_that_of_a_new_process(
    tmp_path,
):
    written(tmp_path, boot="before", process=os.getpid())
    assert "try again in" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("changes", "alive"),
    [
        ({"process": os.getppid(), "started": start_time(os.getppid())}, True),
        ({"process": os.getppid(), "started": "another process's"}, False),
        ({"process": GONE, "started": "1"}, False),
    ],
)
def test_without_flock_the_number_and_start_of_a_process_tell_whether_it_lives(
    changes, alive, tmp_path, no_flock
):
    holder = written(tmp_path, boot=boot_id(), **changes)
    if alive:
        assert str(holder) in refusal(tmp_path)
        return
    with locked(tmp_path):
        check_held(tmp_path)
    assert os.listdir(tmp_path) == []


def test_without_flock_the_last_of_two_that_write_their_names_has_the_lock(
    tmp_path, no_flock, monkeypatch
):
    monkeypatch.setattr(
        time, "sleep", lambda seconds: written(tmp_path, process=os.getppid())
    )
    assert f"process {os.getppid()} " in refusal(tmp_path)


def test_a_process_whose_lock_was_taken_over_writes_no_checkpoint(tmp_path):
    folder = CheckpointFolder(tmp_path)
    with folder.locked():
        folder.save(1, {}, {})
        written(tmp_path, host="far", boot="other", process=7)
        with pytest.raises(InputError, match="which has taken it over"):
            folder.save(2, {}, {})
    assert folder.numbers() == [1]
    assert (tmp_path / LOCK).exists()  # it is the other's


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"host": 1}', "\x00", '"a"' * 9999])
def test_a_lock_that_names_nobody_is_taken(content, tmp_path):
    (tmp_path / LOCK).write_text(content)
    with locked(tmp_path):
        check_held(tmp_path)


def test_what_a_lock_says_reaches_the_terminal_without_control_characters(tmp_path):
    written(tmp_path, host="far", boot="other", command="\x1b[2Jrm\n")
    assert "(?[2Jrm?)" in refusal(tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    assert "cannot be locked" in refusal(tmp_path / "file")
