import os

# Before TensorFlow is loaded: its C++ notices would hide pytest's own output.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The tests run in a process for each core, and their networks are small.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import numpy as np
import pytest

from kerasnn import datasets
from kerasnn.checkpoints import CheckpointFolder
from tests.deaths import Killed


@pytest.fixture(scope="session")
def iris():
    return datasets.iris_perceptron()


@pytest.fixture(scope="session")
def digits():
    """(x_train, y_train), (x_test, y_test): scaled pixels, integer labels."""
    return datasets.digits()


@pytest.fixture(scope="session")
def lesson_digits():
    """As in the lesson: pixels 0..16, one-hot labels."""
    return datasets.digits(scaled=False, one_hot=True)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def die_after(monkeypatch):
    """Die when so many checkpoints have been written."""
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
    """One more process than there are cores: the minute of load mostly waits."""
    return (os.cpu_count() or 1) + 1
