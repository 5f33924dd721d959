"""Runs a folder of Keras's own tests with Keras's loop and with the compiled one.

Nothing is fetched. Copy the test files of the installed version beside each other, for
instance `keras/src/trainers/trainer_test.py` out of Keras's source, and give the folder:

    python scripts/check_keras_tests.py FOLDER

Each file runs twice, in a process of its own. A test that passes with Keras and not under
`accelerate` is printed, and makes the exit code 1.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

MARKERS = ("requires_trainable_backend", "multi_device")  # that Keras's conftest.py adds


class Plugin:
    """The part of Keras's conftest.py that its tests need."""

    def pytest_configure(self, config) -> None:
        """Add the markers."""
        for marker in MARKERS:
            config.addinivalue_line("markers", f"{marker}: of Keras")


def run(path: Path, accelerated: bool, seconds: float) -> dict[str, bool] | None:
    """Run a file; return whether each test passed, or None if the time was over."""
    code = "import sys, pytest\n"
    code += "import kerasnn; kerasnn.accelerate()\n" if accelerated else ""
    code += "from check_keras_tests import Plugin\n"
    code += "sys.exit(pytest.main(sys.argv[1:], [Plugin()]))"
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        options = ["-q", "-W", "ignore", "-p", "no:cacheprovider", "-c", os.devnull]
        options += ["--import-mode=importlib", f"--junitxml={results}"]
        command = [sys.executable, "-c", code, str(path), *options]
        paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        environment.pop("KERASNN_ACCELERATE", None)
        try:
            subprocess.run(
                command, env=environment, timeout=seconds, capture_output=True, check=False
            )
        except subprocess.TimeoutExpired:
            return None
        if not results.exists():
            return {}
        cases = ET.parse(results).getroot().iter("testcase")
        named = ((f"{c.get('classname')}::{c.get('name')}", not len(c)) for c in cases)
        return {re.sub(r"0x\w+", "an address", name): passed for name, passed in named}


def main() -> int:
    """Run the files, and print what differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=600, help="for each file")
    arguments = parser.parse_args()
    worse = 0
    for path in sorted(arguments.folder.rglob("*_test.py")):
        keras_s, ours = (run(path, on, arguments.seconds) for on in (False, True))
        if keras_s is None or ours is None:
            print(f"{path}: not done in {arguments.seconds:g} seconds")
            continue
        print(f"{path}: {sum(keras_s.values())} pass with Keras, {sum(ours.values())} here")
        for name in [n for n, passed in keras_s.items() if passed and not ours.get(n)]:
            print(f"  fails under accelerate: {name}")
            worse += 1
    return int(worse > 0)


if __name__ == "__main__":
    sys.exit(main())
