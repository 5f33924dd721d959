"""The division of a time limit: what testing and saving take after the training.

The seconds are those of two slow cores, on which TensorFlow loads in `LOADING_SECONDS`.
"""

from kerasnn.deadline import Deadline
from kerasnn.tables.rows import TableRows

LOADING_SECONDS = 8.5  # of processor time
MIN_TRAINING = 0.2  # share of the time limit: less trains no network

_TEST = 6.0  # with what a fit does after its deadline: intervals, background of reasons
_TEST_PER_ROW = 1e-3  # predictions of networks and trees, resamples of the scores
_TEST_PER_COLUMN = 1.5e-3
_SAVE = 10.0  # the export and its check, figures
_SAVE_PER_COLUMN = 6e-3


def seconds_of_training(
    rows: TableRows, deadline: Deadline, *, slowness: float = 1.0
) -> float:
    """Return the seconds that are left for the training.

    Args:
        rows: to learn from and to test with.
        deadline: of everything; the training gets a fifth of the time at least.
        slowness: of this machine; 2 if everything takes twice as long.
    """
    columns = len(rows.schema.columns)
    testing = _TEST + _TEST_PER_ROW * rows.n_tested + _TEST_PER_COLUMN * columns
    left = before_saving(rows, deadline, slowness=slowness).left()
    return max(left - slowness * testing, MIN_TRAINING * deadline.seconds)


def before_saving(
    rows: TableRows, deadline: Deadline, *, slowness: float = 1.0
) -> Deadline:
    """Return the time at which the export and the report must begin.

    Args:
        rows: of the network.
        deadline: of everything.
        slowness: of this machine.
    """
    saving = slowness * (_SAVE + _SAVE_PER_COLUMN * len(rows.schema.columns))
    return Deadline(deadline.started, deadline.seconds - saving)
