"""Checkpoints of a training of ensembles, between two chunks.

The results of the evaluations are saved with the Variables, so that a resumed training
keeps the same weights of the same epoch as an uninterrupted one.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from kerasnn.checkpoints import Checkpoint
from kerasnn.choices import Driver
from kerasnn.ensembles.chunk_sources import ChunkSource
from kerasnn.ensembles.members.learner import MemberLearner, member_weights
from kerasnn.ensembles.result import TrainedEnsemble
from kerasnn.ensembles.task import EnsembleTask
from kerasnn.ensembles.validation import ValidationScore
from kerasnn.errors import InputError, InterruptedFitError
from kerasnn.json_forms import anything, list_of, mapping_of, number, record, whole
from kerasnn.manifest import data_fingerprint
from kerasnn.training.checkpoints.run_checkpoints import (
    RunCheckpoints,
    assign_saved,
    name_of,
)

# Names from version 0.1 that files keep; in memory they are others.
_NAMES_ON_DISK = {
    "parametric_activation": "curved",
    "label_smoothing": "smoothing",
    "n_evaluations": "checks",
    "calibrate": "calibrated",
    "frequent_value_codes": "repeated_values",
    "inverse_temperature": "sharpness",
}
_NAMES_IN_MEMORY = {on_disk: name for name, on_disk in _NAMES_ON_DISK.items()}

_RESULT_FORM = record(
    {
        "weights": whole(0, 10_000),
        "sharpness": record({}, {"score": number, "best": number}, others=False),
        "epoch": whole(),
        "epochs": whole(),
        "history": mapping_of(list_of(anything)),
    },
    {},
    others=False,
)
_FORM = record(
    {"results": list_of(_RESULT_FORM), "position": list_of(whole(), 5, minimum=3)},
    {},
    others=True,
)

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
        self._network = learner.network
        self._source = source
        self._results = results
        self._settings = settings
        self._variables = learner.variables

    def restore(self) -> None:
        """Restore everything from the newest checkpoint, if there is one.

        Raises:
            InputError: the checkpoint is of another network, recipe or data.
        """
        found = self._checkpoints.found
        if found is None:
            return
        found.check(_FORM)
        for name, value in self._settings.items():
            self._checkpoints.setting(name, value)
        if len(found.description["results"]) != len(self._results):
            raise InputError(
                f"{found.path}: holds {len(found.description['results'])} results; this run"
                f" has {len(self._results)}"
            )
        assign_saved(self._variables, found)
        for i, result in enumerate(self._results):
            own = slice(0, result.task.recipe.members)
            shapes = [weights.shape for weights in member_weights(self._network, own)]
            _restore_result(result, found, i, shapes)
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
    recipe: dict[str, Any] = {}
    for name, value in dataclasses.asdict(tasks[0].recipe).items():
        if name == "cycles":
            recipe["sharing"] = "separate"  # as in version 0.1, which had other choices
        recipe[_NAMES_ON_DISK.get(name, name)] = value
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
    if result.validation_outputs is not None:
        arrays["validation_outputs"] = result.validation_outputs
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
    result: TrainedEnsemble, found: Checkpoint, place: int, shapes: Sequence[Any]
) -> None:
    """Restore the result of a task.

    Args:
        result: to restore.
        found: the checkpoint.
        place: number of the result in the checkpoint.
        shapes: of the weights.

    Raises:
        InputError: an array is missing, or has another shape.
    """
    saved, start = found.description["results"][place], f"result/{place}/"
    result.weights = [found.array(f"{start}weights/{i}") for i in range(saved["weights"])]
    if result.weights and [weights.shape for weights in result.weights] != shapes:
        raise InputError(f"{found.path}: results[{place}] has weights of other shapes")
    rows = (len(result.task.all_validation_rows),)
    for name, inverse in saved["sharpness"].items():
        losses, weights = (found.array(f"{start}{name}/{k}") for k in ("losses", "weights"))
        if losses.shape != rows or weights.shape != rows:
            raise InputError(
                f"{found.path}: results[{place}].{name} must have {rows[0]} rows"
            )
        setattr(result, name, ValidationScore(losses, weights, inverse))
    outputs = found.arrays.get(f"{start}validation_outputs")
    if outputs is not None and (outputs.ndim != 3 or outputs.shape[1:2] != rows):
        raise InputError(
            f"{found.path}: results[{place}].validation_outputs must have {rows[0]} rows"
        )
    result.validation_outputs = outputs
    result.epoch, result.epochs = saved["epoch"], saved["epochs"]
    result.history = _renamed(saved["history"], _NAMES_IN_MEMORY)
