"""Runs chunks of steps, under XLA or as a graph."""

import contextlib
from typing import Any

from kerasnn.choices import Driver, FitDriver
from kerasnn.training.compiled.loop import Logs, StepRange
from kerasnn.training.compiled.programs import Program, Programs, RefusedError
from kerasnn.training.compiled.specs import BatchSpec
from kerasnn.training.feeds.array_feed import ArrayFeed
from kerasnn.training.feeds.chunks import Chunk

# A call takes about so long: what happens between calls (0.5 to 1 ms) is not felt, and
# Ctrl-C and the progress bar are answered at once.
SECONDS_PER_CALL = 0.25


# While the pace of a program is not known, a call is so many times the one before it.
GROWTH = 8


class Runner:
    """Runs calls under one driver, or the next one down the ladder if it is refused.

    Args:
        programs: of the learner.
        step: "train_step" or "test_step".
        wanted: the driver that was asked for.
        driver: the one that was chosen.
        inside: rows for a test after each epoch, inside the call.
    """

    def __init__(
        self,
        programs: Programs,
        step: str,
        *,
        wanted: FitDriver,
        driver: Driver,
        inside: ArrayFeed | None = None,
    ) -> None:
        self.programs = programs
        self.step = step
        self.driver = driver
        self.inside = inside
        self._wanted = wanted
        self._test = (inside.rows, inside.blocks(range(1))) if inside else ([], [])
        self._program: Program | None = None

    @property
    def learner(self) -> Any:
        """Whose step is run."""
        return self.programs.learner

    def reports_lost_workers(self) -> contextlib.AbstractContextManager[Any]:
        """Around a run: what another worker's end is called, where there are others."""
        return contextlib.nullcontext()

    @property
    def resets_inside(self) -> bool:
        """Whether the graph resets the metrics; it is not known before it is traced."""
        return self._program is not None and self._program.resets_inside

    def budget(self) -> int:
        """Steps for the next call, so that it takes about `SECONDS_PER_CALL`."""
        program = self._program
        if program is None or program.seconds_per_step is None:
            return 1
        in_time = int(SECONDS_PER_CALL / program.seconds_per_step)
        return max(1, min(in_time, GROWTH * program.largest))

    def prepare(self, batches: BatchSpec) -> Program:
        """Trace the step. What is wrong with the user's model shows itself here."""
        self.programs.follow()  # a callback may have compiled the model anew
        test = self.inside.batch_spec if self.inside else None
        self._program = self.programs.program(self.driver, self.step, batches, test)
        return self._program

    def run(
        self, chunk: Chunk, *, epochs: int = 1, test: bool = False
    ) -> tuple[list[Logs], list[Logs]]:
        """Run a call; the logs of each of its epochs, and of the tests after them."""
        try:
            if (
                chunk.irregular_size or not chunk.batch_spec.fixed
            ):  # not worth a compilation each
                program = self.programs.program("graph", self.step, chunk.batch_spec)
            else:
                program = self.prepare(chunk.batch_spec)
            inside = self.inside if test and program.resets_inside else None
            step_range = StepRange(
                epochs=epochs,
                reset=chunk.first_step == 0,
                first=chunk.first,
                stop=chunk.stop,
                test_steps=inside.plan.steps if inside else 0,
            )
            return program(step_range, chunk.rows, chunk.blocks, *self._test)
        except RefusedError as refusal:
            self.programs.refuse(self._wanted, str(refusal))
            self.driver = "graph"
            return self.run(chunk, epochs=epochs, test=test)
