"""What killed processes left is told from what others are writing, and goes."""

import os
import subprocess
import sys

import pytest

from kerasnn.system import partial_folders

GONE = 2**22 + 1  # more than a process's number can be


@pytest.mark.parametrize("kind", [partial_folders.PARTIAL, "other-kind"])
def test_only_what_dead_processes_of_this_machine_left_goes(tmp_path, kind):
    stays = [
        f"{partial_folders.name_prefix(os.getpid(), kind=kind)}x",
        f"{partial_folders.name_prefix(os.getppid(), kind=kind)}x",
        f"{partial_folders.name_prefix(1, kind=kind)}x",
        f"{kind}-another.machine-{GONE}-x",
        f"{partial_folders.name_prefix(GONE, kind='unlike')}x",
        f"{kind}-mine",
    ]
    goes = [
        f"{partial_folders.name_prefix(number, kind=kind)}x" for number in (GONE, 2**70)
    ]
    for name in stays + goes:
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").touch()
    made = partial_folders.folder_beside(tmp_path, kind=kind)
    assert sorted(os.listdir(tmp_path)) == sorted([*stays, made.name])
    assert made.name.startswith(partial_folders.name_prefix(os.getpid(), kind=kind))
    partial_folders.remove(made)
    assert sorted(os.listdir(tmp_path)) == sorted(stays)


def test_what_a_process_killed_while_it_wrote_left_goes(tmp_path):
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from kerasnn.system import partial_folders\n"
        "print(partial_folders.folder_beside(Path(sys.argv[1])).name, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == -9
    assert os.listdir(tmp_path) == [done.stdout.strip()]
    made = partial_folders.folder_beside(tmp_path)
    assert os.listdir(tmp_path) == [made.name]
