"""Checkpoints of a training of ensembles, between two chunks.

The results of the evaluations are saved with the Variables, so that a resumed training
keeps the same weights of the same epoch as an uninterrupted one.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from kerasnn.choices import Driver
from kerasnn.ensembles.chunk_sources import ChunkSource
from kerasnn.ensembles.learner import MemberLearner
from kerasnn.ensembles.result import TrainedEnsemble
from kerasnn.ensembles.task import EnsembleTask
from kerasnn.ensembles.validation import ValidationScore
from kerasnn.errors import InterruptedFitError
from kerasnn.layers import raw_variables
from kerasnn.manifest import data_fingerprint
from kerasnn.training.checkpoints.run_checkpoints import (
    RunCheckpoints,
    assign_saved,
    name_of,
)

# Names in files that differ from those in memory; the files are of version 0.1.
_NAMES_ON_DISK = {
    "parametric_activation": "curved",
    "weight_sharing": "sharing",
    "label_smoothing": "smoothing",
    "n_evaluations": "checks",
    "calibrate": "calibrated",
    "frequent_value_codes": "repeated_values",
    "inverse_temperature": "sharpness",
}
_NAMES_IN_MEMORY = {on_disk: name for name, on_disk in _NAMES_ON_DISK.items()}

_Arrays = dict[str, NDArray[Any]]


class EnsembleSaver:
    """Saves and restores a training.

    Args:
        checkpoints: of the run.
        learner: in training.
        source: holds the position.
        results: so far.
        settings: must be equal in a resumed run; see `settings_of`.
    """

    def __init__(
        self,
        checkpoints: RunCheckpoints,
        learner: MemberLearner,
        source: ChunkSource,
        results: Sequence[TrainedEnsemble],
        settings: Mapping[str, Any],
    ) -> None:
        self._checkpoints = checkpoints
        self._source = source
        self._results = results
        self._settings = settings
        self._variables = [
            *raw_variables(learner.network.variables),
            *learner.optimizer.variables,
            learner.dropout,
            learner.seeds,
            learner.loss_sum,
            learner.weight_sum,
        ]

    def restore(self) -> None:
        """Restore everything from the newest checkpoint, if there is one.

        Raises:
            InputError: the checkpoint is of another network, recipe or data.
        """
        found = self._checkpoints.found
        if found is None:
            return
        for name, value in self._settings.items():
            self._checkpoints.setting(name, value)
        assign_saved(self._variables, found)
        for i, result in enumerate(self._results):
            start = f"result/{i}/"
            arrays = {
                name.removeprefix(start): array
                for name, array in found.arrays.items()
                if name.startswith(start)
            }
            _restore_result(result, found.description["results"][i], arrays)
        *position, finished = found.description["position"]
        self._source.seek(position)
        if finished:
            self._source.total = self._source.done

    def save_if_due(self, driver: Driver) -> None:
        """Save if a checkpoint is due or the training is finished.

        Args:
            driver: of the run.

        Raises:
            InterruptedFitError: a signal arrived; everything has been saved.
            InputError: the checkpoint cannot be written.
        """
        source = self._source
        if not (self._checkpoints.due or source.finished):
            return
        signal = self._checkpoints.interrupted
        arrays: _Arrays = {
            f"variable/{i}": v.numpy() for i, v in enumerate(self._variables)
        }
        for i, result in enumerate(self._results):
            arrays |= {f"result/{i}/{k}": a for k, a in _arrays_of(result).items()}
        path = self._checkpoints.write(
            arrays,
            {
                "position": [*source.position, int(source.finished)],
                "settings": {**self._settings, "driver": driver},
                "variables": [name_of(variable) for variable in self._variables],
                "results": [_description_of(result) for result in self._results],
            },
        )
        if signal is not None:
            epochs, steps = source.completed
            raise InterruptedFitError(signal, path, epochs=epochs, steps=steps)


def settings_of(tasks: Sequence[EnsembleTask], *fingerprints: str) -> dict[str, Any]:
    """Return everything that decides the weights, except the time limit.

    Args:
        tasks: tasks of one recipe.
        fingerprints: of training rows that are not in the tasks.
    """
    recipe = _renamed(dataclasses.asdict(tasks[0].recipe), _NAMES_ON_DISK)
    hashes = [data_fingerprint(t.x, t.codes, t.targets, t.weights) for t in tasks]
    return {
        "recipe": repr(recipe),
        "seeds": [task.seed for task in tasks],
        "data": [*hashes, *fingerprints],
    }


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}


def _arrays_of(result: TrainedEnsemble) -> _Arrays:
    arrays: _Arrays = {f"weights/{i}": array for i, array in enumerate(result.weights)}
    for name in ("score", "best"):
        score = getattr(result, name)
        if score is not None:
            arrays[f"{name}/losses"] = score.losses
            arrays[f"{name}/weights"] = score.weights
    if result.oof_predictions is not None:
        arrays["held_out"] = result.oof_predictions
    return arrays


def _description_of(result: TrainedEnsemble) -> dict[str, Any]:
    return {
        "weights": len(result.weights),
        "sharpness": {
            name: float(score.inverse_temperature)
            for name in ("score", "best")
            if (score := getattr(result, name)) is not None
        },
        "epoch": result.epoch,
        "epochs": result.epochs,
        "history": _renamed(result.history, _NAMES_ON_DISK),
    }


def _restore_result(
    result: TrainedEnsemble, saved: dict[str, Any], arrays: _Arrays
) -> None:
    result.weights = [arrays[f"weights/{i}"] for i in range(saved["weights"])]
    for name, inverse in saved["sharpness"].items():
        losses, weights = arrays[f"{name}/losses"], arrays[f"{name}/weights"]
        setattr(result, name, ValidationScore(losses, weights, inverse))
    result.oof_predictions = arrays.get("held_out")
    result.epoch, result.epochs = saved["epoch"], saved["epochs"]
    result.history = _renamed(saved["history"], _NAMES_IN_MEMORY)
