"""The settings of acceleration: for all Keras models, those in a block, or a single one."""

import threading
import weakref
from typing import Any, NamedTuple, Self, get_args

import keras

from kerasnn.acceleration.methods import methods_in_place_of_keras
from kerasnn.acceleration.tally import TALLY
from kerasnn.choices import AccelerateDriver
from kerasnn.errors import InputError
from kerasnn.training import keras_names


class Setting(NamedTuple):
    """The setting of a model: on or off, and by which driver."""

    on: bool
    driver: AccelerateDriver = "auto"


_OFF = Setting(False)
_lock = threading.RLock()
_process: Setting = _OFF  # what a call outside of a block has set
_blocks: list["Acceleration"] = []  # those entered; the last one decides
_models: "weakref.WeakKeyDictionary[keras.Model, Setting]" = weakref.WeakKeyDictionary()


class Acceleration:
    """A change that `accelerate` made; as a context manager it is undone at the end.

    Attributes:
        setting: the new setting.
        model: the only model that it is for; None for all.
    """

    def __init__(self, setting: Setting, model: keras.Model | None) -> None:
        self.setting = setting
        self.model = model
        self._before = _set(model, setting)

    def __enter__(self) -> Self:
        with _lock:
            if self.model is None:
                _blocks.append(self)
                _set(None, self._before or _OFF)
        return self

    def __exit__(self, *error: Any) -> None:
        with _lock:
            if self.model is None:
                _blocks.remove(self)
                _put_methods()
            else:
                _set(self.model, self._before)

    def __repr__(self) -> str:
        of = "all models" if self.model is None else f"the model {self.model.name}"
        return f"<kerasnn.accelerate: {'on' if self.setting.on else 'off'} for {of}>"


def accelerate(
    target: "keras.Model | bool" = True,
    on: bool = True,
    *,
    driver: AccelerateDriver = "auto",
    summary: bool = True,
) -> Acceleration:
    """Let `fit`, `evaluate` and `predict` of Keras models run in the compiled loop.

    Programs, and packages that call these methods, are not edited. `accelerate()` is for
    all models of the process, `with accelerate():` for all in a block, `accelerate(model)`
    for one. `accelerate(False)` and `accelerate(model, False)` undo it; the setting of a
    model has precedence. What the compiled loop cannot do runs in Keras's own, as before.

    Args:
        target: True or False for all models, or one model.
        on: False for Keras's own loop.
        driver: "auto" uses XLA for long runs; "graph" never, so that dropout masks and
            errors within a model are Keras's as well; "xla" always.
        summary: whether to print a line when the process ends: calls, seconds, and what
            ran in Keras's own loop, and why.

    Returns:
        A context manager that undoes the change at its end.

    Raises:
        InputError: an argument is none of these, or Keras runs on another backend.
    """
    if not isinstance(target, bool | keras.Model):
        raise InputError(
            "accelerate takes True, False, or a keras.Model (kerasnn.fit trains other"
            f" networks); got {target!r}"
        )
    if driver not in get_args(AccelerateDriver):
        raise InputError(
            f"driver must be one of {get_args(AccelerateDriver)}; got {driver!r}"
        )
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"accelerate is for Keras on TensorFlow; got {keras.backend.backend()=}; the"
            " environment variable KERAS_BACKEND decides"
        )
    model = None if isinstance(target, bool) else target
    setting = Setting(on and target is not False, driver)
    if setting.on:
        TALLY.print_at_exit(summary)
    return Acceleration(setting, model)


def driver_of(model: keras.Model) -> AccelerateDriver | None:
    """Return the driver of a model's calls; None if they are Keras's own."""
    with _lock:
        everywhere = _blocks[-1].setting if _blocks else _process
        setting = _models.get(model, everywhere)
    return setting.driver if setting.on else None


def _set(model: keras.Model | None, setting: Setting | None) -> Setting | None:
    """Set what is on for a model, or for all; return what was before."""
    global _process
    with _lock:
        if model is None:
            before: Setting | None = _process
            _process = setting or _OFF
        else:
            before = _models.pop(model, None)
            if setting is not None:
                _models[model] = setting
        _put_methods()
    return before


def _put_methods() -> None:
    """Put our methods in the place of Keras's if anything is on, else Keras's back."""
    settings = (_process, *(block.setting for block in _blocks), *_models.values())
    needed = any(setting.on for setting in settings)
    keras_names.replace_methods(methods_in_place_of_keras(driver_of) if needed else {})
