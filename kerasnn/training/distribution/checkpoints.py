"""Checkpoints of a fit of several workers: the chief reads and writes them.

The other workers need no access to the folder: the chief sends them what it has read.
"""

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from signal import Signals
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn.checkpoints import Checkpoint, CheckpointFolder
from kerasnn.layers import raw_variables
from kerasnn.training.checkpoints.run_checkpoints import RunCheckpoints, name_of
from kerasnn.training.checkpoints.saver import Saver, all_variables
from kerasnn.training.distribution.replicas import LocalValues, local_variables
from kerasnn.training.distribution.workers import SingleProcess, WorkerGroup


class ChiefFolder(CheckpointFolder):
    """The checkpoint folder of the chief; all workers call it at the same time.

    Args:
        workers: the workers.
        folder: on the chief's machine.
    """

    def __init__(self, workers: WorkerGroup, folder: str | Path) -> None:
        super().__init__(folder)
        self._workers = workers

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Context manager in which the chief holds the lock of the folder.

        Raises:
            InputError: another training uses it; every worker raises it.
        """
        with contextlib.ExitStack() as stack:
            self._workers.run_on_chief(
                lambda: str(stack.enter_context(CheckpointFolder(self.folder).locked()))
            )
            yield

    def check_free(self) -> None:
        """Have the chief check that no other training uses the folder.

        Raises:
            InputError: one does; every worker raises it.
        """

        def check() -> str:
            CheckpointFolder(self.folder).check_free()
            return ""

        self._workers.run_on_chief(check)

    def numbers(self) -> list[int]:
        """The numbers of the checkpoints, the latest last."""
        numbers = super().numbers() if self._workers.is_chief else []
        return json.loads(self._workers.broadcast_from_chief(json.dumps(numbers).encode()))

    def save(
        self,
        number: int,
        arrays: Mapping[str, NDArray[Any]],
        description: Mapping[str, Any],
    ) -> Path:
        """Have the chief write a checkpoint.

        Raises:
            InputError: it cannot; every worker raises it.
        """
        chiefs = CheckpointFolder(self.folder, keep=self.keep)
        self._workers.run_on_chief(lambda: str(chiefs.save(number, arrays, description)))
        return self.path(number)

    def newest(self) -> Checkpoint | None:
        """The latest complete checkpoint; None if there is none."""
        found, content = None, b""
        if self._workers.is_chief:
            found = CheckpointFolder(self.folder).newest()
            content = found.path.read_bytes() if found else b""
        number = int(self._workers.all_reduce_max([found.number if found else -1])[0])
        if number < 0:
            return None
        content = self._workers.broadcast_from_chief(content)
        return found or self._parsed(number, content)

    def _parsed(self, number: int, content: bytes) -> Checkpoint:
        with tempfile.TemporaryDirectory(prefix="kerasnn-") as folder:
            received = CheckpointFolder(folder)
            received.path(number).write_bytes(content)
            return replace(received.load(number), path=self.path(number))


class LocalVariable:
    """A Variable with a value for each replica, as one array for the saver.

    Args:
        workers: the workers.
        variable: a Keras Variable or a `tf.Variable`.
    """

    def __init__(self, workers: WorkerGroup, variable: Any) -> None:
        raw = raw_variables([variable])
        self._values = LocalValues(workers, raw)
        self.path = name_of(variable)
        self.shape = (workers.replicas, *raw[0].shape)
        self.dtype = raw[0].dtype

    def numpy(self) -> NDArray[Any]:
        """The values of all replicas, [replicas, ...]."""
        return self._values.values()[0]

    def assign(self, values: NDArray[Any]) -> None:
        """Assign each replica its value."""
        self._values.assign([np.asarray(values)])


class DistributedCheckpoints(RunCheckpoints):
    """The checkpoints of a run of several workers, who agree on when one is due.

    Args:
        workers: the workers.
        folder: on the chief's machine.
        every_seconds: time between two checkpoints, by any clock of the workers.
        resume: whether to resume from the newest one, if there is one.

    Raises:
        InputError: see `RunCheckpoints`; every worker raises it.
    """

    def __init__(
        self,
        workers: WorkerGroup,
        folder: str | Path,
        *,
        every_seconds: float,
        resume: bool,
    ) -> None:
        super().__init__(
            ChiefFolder(workers, folder),
            every_seconds=every_seconds,
            resume=resume,
            replicas=workers.replicas,
        )
        self._workers = workers
        self._agreed: Signals | None = None

    @property
    def interrupted(self) -> Signals | None:
        """The signal that a worker had received when `due` was last asked; None before."""
        return self._agreed

    @property
    def due(self) -> bool:
        """True if a checkpoint is due in any worker, or one has received a signal."""
        number, late = self._workers.all_reduce_max(
            [self._interrupts.received or 0, super().due]
        )
        self._agreed = Signals(int(number)) if number else None
        return bool(late or number)


class DistributedSaver(Saver):
    """Saves one fit of several workers, and restores it in all of them.

    Args:
        workers: the workers.
        checkpoints: the checkpoints of the run.
        settings: decide the result; a resumed fit must have the same.
    """

    def __init__(
        self,
        workers: WorkerGroup,
        checkpoints: RunCheckpoints,
        settings: Mapping[str, Any],
    ) -> None:
        super().__init__(checkpoints, settings)
        self._workers = workers

    def variables_of(self, learner: Any) -> list[Any]:
        """All Variables that change in training, those of each replica joined."""
        local = {id(variable) for variable in local_variables(learner)}
        variables = all_variables(learner)
        return [
            LocalVariable(self._workers, variable) if id(raw) in local else variable
            for variable, raw in zip(variables, raw_variables(variables), strict=True)
        ]


def checkpoint_folder(
    workers: SingleProcess | None, folder: str | Path
) -> CheckpointFolder:
    """Return the checkpoint folder of one process, or of several workers."""
    if isinstance(workers, WorkerGroup):
        return ChiefFolder(workers, folder)
    return CheckpointFolder(folder)


def make_checkpoints(
    workers: SingleProcess | None, folder: str | Path, *, every_seconds: float, resume: bool
) -> RunCheckpoints:
    """Return the checkpoints of a run of one process, or of several workers."""
    if not isinstance(workers, WorkerGroup):
        return RunCheckpoints(folder, every_seconds=every_seconds, resume=resume)
    return DistributedCheckpoints(
        workers, folder, every_seconds=every_seconds, resume=resume
    )
