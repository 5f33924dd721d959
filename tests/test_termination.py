"""SIGTERM, from the first instruction of a command to its end."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from kerasnn.cli import app, main
from kerasnn.saving.folders import new_version
from kerasnn.system.partial_folders import PARTIAL
from kerasnn.system.termination import (
    TerminatedError,
    ends_at_once,
    raises_on_sigterm,
)


def term():
    signal.raise_signal(signal.SIGTERM)


def python(code, **options):
    """Status and standard error of a process."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, **options)
    return done.returncode, done.stderr


def test_sigterm_is_an_interrupt_and_the_handler_before_comes_back():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(TerminatedError), raises_on_sigterm():
        term()
    assert signal.getsignal(signal.SIGTERM) is before
    assert issubclass(TerminatedError, KeyboardInterrupt)


def test_a_version_that_is_half_written_is_removed(tmp_path):
    def write():
        with raises_on_sigterm(), new_version(tmp_path) as new:
            (new / "saved_model.pb").write_bytes(b"half")
            assert [path.name[: len(PARTIAL)] for path in tmp_path.iterdir()] == [PARTIAL]
            term()

    with pytest.raises(TerminatedError):
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [("SIGTERM", 7, "Stopped by SIGTERM.\n"), ("SIGINT", 130, "Interrupted.\n")],
)
def test_while_nothing_is_to_be_cleaned_up_it_ends_at_once(number, status, word, tmp_path):
    """Also where standard error is redirected, and an exception would be swallowed."""
    told = python(
        "import os, signal\n"
        "from kerasnn.system.termination import at_end, ends_at_once\n"
        "at_end(lambda: os.rmdir('half'))\n"
        "os.mkdir('half')\n"
        "with ends_at_once(status=7):\n"
        "    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)\n"
        "    try:\n"
        f"        signal.raise_signal(signal.{number})\n"
        "    except BaseException:\n"
        "        pass\n",
        cwd=tmp_path,
    )
    assert told == (status, word)
    assert list(tmp_path.iterdir()) == []


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with raises_on_sigterm(), ends_at_once(status=7):
            term()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_in_other_threads_signals_are_left_alone():
    def run():
        with raises_on_sigterm(), ends_at_once(status=7):
            seen.append(signal.getsignal(signal.SIGTERM))

    seen = []
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]


@pytest.mark.parametrize(("command", "status"), [("train", 143), ("serve", 0)])
def test_a_command_ends_with_a_word_and_its_status(monkeypatch, capsys, command, status):
    monkeypatch.setattr(sys, "argv", ["kerasnn", command])
    monkeypatch.setattr(app, "cli", lambda **_: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == status
    assert capsys.readouterr().err == "Stopped by SIGTERM.\n"


def test_the_handler_is_there_before_anything_is_imported():
    status, told = python(
        "import sys, signal, importlib.abc\n"
        "class Finder(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'click':\n"
        "            signal.raise_signal(signal.SIGTERM)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "sys.argv = ['kerasnn', 'train']\n"
        "from kerasnn.cli import main\n"
        "main()\n"
    )
    assert (status, told) == (143, "Stopped by SIGTERM.\n")
