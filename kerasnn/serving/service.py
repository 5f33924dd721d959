"""The parts of a running server that REST, gRPC and the page share."""

from dataclasses import dataclass
from functools import cached_property

from kerasnn.serving.errors import Code
from kerasnn.serving.in_flight import BytesInFlight
from kerasnn.serving.inference.scheduler import Scheduler
from kerasnn.serving.metrics import Metrics
from kerasnn.serving.models.registry import ModelRegistry
from kerasnn.serving.options import Limits


@dataclass(frozen=True)
class Service:
    """The running parts."""

    models: ModelRegistry
    inference: Scheduler
    metrics: Metrics
    limits: Limits

    @cached_property
    def in_flight(self) -> BytesInFlight:
        """The bytes of all requests that are being received or answered."""
        return BytesInFlight(self.limits.bytes_in_flight)

    def observe_request(
        self, model: str, api: str, entrypoint: str, code: Code, seconds: float
    ) -> None:
        """Count a request in the metrics.

        A name that no model has is left out: clients must not make the labels grow.
        """
        known = code is Code.OK or model in self.models.names()
        self.metrics.observe_request(
            model=model if known else "",
            api=api,
            entrypoint=entrypoint,
            status=code,
            seconds=seconds,
        )
