"""The background: a few training rows, standing for all, to compare a row with."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BACKGROUND_ROWS = 64
_CANDIDATES = 2048  # rows whose answers are computed, to choose from

# From x and codes to answers [rows, values] on the scale that is explained.
ExplainedAnswers = Callable[[NDArray[np.float32], NDArray[np.int32]], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Background:
    """Rows that a row is compared with.

    Attributes:
        x: [rows, n_in] float32 of the preprocessor.
        codes: [rows, n_codes] int32 of the preprocessor.
        answers: [rows, values] their answers, on the scale that is explained.
    """

    x: NDArray[np.float32]
    codes: NDArray[np.int32]
    answers: NDArray[np.float64]

    @property
    def base(self) -> NDArray[np.float64]:
        """The mean answer, [values], to which contributions are added."""
        return np.asarray(self.answers.mean(axis=0))


def choose_background(
    x: NDArray[np.float32],
    codes: NDArray[np.int32],
    answers: ExplainedAnswers,
    *,
    n_rows: int = BACKGROUND_ROWS,
    seed: int = 0,
) -> Background:
    """Return training rows, evenly spread over the answers.

    Their mean answer is then close to that of all rows. They are ordered by their answers:
    every k-th of them is such a sample too.

    Args:
        x: [rows, n_in] of the training rows.
        codes: [rows, n_codes].
        answers: of the network.
        n_rows: number of rows to choose.
        seed: of the sample of rows to choose from, if there are many.
    """
    some = np.random.default_rng(seed).permutation(len(x))[:_CANDIDATES]
    found = answers(x[some], codes[some])
    best = found.argmax(axis=1)
    order = np.lexsort((found[np.arange(len(some)), best], best))
    n_rows = min(n_rows, len(some))
    places = ((np.arange(n_rows) + 0.5) / n_rows * len(some)).astype(int)
    chosen = order[places]
    return Background(x[some[chosen]], codes[some[chosen]], found[chosen])
