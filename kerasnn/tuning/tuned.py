"""The result of a sweep."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from kerasnn.estimators import NetworkEstimator
from kerasnn.notebook import html_table
from kerasnn.reports.formatting import SCORE_NAMES, format_number
from kerasnn.tuning.space import Params


@dataclass(frozen=True)
class Tuned:
    """The result of a sweep.

    Attributes:
        best_params: parameters to set on the estimator; empty if no trial was better than
            the estimator as given.
        best_score: loss of the best trial on held-out rows. The best of many is slightly
            too good; measure it on rows that no trial saw.
        score_name: "log_loss" (nats) or "rmse" (of the target; in standard deviations for
            several targets at once).
        trials: a row for each: number, state ("complete", "pruned", "failed", "running"),
            score (of a pruned trial: its last loss), part (of 32, when it ended), seconds,
            and the settings.
        best_estimator: trained with the best parameters; None with refit=False.
        interrupted: whether Ctrl-C ended the search before all trials were done.
    """

    best_params: Params
    best_score: float
    score_name: str
    trials: pd.DataFrame
    best_estimator: NetworkEstimator | None
    interrupted: bool = False

    def __repr__(self) -> str:
        """The result in one line."""
        score = f"{self.score_name}={format_number(self.best_score)}"
        return f"Tuned({self._counts}, best {score}, {as_arguments(self.best_params)})"

    def _repr_html_(self) -> str:
        """The trials, the best first."""
        order = self.trials.assign(score=self.trials["score"].where(self._are_complete))
        shown = self.trials.loc[order.sort_values("score", kind="stable").index]
        rows = [[_cell(value) for value in row] for row in shown.to_numpy(object)]
        title = f"Tuned: {self._counts}, best {SCORE_NAMES[self.score_name]} first"
        return html_table(title, [str(name) for name in shown.columns], rows)

    @property
    def _are_complete(self) -> "pd.Series[bool]":
        return self.trials["state"] == "complete"

    @property
    def _counts(self) -> str:
        counts = self.trials["state"].value_counts()
        states = ", ".join(f"{count} {state}" for state, count in counts.items())
        return states + (", interrupted" if self.interrupted else "")


def as_arguments(values: Mapping[str, Any]) -> str:
    """Return values by name as they are written in a call."""
    return ", ".join(f"{name}={value!r}" for name, value in sorted(values.items()))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else format_number(value)
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
