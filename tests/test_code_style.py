"""Lint, format and types: of the package, and of its public functions for a user.

One process of mypy checks the package with two scripts of a user, as strict as `--strict`.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# The flags of --strict that are not of the whole program (pyproject.toml has those).
STRICT = (
    "# mypy: disallow-any-generics, disallow-subclassing-any, disallow-untyped-calls,"
    " disallow-untyped-defs, disallow-incomplete-defs, check-untyped-defs,"
    " disallow-untyped-decorators, warn-return-any\n"
)
WRONG = """
import kerasnn
kerasnn.NetworkClassifier(memmbers=4).fit({"a": [1]})
kerasnn.load("net").predict({"a": [1]}, 2)
"""


def run(*tool, **settings):
    command = [sys.executable, "-m", *tool]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **settings)


@pytest.mark.parametrize("tool", [("check",), ("format", "--check")], ids=" ".join)
def test_ruff_finds_nothing(tool):
    done = run("ruff", *tool)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def complaints(tmp_path_factory):
    """What mypy says of the package and of a user's scripts, a list by file."""
    folder = tmp_path_factory.mktemp("user")
    right = (ROOT / "tests" / "typed_user.py").read_text()
    (folder / "right.py").write_text(STRICT + right)
    (folder / "wrong.py").write_text(STRICT + WRONG)
    modules = [f"--module={name}" for name in ("right", "wrong")]
    options = ["--package=kerasnn", *modules, "--no-error-summary", "--no-pretty"]
    done = run("mypy", *options, env={"MYPYPATH": f"{ROOT}:{folder}"})
    assert done.returncode == 1, done.stdout + done.stderr
    found = {"right.py": [], "wrong.py": [], "kerasnn": []}
    for line in done.stdout.splitlines():
        path, number, kind, message = (part.strip() for part in line.split(":", 3))
        name = Path(path).name
        # By name: from its cache mypy gives the folder of an earlier run.
        of = name if name in found else "kerasnn"
        found[of].append((number, kind, message, path))
    return found


@pytest.mark.slow
def test_mypy_finds_nothing_in_the_package(complaints):
    assert complaints["kerasnn"] == []


@pytest.mark.slow
def test_a_users_strict_script_is_typed_and_a_wrong_one_is_told(complaints):
    assert complaints["right.py"] == []
    errors = [
        (int(n), said) for n, kind, said, _ in complaints["wrong.py"] if kind == "error"
    ]
    first = 2  # the line of STRICT, and the empty one
    assert [number - first for number, _ in errors] == [2, 2, 3, 3, 3]
    text = "\n".join(said for _, said in errors)
    assert 'Unexpected keyword argument "memmbers"' in text
    assert 'Missing positional argument "y" in call to "fit"' in text


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "kerasnn" / "py.typed").read_bytes() == b""
