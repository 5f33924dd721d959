"""What REST, gRPC and the page share while a server runs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kerasnn.serving.inference import Inference
    from kerasnn.serving.metrics import Metrics
    from kerasnn.serving.models import Models


@dataclass(frozen=True)
class Limits:
    """The most that one request, or all that wait, may ask for.

    Attributes:
        body_bytes: of a REST request, also after it was unpacked.
        message_bytes: of a gRPC request or answer; TensorFlow Serving's own bound.
        rows: of a request: items of a list, examples, or the first dimension of a tensor.
        nesting: of lists and objects in JSON.
        waiting: requests that are computed or wait for it, over all models.
        timeout_seconds: for a request that names no deadline of its own.
    """

    body_bytes: int = 100 * 2**20
    message_bytes: int = 2**31 - 1
    rows: int = 1_000_000
    nesting: int = 100
    waiting: int = 1000
    timeout_seconds: float = 30.0


@dataclass(frozen=True)
class Service:
    """The running parts."""

    models: "Models"
    inference: "Inference"
    metrics: "Metrics"
    limits: Limits
