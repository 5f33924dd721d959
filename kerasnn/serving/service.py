"""The parts of a running server that REST, gRPC and the page share."""

from dataclasses import dataclass

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
