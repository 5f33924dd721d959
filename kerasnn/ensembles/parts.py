"""Networks in parts that train at the same time, in threads.

XLA runs each operation of small networks on one core. It cuts operations on many numbers
into pieces, which rounds differently. So a part has so few networks that each of them ends
with the same bits as alone, on any number of cores.
"""

import itertools
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

import numpy as np

from kerasnn.ensembles.task import EnsembleTask

MAX_COST = 1e6  # of a step of a task; larger steps use several cores by themselves
MAX_NUMBERS = 2**15  # of an operation that is not cut into pieces

Progress = Callable[[int, int, Mapping[str, float]], None]  # epochs done, of all, losses

_Part = TypeVar("_Part")
_Result = TypeVar("_Result")


class StoppedError(Exception):
    """The training of another part was interrupted, or has failed."""


def parts_of(tasks: Sequence[EnsembleTask]) -> list[list[EnsembleTask]]:
    """Return the tasks in parts of equal length; in one part if they must stay together.

    Tasks whose members are validated must: together they decide when the training ends. The
    last part is filled up with the first tasks, because all parts share a program.

    Args:
        tasks: tasks with the same `compile_key`.
    """
    first = tasks[0]
    if first.recipe.folds or first.cost_per_step > MAX_COST:
        return [list(tasks)]
    # XLA drops the dimension of the members for a single one, and rounds differently.
    smallest = 1 if first.n_networks > 1 else 2
    size = min(-(-len(tasks) // (os.cpu_count() or 1)), MAX_NUMBERS // _numbers(first))
    size = min(max(size, smallest), len(tasks))
    filled = [*tasks, *tasks[: -len(tasks) % size]]
    return [filled[i : i + size] for i in range(0, len(filled), size)]


def _numbers(task: EnsembleTask) -> int:
    """Return how many numbers the largest kernel or layer output of a task has."""
    sizes = task.shape.config(task.recipe, task.n_networks).layer_sizes
    kernels = [n_in * n_out for n_in, n_out in itertools.pairwise(sizes)]
    return task.n_networks * max(*kernels, task.batch_shape.width * max(sizes[1:]))


def in_threads(
    train: Callable[[_Part, Progress | None], list[_Result]],
    parts: Sequence[_Part],
    progress: Progress | None,
) -> list[_Result]:
    """Train parts at the same time, one on each core; return all results.

    Args:
        train: trains a part, and reports its progress after each chunk.
        parts: of equal length and cost.
        progress: is told the progress of all parts, by their threads in turn.
    """
    if len(parts) == 1:
        return train(parts[0], progress)
    stopped, lock = threading.Event(), threading.Lock()
    epochs_done = [0] * len(parts)
    losses_of: dict[int, Mapping[str, float]] = {}

    def train_part(i: int) -> list[_Result]:
        def tell(done: int, epochs: int, losses: Mapping[str, float]) -> None:
            if stopped.is_set():
                raise StoppedError
            with lock:
                epochs_done[i], losses_of[i] = done, losses
                if progress is not None:
                    known = losses_of.values()
                    means = {n: float(np.mean([one[n] for one in known])) for n in losses}
                    progress(sum(epochs_done) // len(parts), epochs, means)

        return train(parts[i], tell)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = [
            pool.submit(copy_context().run, train_part, i) for i in range(len(parts))
        ]
        try:
            return [result for future in futures for result in future.result()]
        except BaseException:  # Ctrl-C, too
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise
