"""Runs chunks of training or test steps under one driver."""

import contextlib
from typing import Any

from keras import callbacks as keras_callbacks

from kerasnn.choices import Driver, FitDriver
from kerasnn.training.callbacks import hooks
from kerasnn.training.compiled.chunks import Budget, Chunk, Feed
from kerasnn.training.compiled.loop import Logs, StepRange, flat, grouped
from kerasnn.training.compiled.programs import Program, Programs, RefusedError
from kerasnn.training.compiled.specs import BatchSpec

# Target duration of a call. What happens between calls takes 0.5 to 1 ms, so it costs
# little; Ctrl-C and the progress bar still respond at once.
SECONDS_PER_CALL = 0.25
# Until the speed of a program is known, a call may be this many times the largest so far.
GROWTH = 8


class Runner:
    """Runs chunks under one driver; continues as a graph if XLA refuses.

    Args:
        programs: the compiled loops of the learner.
        step: "train_step" or "test_step".
        wanted: the driver that was asked for.
        driver: the driver that was chosen.
        inside: all rows of a test that runs after each epoch, inside the call.
    """

    def __init__(
        self,
        programs: Programs,
        step: str,
        *,
        wanted: FitDriver,
        driver: Driver,
        inside: Chunk | None = None,
    ) -> None:
        self.programs = programs
        self.step = step
        self.driver = driver
        self.inside = inside
        self._wanted = wanted
        self._test = (inside.rows, inside.blocks) if inside else ([], [])
        self._program: Program | None = None

    @property
    def learner(self) -> Any:
        """The model or learner whose steps run."""
        return self.programs.learner

    def reports_lost_workers(self) -> contextlib.AbstractContextManager[Any]:
        """Context manager that reports the loss of another worker; here there is none."""
        return contextlib.nullcontext()

    @property
    def resets_inside(self) -> bool:
        """True if the graph resets the metrics; unknown, hence False, before tracing."""
        return self._program is not None and self._program.resets_inside

    def grouped(self, logs: Logs) -> Logs:
        """Return logs as Keras gives them to callbacks, with the step's nested dicts."""
        return grouped(logs, self._program.groups) if self._program else logs

    def budget(self) -> int:
        """Steps for the next call, so that it takes about `SECONDS_PER_CALL`."""
        program = self._program
        if program is None or program.seconds_per_step is None:
            return 1
        in_time = int(SECONDS_PER_CALL / program.seconds_per_step)
        return max(1, min(in_time, GROWTH * program.largest))

    def prepare(self, batch_spec: BatchSpec) -> Program:
        """Trace the step; errors in the user's model appear here."""
        self.programs.follow()  # a callback may have compiled the model again
        test = self.inside.batch_spec if self.inside else None
        self._program = self.programs.program(self.driver, self.step, batch_spec, test)
        return self._program

    def run(
        self, chunk: Chunk, *, epochs: int = 1, test: bool = False
    ) -> tuple[list[Logs], list[Logs]]:
        """Run a chunk; return the logs of each epoch, and of the tests after them."""
        try:
            program = self._program_for(chunk)
            if program.driver == "xla":
                chunk = chunk.padded()
            inside = self.inside if test and program.resets_inside else None
            step_range = StepRange(
                epochs=epochs,
                reset=chunk.first_step == 0,
                first=chunk.first,
                stop=chunk.stop,
                test_steps=inside.stop if inside else 0,
            )
            return program(step_range, chunk.rows, chunk.blocks, *self._test)
        except RefusedError as refusal:
            self.programs.refuse(self._wanted, str(refusal))
            self.driver = "graph"
            return self.run(chunk, epochs=epochs, test=test)

    def _program_for(self, chunk: Chunk) -> Program:
        """Return what runs a chunk; sizes that appear once are not worth XLA."""
        if chunk.batch_spec.fixed and not chunk.irregular_size:
            return self.prepare(chunk.batch_spec)
        program = self.programs.program("graph", self.step, chunk.batch_spec)
        if not chunk.batch_spec.fixed:
            self._program = program  # it runs the later chunks too
        return program


def run_test(
    runner: Runner, feed: Feed, callbacks: keras_callbacks.CallbackList, execution: int = 1
) -> Logs:
    """Evaluate all rows of a feed, with Keras's events; return the metrics.

    Args:
        runner: of a "test_step".
        feed: the rows.
        callbacks: are called around each execution if one overrides a batch hook.
        execution: Keras's `steps_per_execution`.
    """
    learner = runner.learner
    by_batch = hooks.needs_batch_hooks(callbacks, "test")
    budget: Budget = (lambda: execution) if by_batch else runner.budget
    learner.stop_evaluating = False
    callbacks.on_test_begin()
    if not runner.resets_inside:
        learner.reset_metrics()
    logs: Logs = {}
    for chunk in feed.chunks(0, budget, by_batch=by_batch):
        if chunk.starts_execution:
            first_step = chunk.first_step
            callbacks.on_test_batch_begin(first_step)
        (logs,), _ = runner.run(chunk)
        if chunk.ends_execution:
            last_step = max(chunk.last_step, first_step + execution - 1)
            callbacks.on_test_batch_end(last_step, runner.grouped(logs))
        if learner.stop_evaluating:
            break
    logs = flat(runner.grouped(logs))  # as Keras returns them
    callbacks.on_test_end(logs)
    return logs
