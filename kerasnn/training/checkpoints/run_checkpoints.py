"""The checkpoints of a run that can be interrupted: when they are due, and their settings.

Their content is decided by a fit (`saver`) or by the training of an ensemble.
"""

import contextlib
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.checkpoints import Checkpoint, CheckpointFolder
from kerasnn.choices import FitDriver
from kerasnn.errors import InputError
from kerasnn.json_forms import list_of, record, text, whole
from kerasnn.training.checkpoints.interrupts import Interrupts

SECONDS_BETWEEN = 60.0
_FORM = record(
    {
        "run": text(100),
        "settings": record({}, {"replicas": whole(1)}, others=True),
        "variables": list_of(text()),
    },
    {},
    others=True,
)


class RunCheckpoints:
    """The checkpoints of one run.

    Args:
        folder: holds the checkpoints.
        every_seconds: time between two checkpoints.
        resume: whether to resume from the newest one, if there is one.
        replicas: number of replicas of all workers; each has local values.

    Attributes:
        found: the checkpoint to resume from; None if the run starts.
        run: name of the run; a resumed run keeps it.

    Raises:
        InputError: the folder holds checkpoints, and `resume` is False or the number of
            replicas has changed; or another training uses it.
    """

    def __init__(
        self,
        folder: str | Path | CheckpointFolder,
        *,
        every_seconds: float = SECONDS_BETWEEN,
        resume: bool = False,
        replicas: int = 1,
    ) -> None:
        if isinstance(folder, str | Path):
            folder = CheckpointFolder(folder)
        self.folder = folder
        self.every_seconds = every_seconds
        self.found: Checkpoint | None = None
        self.folder.check_free()
        numbers = self.folder.numbers()
        if numbers and not resume:
            raise InputError(
                f"{folder.folder}: holds {self.folder.path(numbers[-1]).name}; resume=True"
                " resumes from it, another folder starts again"
            )
        if numbers:
            self.found = self.folder.newest()
        if self.found is not None:
            self.found.check(_FORM)
        self.replicas = replicas
        self._check_replicas()
        self.run: str = self.found.description["run"] if self.found else uuid4().hex
        self._number = max(numbers, default=0)
        self._last = time.monotonic()
        self._interrupts = Interrupts()

    def setting(self, name: str, given: Any) -> Any:
        """Return a setting as the checkpoint has it, or as given if there is none.

        Raises:
            InputError: the two differ.
        """
        if self.found is None:
            return given
        saved = self.found.description["settings"].get(name)
        if given is not None and given != saved:
            raise InputError(
                f"{self.found.path}: was made with {name}={saved!r}; got {given!r};"
                " resume with the same value, or use another folder"
            )
        return saved

    def _check_replicas(self) -> None:
        if self.found is None:
            return
        saved = self.found.description["settings"].get("replicas", 1)
        if saved != self.replicas:
            raise InputError(
                f"{self.found.path}: was made by {saved} worker{'s' * (saved > 1)}, and as"
                f" many must resume it; got {self.replicas}. Another folder starts again"
            )

    def driver(self, given: FitDriver) -> FitDriver:
        """Return the driver of the run; see `setting`."""
        return self.setting("driver", None if given == "auto" else given) or given

    @property
    def interrupted(self) -> signal.Signals | None:
        """The signal that came; None before."""
        return self._interrupts.received

    @property
    def due(self) -> bool:
        """True if the time has passed or a signal came."""
        waited = time.monotonic() - self._last >= self.every_seconds
        return waited or self.interrupted is not None

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Context manager that locks the folder, and holds signals back until it can save.

        Raises:
            InputError: another training uses the folder, or has used it since.
        """
        with self.folder.locked(), self._interrupts:
            if max(self.folder.numbers(), default=0) != self._number:
                raise InputError(
                    f"{self.folder.folder}: another training has written a checkpoint"
                    " there in the meantime; give each training a folder of its own"
                )
            yield

    def write(
        self, arrays: Mapping[str, NDArray[Any]], description: Mapping[str, Any]
    ) -> Path:
        """Write a checkpoint; `description` has the "settings" that must not change.

        Raises:
            InputError: the checkpoint cannot be written.
        """
        self._number += 1
        settings = {**description["settings"], "replicas": self.replicas}
        path = self.folder.save(
            self._number,
            {name: _storable(array) for name, array in arrays.items()},
            {**description, "settings": settings, "run": self.run},
        )
        self._last = time.monotonic()
        return path


def _storable(array: NDArray[Any]) -> NDArray[Any]:
    """Return types that NumPy's files lack, such as bfloat16, as integers of equal bits."""
    builtin = array.dtype.isbuiltin == 1
    return array if builtin else array.view(f"u{array.dtype.itemsize}")


def assign_saved(
    variables: Sequence[Any], found: Checkpoint, *, prefix: str = "variable/"
) -> None:
    """Assign the saved values of Variables, in the order in which they were saved.

    Raises:
        InputError: the checkpoint is of another network; nothing was changed.
    """
    names = found.description["variables"]
    if len(names) != len(variables):
        raise InputError(
            f"{found.path}: is of another network: it holds {len(names)} Variables,"
            f" this one has {len(variables)}"
        )
    arrays = [found.array(f"{prefix}{i}") for i in range(len(names))]
    for variable, array, name in zip(variables, arrays, names, strict=True):
        wanted = _storable(np.empty(0, _dtype_of(variable))).dtype
        if (array.shape, array.dtype) != (tuple(variable.shape), wanted):
            raise InputError(
                f"{found.path}: is of another network: its {name} is"
                f" {list(array.shape)} {array.dtype}, the {name_of(variable)} of this"
                f" one {list(variable.shape)} {wanted}"
            )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array.view(_dtype_of(variable)))


def name_of(variable: Any) -> str:
    """Return the path of a Keras Variable, or the name of a `tf.Variable`."""
    return getattr(variable, "path", None) or variable.name.split(":")[0]


def _dtype_of(variable: Any) -> np.dtype[Any]:
    return np.dtype(tf.as_dtype(variable.dtype).as_numpy_dtype)
