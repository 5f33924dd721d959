"""Metrics of a running server: requests, times, joined rows, memory.

They are TensorFlow Serving's metrics under its names, so that its dashboards work, and
some more. `text()` returns the numbers; nothing is pushed.
"""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from kerasnn.serving.errors import Code
from kerasnn.serving.prometheus import (
    Counter,
    CounterByLabels,
    Gauge,
    GaugeByLabel,
    Histogram,
)

# As TensorFlow Serving's: from 10 microseconds to 25 minutes.
LATENCY_BUCKETS = tuple(10 * 1.8**i for i in range(33))
ROW_BUCKETS = tuple(float(2**i) for i in range(15))

_SERVING = ":tensorflow:serving:"
# The session API, as TensorFlow Serving names it; the other is the new runtime, "TFRT".
_RUNTIME = "TF1"
_MICROSECONDS = "(in microseconds)"
# Enum.name is looked up in Python, ten times slower.
_NAMES = {code: code.name for code in Code}


class Metrics:
    """Counts since the start of the process; thread-safe, about 1 us an observation.

    The caller leaves the name of an unknown model empty, so that clients cannot make the
    labels grow.
    """

    def __init__(self) -> None:
        self._requests = Counter(
            f"{_SERVING}request_count",
            "The total number of requests.",
            ("model_name", "status"),
        )
        self._latency = Histogram(
            f"{_SERVING}request_latency",
            f"Distribution of wall time {_MICROSECONDS} for requests.",
            ("model_name", "API", "entrypoint"),
            LATENCY_BUCKETS,
        )
        self._runtime = Histogram(
            f"{_SERVING}runtime_latency",
            f"Distribution of wall time {_MICROSECONDS} for graph calls.",
            ("model_name", "runtime"),
            LATENCY_BUCKETS,
        )
        self._warm_up = Histogram(
            f"{_SERVING}model_warmup_latency",
            f"Distribution of wall time {_MICROSECONDS} for warming up models.",
            ("model_name", "status"),
            LATENCY_BUCKETS,
        )
        self._rows = Histogram(
            "kerasnn_batch_rows",
            "Rows that were computed in one call.",
            ("model_name",),
            ROW_BUCKETS,
        )
        self._together = Histogram(
            "kerasnn_batch_requests",
            "Requests that were computed in one call.",
            ("model_name",),
            ROW_BUCKETS,
        )
        start = time.time()
        self._gauges: list[Gauge | GaugeByLabel | CounterByLabels] = [
            Gauge(
                "process_start_time_seconds",
                "When the process started, in seconds since 1970.",
                lambda: start,
            ),
            Gauge(
                "process_resident_memory_bytes", "Memory in bytes.", resident_memory_bytes
            ),
            Gauge("process_cpu_seconds_total", "CPU time in seconds.", time.process_time),
        ]

    def observe_request(
        self, *, model: str, api: str, entrypoint: str, status: Code, seconds: float
    ) -> None:
        """Count an answered request.

        Args:
            model: its name; empty if there is none.
            api: "Predict", "Classify", "Regress", "MultiInference", "GetModelMetadata" or
                "GetModelStatus".
            entrypoint: "REST" or "GRPC".
            status: of the answer.
            seconds: from the request to the answer.
        """
        self._requests.add((model, _NAMES[status]))
        self._latency.observe((model, api, entrypoint), seconds * 1e6)

    def observe_runtime(
        self, *, model: str, seconds: float, rows: int, requests: int
    ) -> None:
        """Count a call of a graph, for one request or several."""
        self._runtime.observe((model, _RUNTIME), seconds * 1e6)
        self._rows.observe((model,), rows)
        self._together.observe((model,), requests)

    def observe_warm_up(self, *, model: str, seconds: float) -> None:
        """Count the warm-up of a version."""
        self._warm_up.observe((model, "OK"), seconds * 1e6)

    def add_gauge(
        self, name: str, help_text: str, read: Callable[[], float | None]
    ) -> None:
        """Add a number that is read whenever the metrics are requested."""
        self._gauges.append(Gauge(name, help_text, read))

    def add_gauge_by_model(
        self, name: str, help_text: str, read: Callable[[], Mapping[str, float]]
    ) -> None:
        """Add numbers by the names of models, read whenever the metrics are requested."""
        self._gauges.append(GaugeByLabel(name, help_text, "model_name", read))

    def add_counter(
        self,
        name: str,
        help_text: str,
        labels: tuple[str, ...],
        read: Callable[[], Mapping[tuple[str, ...], int]],
    ) -> None:
        """Add counts by several labels, read whenever the metrics are requested."""
        self._gauges.append(CounterByLabels(name, help_text, labels, read))

    def text(self) -> str:
        """Return all metrics in Prometheus's text format (version 0.0.4)."""
        counted: list[Counter | Histogram | Gauge | GaugeByLabel | CounterByLabels] = [
            self._requests,
            self._latency,
            self._runtime,
            self._warm_up,
            self._rows,
            self._together,
            *self._gauges,
        ]
        return "".join(f"{line}\n" for one in counted for line in one.lines())


def resident_memory_bytes() -> int | None:
    """Return the memory of this process; None except on Linux."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
