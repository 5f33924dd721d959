"""A cache of compiled learners: the next fit of a network of the same shape reuses one."""

import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from contextvars import ContextVar
from threading import Lock
from typing import Any

from kerasnn.ensembles.members.learner import MemberLearner
from kerasnn.ensembles.members.sharding import row_sharding
from kerasnn.ensembles.task import EnsembleTask
from kerasnn.models import TabularNetwork
from kerasnn.models.tabular import NETWORK_NAME
from kerasnn.training.distribution.workers import ALONE, SingleProcess

CACHE_SIZE = 4


class LearnerCache:
    """The most recently used learners, by the shape of their network.

    Args:
        size: largest number of learners.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._learners: OrderedDict[Any, MemberLearner] = OrderedDict()
        self._lock = Lock()

    @property
    def learners(self) -> list[MemberLearner]:
        """The learners, the most recently used one last."""
        return list(self._learners.values())

    @contextlib.contextmanager
    def borrow(
        self,
        task: EnsembleTask,
        members: int,
        workers: SingleProcess = ALONE,
        *,
        local_batches: bool = False,
    ) -> Iterator[MemberLearner]:
        """Take a learner out of the cache, or make a new one, and put it back afterwards.

        Two threads that fit at the same time get two learners.

        Args:
            task: decides the shape of the network.
            members: number of networks, of all tasks that are trained together.
            workers: see `MemberLearner`.
            local_batches: see `MemberLearner`.
        """
        recipe = task.recipe
        config = task.shape.config(recipe, members)
        settings = (recipe.cycles, recipe.label_smoothing, recipe.dropout > 0)
        sharding = type(row_sharding(workers, local_batches=local_batches))
        key = (config, *settings, workers, sharding)
        with self._lock:
            learner = self._learners.pop(key, None)
        if learner is None:
            learner = MemberLearner(
                TabularNetwork(config, name=NETWORK_NAME),
                cycles=recipe.cycles,
                label_smoothing=recipe.label_smoothing,
                has_dropout=recipe.dropout > 0,
                workers=workers,
                local_batches=local_batches,
            )
        try:
            yield learner
        finally:
            self._add({key: learner})

    def take_all(self, other: "LearnerCache") -> None:
        """Take over the learners of another cache; the most recently used ones are kept."""
        with other._lock:
            learners, other._learners = other._learners, OrderedDict()
        self._add(learners)

    def _add(self, learners: dict[Any, MemberLearner]) -> None:
        with self._lock:
            self._learners.update(learners)
            while len(self._learners) > self.size:
                self._learners.popitem(last=False)


_shared = LearnerCache(CACHE_SIZE)
_enlarged: ContextVar[LearnerCache | None] = ContextVar("enlarged_cache", default=None)


def learner_cache() -> LearnerCache:
    """Return the cache of the current context."""
    cache = _enlarged.get()
    return _shared if cache is None else cache


@contextlib.contextmanager
def enlarged_cache(size: int) -> Iterator[LearnerCache]:
    """Use a larger cache in this context, for fits of several shapes in turn."""
    outer, cache = learner_cache(), LearnerCache(size)
    cache.take_all(outer)
    token = _enlarged.set(cache)
    try:
        yield cache
    finally:
        _enlarged.reset(token)
        outer.take_all(cache)
