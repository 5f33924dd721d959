"""Saving a fit under way, so that it can go on after its process has died.

Owns what is saved (Variables, history, what callbacks remember, the place in the data),
when, and how it is put back. The files are those of `kerasnn.checkpoints`.

A fit that goes on takes the same steps on the same batches as one that was never
interrupted: weights and history are the same, bit for bit, where the data are.
"""

import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
import tensorflow as tf
from keras import callbacks as keras_callbacks
from numpy.typing import NDArray

from kerasnn.checkpoints import Checkpoint, CheckpointFolder
from kerasnn.choices import Driver, FitDriver
from kerasnn.errors import InputError, InterruptedFitError
from kerasnn.training.callback_memory import Memory, learned, memory_of, remember
from kerasnn.training.interrupts import Interrupts

SECONDS_BETWEEN = 60.0


class Position(NamedTuple):
    """Where a fit is.

    Attributes:
        epoch: the epoch that is under way or comes next, from 0.
        step: steps of it that are done.
        drawn: the place in data that do not begin anew with each epoch.
        finished: whether the fit is over.
    """

    epoch: int = 0
    step: int = 0
    drawn: tuple[int, ...] = ()
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
        folder: of its checkpoints.
        every_seconds: between two of them; there is one more at the end.
        resume: whether to go on from the newest one, if there is one.

    Raises:
        InputError: the folder holds checkpoints, and it was not said to go on from them.
    """

    def __init__(
        self,
        folder: str | Path | CheckpointFolder,
        *,
        every_seconds: float = SECONDS_BETWEEN,
        resume: bool = False,
    ) -> None:
        if isinstance(folder, str | Path):
            folder = CheckpointFolder(folder)
        self.checkpoints = folder
        self.every_seconds = every_seconds
        self.found: Checkpoint | None = None
        numbers = self.checkpoints.numbers()
        if numbers and not resume:
            raise InputError(
                f"{folder.folder}: holds {folder.path(numbers[-1]).name}; resume=True"
                " goes on from it, another folder begins anew"
            )
        if numbers:
            self.found = self.checkpoints.newest()
        self._number = max(numbers, default=0)
        self._last = time.monotonic()
        self._interrupts = Interrupts()

    @property
    def position(self) -> Position | None:
        """Where the checkpoint that was found stands."""
        if self.found is None:
            return None
        epoch, step, drawn, finished = self.found.description["position"]
        return Position(epoch, step, tuple(drawn), finished)

    def setting(self, name: str, given: Any) -> Any:
        """A setting as the fit began with it, or as it is given now.

        Raises:
            InputError: the two differ.
        """
        if self.found is None:
            return given
        saved = self.found.description["settings"].get(name)
        if given is not None and given != saved:
            raise InputError(
                f"{self.found.path}: was made with {name}={saved!r}; got {given!r}"
            )
        return saved

    def driver(self, given: FitDriver) -> FitDriver:
        """The driver of the fit so far, or the one that is given.

        Raises:
            InputError: the two differ.
        """
        return self.setting("driver", None if given == "auto" else given) or given

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
        self._fresh = [memory_of(callback) for callback in self._remembering()]
        if self.found is not None:
            for name, value in settings.items():
                self.setting(name, value)
            self._put_back(self.found)
        return self.position

    def after_call(self, position: Position) -> None:
        """Save if it is time, or if somebody wants the process to end.

        Raises:
            InterruptedFitError: somebody does; everything has been saved.
            InputError: the checkpoint cannot be written.
        """
        number, late = self.wanted()
        if number is None and not late:
            return
        path = self.save(position)
        if number is not None:
            raise InterruptedFitError(
                signal.Signals(number), path, epochs=position.epoch, steps=position.step
            )

    def wanted(self) -> tuple[int | None, bool]:
        """The signal that was received, and whether it is time."""
        late = time.monotonic() - self._last >= self.every_seconds
        return self._interrupts.received, late

    def variables_of(self, runner: Drives) -> list[Any]:
        """All that changes in training."""
        return all_variables(runner.learner)

    def save(self, position: Position) -> Path:
        """Save now.

        Raises:
            InputError: the checkpoint cannot be written.
        """
        arrays = {
            f"variable/{i}": _storable(variable.numpy())
            for i, variable in enumerate(self._variables)
        }
        memories = []
        for i, callback in enumerate(self._remembering()):
            memory = learned(callback, self._fresh[i])
            memories.append({"class": type(callback).__name__, "memory": memory.plain})
            arrays |= {f"callback/{i}/{name}": a for name, a in memory.arrays.items()}
        self._number += 1
        path = self.checkpoints.save(
            self._number,
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
        self._last = time.monotonic()
        return path

    def watching(self) -> Interrupts:
        """A context in which signals wait for the end of a call."""
        return self._interrupts

    def _remembering(self) -> list[Any]:
        """The callbacks that may have learned something."""
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
        self._assign(found)
        for history in self._callbacks.callbacks:
            if isinstance(history, keras_callbacks.History):
                history.epoch = list(saved["epochs"])
                history.history = {
                    name: [*map(_of_json, values)]
                    for name, values in saved["history"].items()
                }
        for i, callback in enumerate(callbacks):
            start = f"callback/{i}/"
            remember(
                callback,
                Memory(
                    saved["callbacks"][i]["memory"],
                    {
                        name.removeprefix(start): array
                        for name, array in found.arrays.items()
                        if name.startswith(start)
                    },
                ),
            )

    def _assign(self, found: Checkpoint) -> None:
        names = found.description["variables"]
        if len(names) != len(self._variables):
            raise InputError(
                f"{found.path}: is of another network: it holds {len(names)} Variables,"
                f" this one has {len(self._variables)}"
            )
        arrays = [found.arrays[f"variable/{i}"] for i in range(len(names))]
        for variable, array, name in zip(self._variables, arrays, names, strict=True):
            wanted = _storable(np.empty(0, _dtype(variable))).dtype
            if (array.shape, array.dtype) != (tuple(variable.shape), wanted):
                raise InputError(
                    f"{found.path}: is of another network: its {name} is"
                    f" {list(array.shape)} {array.dtype}, the {name_of(variable)} of this"
                    f" one {list(variable.shape)} {wanted}"
                )
        for variable, array in zip(self._variables, arrays, strict=True):
            variable.assign(array.view(_dtype(variable)))


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


def name_of(variable: Any) -> str:
    """The path of a Keras Variable, the name of another."""
    return getattr(variable, "path", None) or variable.name.split(":")[0]


def _dtype(variable: Any) -> np.dtype[Any]:
    return np.dtype(tf.as_dtype(variable.dtype).as_numpy_dtype)


def _storable(array: NDArray[Any]) -> NDArray[Any]:
    """NumPy's files do not know bfloat16 and the like: their bits as integers."""
    builtin = array.dtype.isbuiltin == 1
    return array if builtin else array.view(f"u{array.dtype.itemsize}")


def _as_json(value: Any) -> Any:
    return {"array": value.tolist()} if isinstance(value, np.ndarray) else float(value)


def _of_json(value: Any) -> Any:
    return np.array(value["array"]) if isinstance(value, dict) else value
