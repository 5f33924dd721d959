"""Saving a fit of several workers: the chief writes and reads, all go on from the same.

The other workers need no access to the folder: what the chief has read it sends them.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from signal import Signals
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn.checkpoints import Checkpoint, CheckpointFolder
from kerasnn.layers import raw_variables
from kerasnn.training.replicas import LocalValues, local_variables
from kerasnn.training.run_checkpoints import RunCheckpoints, name_of
from kerasnn.training.saver import Drives, Saver, all_variables
from kerasnn.training.team import Team


class ChiefsFolder(CheckpointFolder):
    """The checkpoints of the chief, to be asked by all workers at the same time.

    Args:
        team: the workers.
        folder: on the chief's machine.
    """

    def __init__(self, team: Team, folder: str | Path) -> None:
        super().__init__(folder)
        self._team = team

    def numbers(self) -> list[int]:
        """Those that are there, the latest last."""
        numbers = super().numbers() if self._team.is_chief else []
        return json.loads(self._team.from_chief(json.dumps(numbers).encode()))

    def save(
        self,
        number: int,
        arrays: Mapping[str, NDArray[Any]],
        description: Mapping[str, Any],
    ) -> Path:
        """Have the chief write a checkpoint.

        Raises:
            InputError: it cannot; raised in every worker.
        """
        chiefs = CheckpointFolder(self.folder, keep=self.keep)
        self._team.by_chief(lambda: str(chiefs.save(number, arrays, description)))
        return self.path(number)

    def newest(self) -> Checkpoint | None:
        """The latest that is whole; None if there is none."""
        found, content = None, b""
        if self._team.is_chief:
            found = CheckpointFolder(self.folder).newest()
            content = found.path.read_bytes() if found else b""
        number = int(self._team.most([found.number if found else -1])[0])
        if number < 0:
            return None
        content = self._team.from_chief(content)
        return found or self._parsed(number, content)

    def _parsed(self, number: int, content: bytes) -> Checkpoint:
        with tempfile.TemporaryDirectory(prefix="kerasnn-") as folder:
            received = CheckpointFolder(folder)
            received.path(number).write_bytes(content)
            return replace(received.load(number), path=self.path(number))


class LocalVariable:
    """A Variable of which each replica has its own value, as the saver sees it.

    Args:
        team: the workers.
        variable: of Keras, or a `tf.Variable`.
    """

    def __init__(self, team: Team, variable: Any) -> None:
        raw = raw_variables([variable])
        self._values = LocalValues(team, raw)
        self.path = name_of(variable)
        self.shape = (team.replicas, *raw[0].shape)
        self.dtype = raw[0].dtype

    def numpy(self) -> NDArray[Any]:
        """Of all replicas, [replicas, ...]."""
        return self._values.values()[0]

    def assign(self, values: NDArray[Any]) -> None:
        """Give each replica its own."""
        self._values.assign([np.asarray(values)])


class TeamCheckpoints(RunCheckpoints):
    """The checkpoints of a run of several workers, which agree on when one is due.

    Args:
        team: the workers.
        folder: on the chief's machine.
        every_seconds: between two of them, as the chief or another worker counts them.
        resume: whether to go on from the newest one, if there is one.

    Raises:
        InputError: see `RunCheckpoints`; raised in every worker.
    """

    def __init__(
        self, team: Team, folder: str | Path, *, every_seconds: float, resume: bool
    ) -> None:
        super().__init__(
            ChiefsFolder(team, folder),
            every_seconds=every_seconds,
            resume=resume,
            replicas=team.replicas,
        )
        self._team = team
        self._agreed: Signals | None = None

    @property
    def interrupted(self) -> Signals | None:
        """The signal that a worker had received when it was last asked what is due."""
        return self._agreed

    @property
    def due(self) -> bool:
        """Whether it is time in any worker, or one of them has received a signal."""
        number, late = self._team.most([self._interrupts.received or 0, super().due])
        self._agreed = Signals(int(number)) if number else None
        return bool(late or number)


class TeamSaver(Saver):
    """Saves one fit of several workers, and puts it back in all of them.

    Args:
        team: the workers.
        kept: the checkpoints of this run.
    """

    def __init__(self, team: Team, kept: RunCheckpoints) -> None:
        super().__init__(kept)
        self._team = team

    def variables_of(self, runner: Drives) -> list[Any]:
        """All that changes in training."""
        local = {id(variable) for variable in local_variables(runner.learner)}
        variables = all_variables(runner.learner)
        return [
            LocalVariable(self._team, variable) if id(raw) in local else variable
            for variable, raw in zip(variables, raw_variables(variables), strict=True)
        ]


def make_checkpoints(
    team: Team | None, folder: str | Path, *, every_seconds: float, resume: bool
) -> RunCheckpoints:
    """Those of a run of one process, or of several workers."""
    if team is None:
        return RunCheckpoints(folder, every_seconds=every_seconds, resume=resume)
    return TeamCheckpoints(team, folder, every_seconds=every_seconds, resume=resume)


def make_saver(team: Team | None, kept: RunCheckpoints) -> Saver:
    """The saver of a fit of one process, or of several workers."""
    return Saver(kept) if team is None else TeamSaver(team, kept)
