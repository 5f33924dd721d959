"""The checkpoints of a run that can be interrupted: when they are due, and by whose signal.

What they hold is left to whoever runs: a fit (`saver`), or the training of an ensemble.
"""

import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.checkpoints import Checkpoint, CheckpointFolder
from kerasnn.choices import FitDriver
from kerasnn.errors import InputError
from kerasnn.training.checkpoints.interrupts import Interrupts

SECONDS_BETWEEN = 60.0

Arrays = Mapping[str, NDArray[Any]]


class RunCheckpoints:
    """The checkpoints of one run: what was found, when the next is due, how it is written.

    Args:
        folder: of the checkpoints.
        every_seconds: between two of them.
        resume: whether to go on from the newest one, if there is one.
        replicas: that train together, of all workers; each has what only it knows.

    Attributes:
        found: the checkpoint to go on from; None at the beginning of a run.
        run: a name that this run has, also after it was resumed.

    Raises:
        InputError: the folder holds checkpoints, and it was not said to go on from them,
            or they are of more or fewer replicas.
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
        numbers = self.folder.numbers()
        if numbers and not resume:
            raise InputError(
                f"{folder.folder}: holds {self.folder.path(numbers[-1]).name}; resume=True"
                " goes on from it, another folder begins anew"
            )
        if numbers:
            self.found = self.folder.newest()
        self.replicas = replicas
        self._check_replicas()
        self.run: str = self.found.description["run"] if self.found else uuid4().hex
        self._number = max(numbers, default=0)
        self._last = time.monotonic()
        self._interrupts = Interrupts()

    def setting(self, name: str, given: Any) -> Any:
        """A setting as the run began with it, or as it is given now.

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

    def _check_replicas(self) -> None:
        if self.found is None:
            return
        saved = self.found.description["settings"].get("replicas", 1)
        if saved != self.replicas:
            raise InputError(
                f"{self.found.path}: was made by {saved} worker{'s' * (saved > 1)}, and as"
                f" many must go on from it; got {self.replicas}. Another folder begins anew"
            )

    def driver(self, given: FitDriver) -> FitDriver:
        """The driver of the run so far, or the one that is given.

        Raises:
            InputError: the two differ.
        """
        return self.setting("driver", None if given == "auto" else given) or given

    @property
    def interrupted(self) -> signal.Signals | None:
        """The signal that asked for the end, if one did."""
        return self._interrupts.received

    @property
    def due(self) -> bool:
        """Whether it is time to save, or somebody wants the process to end."""
        waited = time.monotonic() - self._last >= self.every_seconds
        return waited or self.interrupted is not None

    def watching(self) -> Interrupts:
        """A context in which signals wait for a place where the run can be saved."""
        return self._interrupts

    def write(self, arrays: Arrays, description: Mapping[str, Any]) -> Path:
        """Save; `description` has the "settings" that a resumed run must have.

        Raises:
            InputError: the checkpoint cannot be written.
        """
        self._number += 1
        settings = {**description["settings"], "replicas": self.replicas}
        path = self.folder.save(
            self._number,
            {name: storable(array) for name, array in arrays.items()},
            {**description, "settings": settings, "run": self.run},
        )
        self._last = time.monotonic()
        return path


def storable(array: NDArray[Any]) -> NDArray[Any]:
    """NumPy's files do not know bfloat16 and the like: their bits as integers."""
    builtin = array.dtype.isbuiltin == 1
    return array if builtin else array.view(f"u{array.dtype.itemsize}")


def assign_saved(
    variables: Sequence[Any], found: Checkpoint, *, prefix: str = "variable/"
) -> None:
    """Put back Variables that were saved in this order, once all of them fit.

    Raises:
        InputError: the checkpoint is of another network; nothing was changed.
    """
    names = found.description["variables"]
    if len(names) != len(variables):
        raise InputError(
            f"{found.path}: is of another network: it holds {len(names)} Variables,"
            f" this one has {len(variables)}"
        )
    arrays = [found.arrays[f"{prefix}{i}"] for i in range(len(names))]
    for variable, array, name in zip(variables, arrays, names, strict=True):
        wanted = storable(np.empty(0, dtype_of(variable))).dtype
        if (array.shape, array.dtype) != (tuple(variable.shape), wanted):
            raise InputError(
                f"{found.path}: is of another network: its {name} is"
                f" {list(array.shape)} {array.dtype}, the {name_of(variable)} of this"
                f" one {list(variable.shape)} {wanted}"
            )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array.view(dtype_of(variable)))


def name_of(variable: Any) -> str:
    """The path of a Keras Variable, the name of another."""
    return getattr(variable, "path", None) or variable.name.split(":")[0]


def dtype_of(variable: Any) -> np.dtype[Any]:
    """NumPy's type of a Variable's values."""
    return np.dtype(tf.as_dtype(variable.dtype).as_numpy_dtype)
