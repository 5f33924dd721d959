"""The requests and running calls of each model, so that one model cannot hold up others.

Each model has its own bounds on waiting requests and on calls at the same time. A call
that runs on after its deadline still holds one of its model's places. A model all of whose
places are held like this is stuck: it takes no requests until one of the calls ends.
"""

from dataclasses import dataclass, field

from kerasnn.serving.errors import Code, ServingError


@dataclass
class ModelCalls:
    """The requests and calls of one model.

    Attributes:
        requests: number of those that wait or run.
        running: for each running call, by a key: when it began, and when nobody waits
            for it any more, in seconds of the event loop's clock.
    """

    requests: int = 0
    running: dict[object, tuple[float, float]] = field(default_factory=dict)


_IDLE = ModelCalls()  # of a model without calls; never changed


@dataclass(frozen=True)
class StuckModel:
    """A model that takes no requests.

    Attributes:
        name: of the model.
        seconds: since when its longest call has been running.
    """

    name: str
    seconds: float


class CallsByModel:
    """The calls of all models that have any.

    Args:
        max_calls: of one model at the same time.
        max_requests: of one model that wait or run.
        patience_seconds: a call that ran less is never taken for stuck: the deadline of
            its client may have been very short.
    """

    def __init__(
        self, *, max_calls: int, max_requests: int, patience_seconds: float
    ) -> None:
        self.max_calls = max_calls
        self.max_requests = max_requests
        self._patience = patience_seconds
        self._models: dict[str, ModelCalls] = {}

    @property
    def requests(self) -> int:
        """Number of requests that wait or run, of all models."""
        return sum(calls.requests for calls in self._models.values())

    def check_room(self, name: str, now: float) -> None:
        """Check that a model takes one more request.

        Raises:
            ServingError: RESOURCE_EXHAUSTED, too many wait; UNAVAILABLE, it is stuck.
        """
        calls = self._models.get(name, _IDLE)
        if calls.requests >= self.max_requests:
            raise ServingError(
                Code.RESOURCE_EXHAUSTED,
                f"{calls.requests} requests wait already, the most that --max-waiting"
                " allows; try again",
                retry_after_seconds=1,
            )
        if len(calls.running) >= self.max_calls and self._is_stuck(calls, now):
            raise ServingError(
                Code.UNAVAILABLE,
                f"model {name} is stuck: {len(calls.running)} calls run on after their"
                f" deadlines, the longest for {_longest(calls, now):.0f} s; it takes"
                " requests again when one ends, or when the server is restarted",
                retry_after_seconds=10,
            )

    def may_run(self, name: str) -> bool:
        """Return whether a model may make one more call."""
        calls = self._models.get(name)
        return calls is None or len(calls.running) < self.max_calls

    def add_request(self, name: str) -> None:
        """Count a request that waits."""
        self._of(name).requests += 1

    def remove_requests(self, name: str, count: int) -> None:
        """Count requests off that have an answer, or were given up."""
        calls = self._models[name]
        calls.requests -= count
        self._forget_idle(name, calls)

    def begin(self, name: str, call: object, *, now: float, deadline: float) -> None:
        """Note a call that begins to run."""
        self._of(name).running[call] = (now, deadline)

    def end(self, name: str, call: object) -> None:
        """Note a call that has ended."""
        calls = self._models[name]
        del calls.running[call]
        self._forget_idle(name, calls)

    def stuck(self, now: float) -> list[StuckModel]:
        """Return the models that take no requests, sorted by name."""
        return [
            StuckModel(name, _longest(calls, now))
            for name, calls in sorted(self._models.items())
            if len(calls.running) >= self.max_calls and self._is_stuck(calls, now)
        ]

    def overdue(self, now: float) -> dict[str, int]:
        """Return the number of calls of each model that run on after their deadlines."""
        return {
            name: sum(self._is_overdue(*call, now) for call in calls.running.values())
            for name, calls in sorted(self._models.items())
        }

    def _of(self, name: str) -> ModelCalls:
        calls = self._models.get(name)
        if calls is None:
            calls = self._models[name] = ModelCalls()
        return calls

    def _is_stuck(self, calls: ModelCalls, now: float) -> bool:
        return all(self._is_overdue(*call, now) for call in calls.running.values())

    def _is_overdue(self, began: float, deadline: float, now: float) -> bool:
        return now > deadline and now - began > self._patience

    def _forget_idle(self, name: str, calls: ModelCalls) -> None:
        if not calls.requests and not calls.running:
            self._models.pop(name, None)


def _longest(calls: ModelCalls, now: float) -> float:
    return max(now - began for began, _ in calls.running.values())
