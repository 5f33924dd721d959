"""Saving a fit under way, so that it can go on after its process has died.

Owns what is saved (Variables, history, what callbacks remember, the place in the data),
when, and how it is put back. The files are those of `kerasnn.checkpoints`.

A fit that goes on takes the same steps on the same batches as one that was never
interrupted: weights and history are the same, bit for bit, where the data are.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
from keras import callbacks as keras_callbacks

from kerasnn.checkpoints import Checkpoint
from kerasnn.choices import Driver
from kerasnn.errors import InputError, InterruptedFitError
from kerasnn.training.callbacks.state import (
    CallbackState,
    changed_state,
    restore_state,
    saveable_state,
)
from kerasnn.training.checkpoints.run_checkpoints import (
    RunCheckpoints,
    assign_saved,
    name_of,
)


class Position(NamedTuple):
    """Where a fit is.

    Attributes:
        epoch: the epoch that is under way or comes next, from 0.
        step: steps of it that are done.
        data_position: the place in data that do not begin anew with each epoch.
        finished: whether the fit is over.
    """

    epoch: int = 0
    step: int = 0
    data_position: tuple[int, ...] = ()
    finished: bool = False


class Drives(Protocol):
    """What runs the steps."""

    driver: Driver

    @property
    def learner(self) -> Any:
        """Whose steps they are."""


class Saver:
    """Saves one fit, and puts it back.

    Args:
        checkpoints: the checkpoints of this run.
    """

    def __init__(self, checkpoints: RunCheckpoints) -> None:
        self.checkpoints = checkpoints

    @property
    def position(self) -> Position | None:
        """Where the checkpoint that was found stands."""
        if self.checkpoints.found is None:
            return None
        epoch, step, data_position, finished = self.checkpoints.found.description[
            "position"
        ]
        return Position(epoch, step, tuple(data_position), finished)

    def begin(
        self,
        runner: Drives,
        settings: Mapping[str, Any],
        callbacks: keras_callbacks.CallbackList,
    ) -> Position | None:
        """After on_train_begin: put back what was saved, if anything was.

        Args:
            runner: of the steps; all Variables of its learner have been made.
            settings: that decide the result; a resumed fit must have the same.
            callbacks: of the fit, a History among them.

        Returns:
            Where the fit stood; None if nothing was saved.

        Raises:
            InputError: the checkpoint is of another network or of other settings.
        """
        self._callbacks = callbacks
        self._told = next(
            c for c in callbacks.callbacks if isinstance(c, keras_callbacks.History)
        )
        self._settings = dict(settings)
        self._runner = runner
        self._variables = self.variables_of(runner)
        self._fresh = [saveable_state(callback) for callback in self._remembering()]
        if self.checkpoints.found is not None:
            for name, value in settings.items():
                self.checkpoints.setting(name, value)
            self._put_back(self.checkpoints.found)
        return self.position

    def after_call(self, position: Position) -> None:
        """Save if it is time, or if somebody wants the process to end.

        Raises:
            InterruptedFitError: somebody does; everything has been saved.
            InputError: the checkpoint cannot be written.
        """
        if not self.checkpoints.due:
            return
        signal = self.checkpoints.interrupted
        path = self.save(position)
        if signal is not None:
            raise InterruptedFitError(
                signal, path, epochs=position.epoch, steps=position.step
            )

    def variables_of(self, runner: Drives) -> list[Any]:
        """All that changes in training."""
        return all_variables(runner.learner)

    def save(self, position: Position) -> Path:
        """Save now.

        Raises:
            InputError: the checkpoint cannot be written.
        """
        arrays = {
            f"variable/{i}": variable.numpy() for i, variable in enumerate(self._variables)
        }
        memories = []
        for i, callback in enumerate(self._remembering()):
            memory = changed_state(callback, self._fresh[i])
            memories.append({"class": type(callback).__name__, "memory": memory.plain})
            arrays |= {f"callback/{i}/{name}": a for name, a in memory.arrays.items()}
        return self.checkpoints.write(
            arrays,
            {
                "position": list(position),
                "settings": {**self._settings, "driver": self._runner.driver},
                "variables": [name_of(variable) for variable in self._variables],
                "history": {k: [*map(_as_json, v)] for k, v in self._told.history.items()},
                "epochs": self._told.epoch,
                "callbacks": memories,
            },
        )

    def _remembering(self) -> list[Any]:
        """The callbacks that may have state."""
        told = (keras_callbacks.History, keras_callbacks.ProgbarLogger)
        return [c for c in self._callbacks.callbacks if not isinstance(c, told)]

    def _put_back(self, found: Checkpoint) -> None:
        callbacks = self._remembering()
        saved = found.description
        made_with = [memory["class"] for memory in saved["callbacks"]]
        given = [type(callback).__name__ for callback in callbacks]
        if made_with != given:
            raise InputError(
                f"{found.path}: was made with the callbacks"
                f" {', '.join(made_with) or 'none'}; got {', '.join(given) or 'none'}"
            )
        assign_saved(self._variables, found)
        for history in self._callbacks.callbacks:
            if isinstance(history, keras_callbacks.History):
                history.epoch = list(saved["epochs"])
                history.history = {
                    name: [*map(_of_json, values)]
                    for name, values in saved["history"].items()
                }
        for i, callback in enumerate(callbacks):
            start = f"callback/{i}/"
            restore_state(
                callback,
                CallbackState(
                    saved["callbacks"][i]["memory"],
                    {
                        name.removeprefix(start): array
                        for name, array in found.arrays.items()
                        if name.startswith(start)
                    },
                ),
            )


def all_variables(learner: Any) -> list[Any]:
    """All that changes in training, each once: weights, optimizer, metrics."""
    if isinstance(learner, keras.Model):
        groups = [learner.variables, learner.optimizer.variables, learner.metrics_variables]
    else:
        groups = [
            learner.network.variables,
            learner.optimizer.variables,
            [v for mean in learner.means.values() for v in mean.variables],
        ]
    return list({id(v): v for group in groups for v in group}.values())


def _as_json(value: Any) -> Any:
    return {"array": value.tolist()} if isinstance(value, np.ndarray) else float(value)


def _of_json(value: Any) -> Any:
    return np.array(value["array"]) if isinstance(value, dict) else value
