"""The division of a time limit: what testing and saving take after the training.

The seconds are those of two slow cores, on which TensorFlow loads in `LOADING_SECONDS`.
"""

from kerasnn.tables.rows import TableRows

LOADING_SECONDS = 8.5  # of processor time
MIN_TRAINING = 0.2  # share of the time limit: less trains no network

_TEST = 0.8
_TEST_PER_ROW = 3e-4  # predictions, resamples of the scores
_TEST_PER_COLUMN = 1.5e-3
_SAVE = 4.5  # the export and its check, figures
_SAVE_PER_COLUMN = 6e-3


def seconds_of_saving(rows: TableRows, *, slowness: float = 1.0) -> float:
    """Estimate the seconds of the export and the report.

    Args:
        rows: of the network.
        slowness: of this machine; 2 if everything takes twice as long.
    """
    return slowness * (_SAVE + _SAVE_PER_COLUMN * len(rows.schema.columns))


def seconds_of_testing(rows: TableRows, *, slowness: float = 1.0) -> float:
    """Estimate the seconds of the scores and simple models; without the importance."""
    columns = len(rows.schema.columns)
    return slowness * (_TEST + _TEST_PER_ROW * rows.n_tested + _TEST_PER_COLUMN * columns)


def seconds_of_training(
    rows: TableRows, *, left: float, limit: float, slowness: float = 1.0
) -> float:
    """Return the seconds that are left for the training.

    Args:
        rows: to learn from and to test with.
        left: seconds to the end of the time limit.
        limit: seconds of the whole time limit, of which the training gets a fifth at least.
        slowness: of this machine.
    """
    after = sum(f(rows, slowness=slowness) for f in (seconds_of_testing, seconds_of_saving))
    return max(left - after, MIN_TRAINING * limit)
