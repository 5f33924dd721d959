"""The checkpoints of `kerasnn train`."""

import shutil
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerasnn.training.checkpoints.run_checkpoints import RunCheckpoints
    from kerasnn.training.distribution.workers import SingleProcess


@dataclass(frozen=True)
class TrainCheckpoints:
    """The options about checkpoints.

    Attributes:
        checkpoint: folder of the checkpoints; None for no checkpoints.
        checkpoint_every: smallest number of seconds between two checkpoints; None for
            the default.
        resume: whether to continue from the newest checkpoint.
    """

    checkpoint: Path | None
    checkpoint_every: float | None
    resume: bool

    def open(self) -> "RunCheckpoints | None":
        """Open the checkpoints of the run; loads TensorFlow."""
        from kerasnn.training.checkpoints.run_checkpoints import (
            SECONDS_BETWEEN,
            RunCheckpoints,
        )

        if self.checkpoint is None:
            return None
        every = self.checkpoint_every or SECONDS_BETWEEN
        return RunCheckpoints(self.checkpoint, every_seconds=every, resume=self.resume)

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of an estimator."""
        every = self.checkpoint_every
        return {
            "checkpoint": self.checkpoint,
            "resume": self.resume,
            **({"checkpoint_every": every} if every else {}),
        }

    def run(self) -> str | None:
        """Return the name of the run, after its end."""
        from kerasnn.checkpoints import CheckpointFolder

        if self.checkpoint is None:
            return None
        found = CheckpointFolder(self.checkpoint).newest()
        return None if found is None else found.description["run"]

    def locked(self, workers: "SingleProcess") -> AbstractContextManager[None]:
        """Return a context manager that excludes other trainings from the folder.

        Args:
            workers: that train together; the chief holds the lock.

        Raises:
            InputError: another training is using it.
        """
        from kerasnn.training.distribution.checkpoints import checkpoint_folder

        if self.checkpoint is None:
            return nullcontext()
        return checkpoint_folder(workers, self.checkpoint).locked()

    def remove_rows(self) -> None:
        """Remove the prepared rows of a streamed table, after the training."""
        from kerasnn.checkpoints import ROWS_FOLDER

        if self.checkpoint is not None:
            shutil.rmtree(self.checkpoint / ROWS_FOLDER, ignore_errors=True)
