"""The checkpoints of `kerasnn train`, as its options give them."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kerasnn.checkpoints import ROWS_FOLDER, CheckpointFolder

if TYPE_CHECKING:
    from kerasnn.training.checkpoints.run_checkpoints import RunCheckpoints

SECONDS_BETWEEN = 60.0


class Saves(NamedTuple):
    """What was said of checkpoints.

    Attributes:
        folder: of them; None: there are none.
        every_seconds: between two of them.
        resume: whether to go on from the newest.
    """

    folder: Path | None
    every_seconds: float
    resume: bool

    def kept(self) -> "RunCheckpoints | None":
        """The checkpoints of the run; loads TensorFlow."""
        from kerasnn.training.checkpoints.run_checkpoints import RunCheckpoints

        if self.folder is None:
            return None
        return RunCheckpoints(
            self.folder, every_seconds=self.every_seconds, resume=self.resume
        )

    def arguments(self) -> dict[str, Any]:
        """The same as parameters of an estimator."""
        return {
            "checkpoint": self.folder,
            "checkpoint_every": self.every_seconds,
            "resume": self.resume,
        }

    def run(self) -> str | None:
        """The name of the run, once it is over."""
        found = None if self.folder is None else CheckpointFolder(self.folder).newest()
        return None if found is None else found.description["run"]

    def remove_rows(self) -> None:
        """The prepared rows of a table that was read from disk; the training is over."""
        if self.folder is not None:
            shutil.rmtree(self.folder / ROWS_FOLDER, ignore_errors=True)
