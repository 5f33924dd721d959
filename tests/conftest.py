import gc
import os
import sys
from collections import Counter

# Before TensorFlow is loaded: its C++ notices would hide pytest's own output.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The tests run in a process for each core, and their networks are small.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
# Each run compiles what it tests, and leaves nothing in the home folder.
os.environ.setdefault("KERASNN_XLA_CACHE", "0")

import hypothesis
import numpy as np
import pytest

from kerasnn import datasets
from kerasnn.checkpoints import CheckpointFolder
from kerasnn.cli import main
from tests.deaths import Killed

# Every run tests the same examples, and none fails because the machine is busy.
hypothesis.settings.register_profile(
    "repeatable",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def iris():
    return datasets.iris_perceptron()


@pytest.fixture(scope="session")
def digits():
    """(x_train, y_train), (x_test, y_test): scaled pixels, integer labels."""
    return datasets.digits()


@pytest.fixture(scope="session")
def lesson_digits():
    """Digits as in the lesson: pixels 0..16, one-hot labels."""
    return datasets.digits(scaled=False, one_hot=True)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def run(monkeypatch, capfd, tmp_path):
    """Run `kerasnn` in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["kerasnn", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        return code, *capfd.readouterr()

    return run


@pytest.fixture
def die_after(monkeypatch):
    """A function that raises `Killed` after a number of written checkpoints."""
    whole = CheckpointFolder.save

    def arm(count):
        left = [count]

        def save(folder, *args):
            path = whole(folder, *args)
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return path

        monkeypatch.setattr(CheckpointFolder, "save", save)

    yield arm
    monkeypatch.setattr(CheckpointFolder, "save", whole)


def pytest_xdist_auto_num_workers():
    """Return one more process than there are cores: soak and servers mostly wait."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark most cases of a test with `slow_cases` as slow.

    The first one stays, or one in `every`.
    """
    seen = Counter()
    for item in items:
        mark = item.get_closest_marker("slow_cases")
        if mark is None:
            continue
        test = item.nodeid.split("[")[0]
        every = mark.kwargs.get("every")
        if seen[test] % every if every else seen[test]:
            item.add_marker(pytest.mark.slow)
        seen[test] += 1


def pytest_collection_finish():
    """Exclude loaded modules from garbage collection.

    TensorFlow and the others have 400,000 objects, and every traced graph allocates enough
    to make Python scan them all: a twelfth of the time of the tests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(autouse=True)
def same_random_numbers(request):
    """Let each test of a module with a generator `RANDOM` draw the same, in any order."""
    random = getattr(request.module, "RANDOM", None)
    if random is None:
        return
    if not hasattr(request.module, "_random_state"):
        request.module._random_state = random.bit_generator.state
    random.bit_generator.state = request.module._random_state
