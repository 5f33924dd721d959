"""The types of the public functions, as a user of `mypy --strict` sees them."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
WRONG = """
import kerasnn
kerasnn.NetworkClassifier(memmbers=4).fit({"a": [1]})
kerasnn.load("net").predict({"a": [1]}, 2)
"""


def test_a_users_script_is_typed_and_a_wrong_one_is_told(tmp_path):
    shutil.copy(ROOT / "tests" / "typed_user.py", tmp_path / "right.py")
    (tmp_path / "wrong.py").write_text(WRONG)
    options = ["--strict", "--follow-imports=silent", "--no-error-summary"]
    options += [f"--cache-dir={ROOT / '.mypy_cache' / 'of_users'}", "right.py", "wrong.py"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options],
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    found = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert [line.split(":")[:2] for line in found] == [
        *(["wrong.py", "3"], ["wrong.py", "3"]),
        *(["wrong.py", "4"], ["wrong.py", "4"], ["wrong.py", "4"]),
    ], done.stdout + done.stderr
    assert 'Unexpected keyword argument "memmbers"' in done.stdout
    assert 'Missing positional argument "y" in call to "fit"' in done.stdout


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "kerasnn" / "py.typed").read_bytes() == b""
