import gc
import os
import sys

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


# The files with the most CPU seconds run first (the soak waits, so it is before them): a
# worker that took one of them last would finish long after the others.
LONGEST = (
    "test_serving_soak",
    "test_parity",
    "test_distributed",
    "test_training",
    "test_model_fit",
    "test_sklearn_contract",
    "test_cli_resume",
    "test_saver",
    "test_streamed_tables",
    "test_cli_tables",
    "test_cli",
    "test_benchmark",
    "test_cross_validation",
    "test_readme",
    "test_estimators",
    "test_code_style",
    "test_tuning",
    "test_serving_server",
    "test_serving_browser",
    "test_serving_clients",
    "test_lesson_numbers",
    "test_scripts",
    "test_saving_c",
    "test_member_training",
    "test_saving_tables",
    "test_tabular_network",
    "test_cli_tune",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    place = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


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
