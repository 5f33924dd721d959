"""Compiled programs on disk: checked, bounded, and safe for many processes at once."""

import os
import subprocess
import sys
import threading

import pytest

from kerasnn import startup
from kerasnn.system import program_cache
from kerasnn.system.program_cache import ProgramCache, open_program_cache, prune

NAME = "xla_compile_cache__1__2__XLA_CPU_JIT.pb"
HERE = f"{startup.RUN}-{os.uname().nodename}"


def opened(folder, number=0):
    return ProgramCache(folder / f"{HERE}-{os.getpid()}-{number}", "kind")


def written(cache, name=NAME, content=b"program"):
    (cache.run_folder / name).write_bytes(content)


@pytest.fixture
def kept(tmp_path):
    """A cache folder that holds one program: the folder, and the file."""
    cache = opened(tmp_path)
    written(cache)
    cache.close()
    (path,) = (tmp_path / "kind").iterdir()
    return tmp_path, path


def found(folder, number=1):
    cache = opened(folder, number)
    return {path.name: path.read_bytes() for path in cache.run_folder.iterdir()}


def test_a_later_process_finds_what_an_earlier_one_has_compiled(kept):
    folder, path = kept
    assert not list(folder.glob(f"{startup.RUN}-*"))
    assert found(folder) == {NAME: b"program"}
    assert path.stat().st_nlink == 2  # linked, and not copied


@pytest.mark.parametrize("damage", [b"", b"prog", b"progrAm", b"x" * 1000])
def test_a_damaged_program_is_dropped(kept, damage):
    folder, path = kept
    path.write_bytes(damage)
    assert found(folder) == {}
    assert not path.exists()


def test_a_copied_cache_is_checked_and_used(kept):
    folder, path = kept
    os.utime(path, ns=(5, 5))
    assert found(folder) == {NAME: b"program"}
    assert [p.name.rsplit("~")[-1] for p in (folder / "kind").iterdir()] == ["5"]


def test_a_file_of_another_name_is_dropped(kept):
    folder, path = kept
    path.with_name("stray").write_bytes(b"x")
    path.with_name(f"{path.name}.1234").write_bytes(b"half a copy")
    assert found(folder) == {NAME: b"program"}
    assert [p.name for p in (folder / "kind").iterdir()] == [path.name]


@pytest.mark.parametrize("damaged", [False, True])
def test_fifty_at_once_agree(tmp_path, damaged):
    if damaged:
        cache = opened(tmp_path)
        for i in range(20):
            written(cache, f"{i}.pb")
        cache.close()
        for i, path in enumerate((tmp_path / "kind").iterdir()):
            path.write_bytes(b"wrong") if i % 2 else None
    seen, errors = [], []
    together = threading.Barrier(50)

    def work(number):
        try:
            together.wait()
            cache = opened(tmp_path, number)
            seen.extend(path.read_bytes() for path in cache.run_folder.iterdir())
            for i in range(20):
                if not (cache.run_folder / f"{i}.pb").exists():
                    written(cache, f"{i}.pb")
                    cache.keep()
            cache.close()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert set(seen) <= {b"program"}
    assert found(tmp_path, 99) == {f"{i}.pb": b"program" for i in range(20)}


def test_the_oldest_programs_make_room(tmp_path, monkeypatch):
    monkeypatch.setattr(program_cache, "MAX_BYTES", 25)
    cache = opened(tmp_path)
    for i in range(5):
        written(cache, f"{i}.pb", b"7 bytes")
        os.utime(cache.run_folder / f"{i}.pb", ns=(i, i))
    cache.close()
    assert sorted(found(tmp_path)) == ["2.pb", "3.pb", "4.pb"]
    prune(tmp_path, 0)
    assert found(tmp_path, 2) == {}


def test_run_folders_of_killed_processes_are_removed(tmp_path):
    dead = tmp_path / f"{HERE}-{2**22 + 1}-abc"
    elsewhere = tmp_path / f"{startup.RUN}-elsewhere-{2**22 + 1}-abc"
    for folder in (dead, elsewhere):
        folder.mkdir()
    cache = opened(tmp_path)
    assert not dead.exists()
    assert elsewhere.exists()
    assert cache.run_folder.exists()


def test_a_file_system_without_links_gets_copies(kept, monkeypatch):
    folder, path = kept

    def refuse(*paths):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    assert found(folder) == {NAME: b"program"}
    cache = opened(folder, 2)
    written(cache, "other.pb")
    cache.close()
    assert sorted(found(folder, 3)) == ["other.pb", NAME]
    assert path.exists()


def test_without_a_folder_that_can_be_written_there_is_no_cache(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(startup.XLA_CACHE, str(tmp_path / "file" / "cache"))
    monkeypatch.setenv(startup.XLA_FLAGS, "")
    startup.prepare_xla_cache()
    assert open_program_cache("kind") is None


# --- the flags --------------------------------------------------------------------


def flags(monkeypatch, before="", **environment):
    for name, value in {startup.XLA_CACHE: "1", **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(startup.XLA_FLAGS, before)
    startup.prepare_xla_cache()
    return os.environ[startup.XLA_FLAGS]


def test_the_cache_is_in_the_users_cache_folder(monkeypatch):
    prefix = " --tf_xla_persistent_cache_directory="
    found = flags(monkeypatch, "--other", XDG_CACHE_HOME="/c")
    assert found.startswith(f"--other{prefix}/c/kerasnn/xla/{HERE}-{os.getpid()}-")
    assert startup.xla_run_folder() in found
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert f"{prefix}/h/.cache/kerasnn/xla/" in flags(monkeypatch, HOME="/h")
    assert f"{prefix}/mine/run-" in flags(monkeypatch, KERASNN_XLA_CACHE="/mine")


def test_the_cache_can_be_turned_off_and_the_users_own_stays(monkeypatch):
    assert flags(monkeypatch, KERASNN_XLA_CACHE="0") == ""
    assert startup.xla_run_folder() is None
    assert flags(monkeypatch, KERASNN_XLA_CACHE="/with blank") == ""
    own = "--tf_xla_persistent_cache_directory=/own"
    assert flags(monkeypatch, own) == own


def test_a_child_process_does_not_use_its_parents_folder(monkeypatch):
    parents = flags(monkeypatch, "--other", KERASNN_XLA_CACHE="/c")
    child = flags(monkeypatch, parents, KERASNN_XLA_CACHE="/c")
    assert child.count("persistent_cache_directory") == 1
    assert child != parents
    assert flags(monkeypatch, parents, KERASNN_XLA_CACHE="0") == "--other"


PROGRAM = """
import kerasnn, keras, numpy as np, sys
keras.utils.set_random_seed(0)
x = np.ones((8, 2), "float32")
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
kerasnn.fit(model, x, x[:, :1], epochs=3, verbose=0, driver="xla", seed=0)
print([w.tolist() for w in model.get_weights()])
"""


@pytest.mark.slow
def test_a_second_process_loads_xlas_program_and_computes_the_same_bits(tmp_path):
    environment = {**os.environ, "KERASNN_XLA_CACHE": str(tmp_path)}
    outputs, files = [], []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            capture_output=True,
            text=True,
            env=environment,
            check=True,
        )
        outputs.append(done.stdout)
        files.append({path.name for path in tmp_path.glob("*/*")})
    assert outputs[0] == outputs[1]
    assert files[0] == files[1]
    assert len(files[0]) == 1
