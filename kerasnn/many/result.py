"""The result of `fit_many`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pandas as pd

from kerasnn.errors import InputError
from kerasnn.training.callbacks.history import FitHistory

LearnedAndLeftOut = tuple[Any, Any]  # the row numbers of the two parts of a split


@dataclass(frozen=True, repr=False)
class ManyFits:
    """Models that `fit_many` has trained.

    Attributes:
        models: trained, as `fit` would have left them.
        histories: of each model, as `fit` returns it.
        seeds: of the row orders.
        settings: of each model; {} for models that were given.
        splits: with `cv`: of each split the row numbers that are learned from, and those
            left out. Model i has trained on split i % len(splits).
    """

    models: Sequence[keras.Model]
    histories: Sequence[FitHistory]
    seeds: Sequence[int]
    settings: Sequence[dict[str, Any]]
    splits: Sequence[LearnedAndLeftOut] = ()

    def __len__(self) -> int:
        return len(self.models)

    def __repr__(self) -> str:
        return f"<{len(self)} fits; see .table(), .models and .histories>"

    def table(self) -> pd.DataFrame:
        """Return a row for each model: its setting, seed, split and last metrics.

        `fits.table().groupby("learning_rate")["val_loss"].mean()` compares settings.
        """
        rows = []
        for i, history in enumerate(self.histories):
            split = {"split": i % len(self.splits)} if self.splits else {}
            last = {name: values[-1] for name, values in history.history.items()}
            rows.append({**self.settings[i], "seed": self.seeds[i], **split, **last})
        return pd.DataFrame(rows)

    def scores(self, metric: str | None = None) -> list[float]:
        """Return a metric of the last epoch for each model.

        Args:
            metric: its name in the histories; None for "val_loss", or "loss" without
                validation rows.

        Raises:
            InputError: the histories have no such metric.
        """
        names = self.histories[0].history
        name = metric or ("val_loss" if "val_loss" in names else "loss")
        if name not in names:
            raise InputError(f"metric must be one of {sorted(names)}; got {name!r}")
        return [history.history[name][-1] for history in self.histories]

    def best(self, metric: str | None = None, *, largest: bool = False) -> int:
        """Return the number of the model with the smallest, or largest, metric at the end.

        A value that is not finite is never the best.

        Raises:
            InputError: the histories have no such metric, or no value is finite.
        """
        scores = np.array(self.scores(metric))
        if not np.isfinite(scores).any():
            raise InputError(f"no model has a finite metric; got {scores.tolist()}")
        scores = np.where(np.isfinite(scores), -scores if largest else scores, np.inf)
        return int(np.argmin(scores))

    def ensemble(self) -> keras.Model:
        """Return a model whose outputs are the means of the outputs of all models.

        It holds copies, can be saved, and is not compiled.

        Raises:
            InputError: the models have several outputs.
        """
        members = [_copy(model, f"member_{i}") for i, model in enumerate(self.models)]
        if any(len(member.outputs) != 1 for member in members):
            raise InputError("ensemble() is for models with one output")
        inputs = [
            keras.Input(batch_shape=t.shape, dtype=t.dtype) for t in members[0].inputs
        ]
        outputs = [member(inputs if len(inputs) > 1 else inputs[0]) for member in members]
        mean = keras.layers.Average()(outputs) if len(outputs) > 1 else outputs[0]
        return keras.Model(inputs if len(inputs) > 1 else inputs[0], mean, name="ensemble")


def _copy(model: keras.Model, name: str) -> keras.Model:
    copy = model.__class__.from_config({**model.get_config(), "name": name})
    copy.set_weights(model.get_weights())
    return copy
