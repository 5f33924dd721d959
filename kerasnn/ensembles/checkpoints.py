"""The training of an ensemble, saved and put back: `train_jobs` between two looks.

What a look has decided is saved with the Variables, so that a training that goes on keeps
the same weights of the same epoch as one that was never interrupted.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from kerasnn.checkpoints import Checkpoint
from kerasnn.choices import Driver
from kerasnn.ensembles.learner import MemberLearner
from kerasnn.ensembles.task import Job
from kerasnn.ensembles.validation import HeldOutScore
from kerasnn.errors import InterruptedFitError
from kerasnn.layers import raw_variables
from kerasnn.manifest import data_fingerprint
from kerasnn.training.checkpoints.run_checkpoints import (
    RunCheckpoints,
    assign_saved,
    name_of,
)

if TYPE_CHECKING:
    from kerasnn.ensembles.train import Trained

Arrays = dict[str, NDArray[Any]]


class JobsSaver:
    """Saves the training of jobs that one loop can take.

    Args:
        checkpoints: the checkpoints of the run.
        settings: what a resumed run must have; see `settings_of`.
    """

    def __init__(self, checkpoints: RunCheckpoints, settings: Mapping[str, Any]) -> None:
        self.checkpoints = checkpoints
        self._settings = settings

    def put_back(
        self, learner: MemberLearner, results: Sequence["Trained"]
    ) -> list[int] | None:
        """What was saved, if anything was.

        Returns:
            The position that was saved.

        Raises:
            InputError: the checkpoint is of another network, recipe or data.
        """
        found = self.checkpoints.found
        if found is None:
            return None
        for name, value in self._settings.items():
            self.checkpoints.setting(name, value)
        assign_saved(_variables(learner), found)
        for i, result in enumerate(results):
            _put_back_result(result, found.description["results"][i], _of(found, i))
        return list(found.description["position"])

    def after_call(
        self,
        learner: MemberLearner,
        results: Sequence["Trained"],
        *,
        position: Sequence[int],
        done: tuple[int, int],
        driver: Driver,
        finished: bool,
    ) -> None:
        """Save if it is time, or the last time; leave if somebody wants the process to end.

        Args:
            learner: that is trained.
            results: so far.
            position: whole numbers from which the training can go on.
            done: epochs, and steps of the next one, for whoever wants the process to end.
            driver: that runs it.
            finished: whether it is the last time.

        Raises:
            InterruptedFitError: somebody does; everything has been saved.
            InputError: the checkpoint cannot be written.
        """
        if not (self.checkpoints.due or finished):
            return
        signal = self.checkpoints.interrupted
        path = self._save(learner, results, position, driver)
        if signal is not None:
            raise InterruptedFitError(signal, path, epochs=done[0], steps=done[1])

    def _save(
        self,
        learner: MemberLearner,
        results: Sequence["Trained"],
        position: Sequence[int],
        driver: Driver,
    ) -> Path:
        variables = _variables(learner)
        arrays: Arrays = {f"variable/{i}": v.numpy() for i, v in enumerate(variables)}
        for i, result in enumerate(results):
            arrays |= {f"result/{i}/{k}": a for k, a in _arrays_of(result).items()}
        return self.checkpoints.write(
            arrays,
            {
                "position": list(position),
                "settings": {**self._settings, "driver": driver},
                "variables": [name_of(variable) for variable in variables],
                "results": [_described(result) for result in results],
            },
        )


def settings_of(jobs: Sequence[Job], *data: str) -> dict[str, Any]:
    """What decides the weights of jobs that one loop can take, the time left aside.

    Args:
        jobs: of one recipe.
        data: fingerprints of what they learn from, beside their rows.
    """
    return {
        "recipe": repr(dataclasses.asdict(jobs[0].recipe)),
        "seeds": [job.seed for job in jobs],
        "data": [
            *(data_fingerprint(j.x, j.codes, j.targets, j.weights) for j in jobs),
            *data,
        ],
    }


def _variables(learner: MemberLearner) -> list[Any]:
    """All that changes in training, in an order that is always the same."""
    return [
        *raw_variables(learner.network.variables),
        *learner.optimizer.variables,
        learner.dropout,
        learner.seeds,
        learner.loss_sum,
        learner.weight_sum,
    ]


def _of(found: Checkpoint, number: int) -> Arrays:
    start = f"result/{number}/"
    return {
        name.removeprefix(start): array
        for name, array in found.arrays.items()
        if name.startswith(start)
    }


def _arrays_of(result: "Trained") -> Arrays:
    arrays: Arrays = {f"weights/{i}": array for i, array in enumerate(result.weights)}
    for name in ("score", "best"):
        score = getattr(result, name)
        if score is not None:
            arrays[f"{name}/losses"] = score.losses
            arrays[f"{name}/weights"] = score.weights
    if result.held_out is not None:
        arrays["held_out"] = result.held_out
    return arrays


def _described(result: "Trained") -> dict[str, Any]:
    return {
        "weights": len(result.weights),
        "sharpness": {
            name: float(score.sharpness)
            for name in ("score", "best")
            if (score := getattr(result, name)) is not None
        },
        "epoch": result.epoch,
        "epochs": result.epochs,
        "history": result.history,
    }


def _put_back_result(result: "Trained", saved: dict[str, Any], arrays: Arrays) -> None:
    result.weights = [arrays[f"weights/{i}"] for i in range(saved["weights"])]
    for name, sharpness in saved["sharpness"].items():
        score = HeldOutScore(arrays[f"{name}/losses"], arrays[f"{name}/weights"], sharpness)
        setattr(result, name, score)
    result.held_out = arrays.get("held_out")
    result.epoch, result.epochs = saved["epoch"], saved["epochs"]
    result.history = saved["history"]
