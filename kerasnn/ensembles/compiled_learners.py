"""What was compiled for a shape of network, kept for the next fit of that shape."""

import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from threading import Lock
from typing import Any

from kerasnn.ensembles.learner import MemberLearner
from kerasnn.ensembles.task import Job
from kerasnn.models import TabularNetwork
from kerasnn.training.distribution.workers import WorkerGroup

LEARNERS_KEPT = 4

_most = [LEARNERS_KEPT]  # of those that are kept, as each who asked for more has it
_kept: OrderedDict[Any, MemberLearner] = OrderedDict()
_lock = Lock()


@contextlib.contextmanager
def learner_of_shape(
    job: Job, members: int, workers: WorkerGroup | None = None, *, own_batches: bool = False
) -> Iterator[MemberLearner]:
    """A learner for such a network; what was compiled for it before is used again.

    It is nobody else's while it is in use: two threads that fit at once get two.

    Args:
        job: of whose network.
        members: of all jobs.
        workers: workers that train it together; see `MemberLearner`.
        own_batches: likewise.
    """
    recipe = job.recipe
    arguments = job.network_arguments(members)
    own_batches = own_batches and workers is not None
    settings = (recipe.cycles, recipe.smoothing, recipe.dropout > 0)
    key = (repr(arguments), *settings, workers, own_batches)
    with _lock:
        learner = _kept.pop(key, None)
    if learner is None:
        learner = MemberLearner(
            TabularNetwork(**arguments),
            cycles=recipe.cycles,
            smoothing=recipe.smoothing,
            drops=recipe.dropout > 0,
            workers=workers,
            own_batches=own_batches,
        )
    try:
        yield learner
    finally:
        with _lock:
            _kept[key] = learner
            _forget_oldest()


@contextlib.contextmanager
def keeping_learners(count: int) -> Iterator[None]:
    """Inside this so many learners are kept, for fits of several shapes by turns."""
    with _lock:
        _most.append(count)
    try:
        yield
    finally:
        with _lock:
            _most.remove(count)
            _forget_oldest()


def _forget_oldest() -> None:
    while len(_kept) > max(_most):
        _kept.popitem(last=False)
