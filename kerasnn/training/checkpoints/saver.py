"""Saves a fit while it runs, and restores it after its process has died.

This module decides what a checkpoint holds: Variables, history, the state of callbacks and
the position in the data. `RunCheckpoints` decides when; `kerasnn.checkpoints` writes it.

A resumed fit takes the same steps on the same batches as one that was never interrupted,
so weights and history are equal bit for bit, provided that the data are the same.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import callbacks as keras_callbacks

from kerasnn.checkpoints import Checkpoint
from kerasnn.errors import InputError, InterruptedFitError
from kerasnn.json_forms import (
    anything,
    list_of,
    mapping_of,
    one_of,
    record,
    sequence,
    text,
    whole,
)
from kerasnn.training.callbacks.loop_hook import FitState, LoopHook, Position
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

_MAX_POSITION = 2**40  # passes and steps
_FORM = record(
    {
        "position": sequence(
            whole(), whole(), list_of(whole(0, _MAX_POSITION), 2), one_of(True, False)
        ),
        "callbacks": list_of(
            record({"class": text(), "memory": mapping_of(anything)}, {}, others=False)
        ),
        "history": mapping_of(list_of(anything)),
        "epochs": list_of(whole()),
    },
    {},
    others=True,
)


class Saver(LoopHook):
    """Saves one fit, and restores it.

    Args:
        checkpoints: the checkpoints of the run.
        settings: decide the result; a resumed fit must have the same.
    """

    def __init__(self, checkpoints: RunCheckpoints, settings: Mapping[str, Any]) -> None:
        self.checkpoints = checkpoints
        self._settings = dict(settings)

    def context(self) -> contextlib.AbstractContextManager[Any]:
        """Hold signals back until the fit can be saved."""
        return self.checkpoints.watching()

    def on_fit_begin(self, fit: FitState) -> None:
        """Restore the checkpoint that was found, and set where the fit begins.

        Raises:
            InputError: the checkpoint is of another network or of other settings.
        """
        self._callbacks = fit.callbacks.callbacks
        self._runner = fit.runner
        self._variables = self.variables_of(fit.runner.learner)
        self._fresh = [saveable_state(callback) for callback in self._stateful_callbacks()]
        found = self.checkpoints.found
        if found is None:
            return
        found.check(_FORM)
        for name, value in self._settings.items():
            self.checkpoints.setting(name, value)
        self._restore(found)
        epoch, step, data, finished = found.description["position"]
        fit.start = Position(epoch, step, tuple(data), finished)
        fit.feed.seek(fit.start.data)

    def between_calls(self, position: Position) -> None:
        """Save if a checkpoint is due or a signal has come.

        Raises:
            InterruptedFitError: a signal has come; everything has been saved.
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

    def variables_of(self, learner: Any) -> list[Any]:
        """All Variables that change in training."""
        return all_variables(learner)

    def on_fit_end(self, position: Position) -> None:
        """Save the finished fit."""
        self.save(position)

    def save(self, position: Position) -> Path:
        """Save now; return the path of the checkpoint.

        Raises:
            InputError: the checkpoint cannot be written.
        """
        arrays = {
            f"variable/{i}": variable.numpy() for i, variable in enumerate(self._variables)
        }
        states = []
        for i, callback in enumerate(self._stateful_callbacks()):
            state = changed_state(callback, self._fresh[i])
            # "memory" is the key in existing files.
            states.append({"class": type(callback).__name__, "memory": state.plain})
            arrays |= {f"callback/{i}/{name}": a for name, a in state.arrays.items()}
        history = next(filter(_is_history, self._callbacks))
        return self.checkpoints.write(
            arrays,
            {
                "position": list(position),
                "settings": {**self._settings, "driver": self._runner.driver},
                "variables": [name_of(variable) for variable in self._variables],
                "history": {k: [*map(_as_json, v)] for k, v in history.history.items()},
                "epochs": history.epoch,
                "callbacks": states,
            },
        )

    def _stateful_callbacks(self) -> list[Any]:
        stateless = (keras_callbacks.History, keras_callbacks.ProgbarLogger)
        return [c for c in self._callbacks if not isinstance(c, stateless)]

    def _restore(self, found: Checkpoint) -> None:
        callbacks = self._stateful_callbacks()
        saved = found.description
        made_with = [state["class"] for state in saved["callbacks"]]
        given = [type(callback).__name__ for callback in callbacks]
        if made_with != given:
            raise InputError(
                f"{found.path}: was made with the callbacks"
                f" {', '.join(made_with) or 'none'}; got {', '.join(given) or 'none'}"
            )
        assign_saved(self._variables, found)
        for history in filter(_is_history, self._callbacks):
            history.epoch = list(saved["epochs"])
            history.history = {
                name: [_of_json(found.path, v) for v in values]
                for name, values in saved["history"].items()
            }
        for i, callback in enumerate(callbacks):
            start = f"callback/{i}/"
            arrays = {
                name.removeprefix(start): array
                for name, array in found.arrays.items()
                if name.startswith(start)
            }
            plain = saved["callbacks"][i]["memory"]
            try:
                restore_state(callback, CallbackState(plain, arrays))
            except ValueError as error:
                raise InputError(f"{found.path}: callbacks[{i}]: {error}") from None


def all_variables(learner: Any) -> list[Any]:
    """All Variables that change in training, each once: weights, optimizer, metrics."""
    if isinstance(learner, keras.Model):
        groups = [learner.variables, learner.optimizer.variables, learner.metrics_variables]
    else:
        groups = [
            learner.network.variables,
            learner.optimizer.variables,
            [v for mean in learner.means.values() for v in mean.variables],
        ]
    return list({id(v): v for group in groups for v in group}.values())


def _is_history(callback: Any) -> bool:
    return isinstance(callback, keras_callbacks.History)


def _as_json(value: Any) -> Any:
    return {"array": value.tolist()} if isinstance(value, np.ndarray) else float(value)


def _of_json(path: Path, value: Any) -> Any:
    """Return a value of a history.

    Raises:
        InputError: it is neither a number nor an array of numbers.
    """
    if isinstance(value, int | float):
        return value
    try:
        return np.array(value["array"], np.float64)
    except (TypeError, KeyError, ValueError):
        raise InputError(
            f"{path}: history has {value!r:.60}, which is not a number or an array of"
            " numbers"
        ) from None
