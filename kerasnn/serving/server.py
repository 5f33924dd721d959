"""The server process: start, signals, stop and exit status.

REST and gRPC share one event loop. The server listens first and then loads the models:
meanwhile it is alive and not ready. SIGTERM and SIGINT stop the server: it takes no new
requests, finishes the running ones within a time limit, and unloads the models. A second
signal ends it at once.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

from kerasnn.errors import InputError
from kerasnn.serving.access_log import AccessLog
from kerasnn.serving.app import make_app
from kerasnn.serving.grpc.server import GrpcServer
from kerasnn.serving.http.browsers import browser_policy
from kerasnn.serving.http.server import RestServer
from kerasnn.serving.inference.scheduler import BatchingOptions, Scheduler
from kerasnn.serving.metrics import Metrics
from kerasnn.serving.models.allowed import Allowed
from kerasnn.serving.models.config_file import ConfigFile
from kerasnn.serving.models.registry import ModelRegistry
from kerasnn.serving.models.sources import Sources, folder_sources
from kerasnn.serving.options import ServerOptions
from kerasnn.serving.ports import Ports, address
from kerasnn.serving.service import Service
from kerasnn.serving.tls import Tls

# Time for a stopped server to wait for loading models and unwritten lines.
UNLOAD_SECONDS = 5.0
_LOOK_SECONDS = 0.05

_log = logging.getLogger("kerasnn.serving")


@dataclass(frozen=True)
class Started:
    """Ports and models of a server that is ready.

    Attributes:
        rest_port: None: no REST.
        grpc_port: None: no gRPC.
        models: the available versions of each model, the newest first; empty if it failed.
    """

    rest_port: int | None
    grpc_port: int | None
    models: dict[str, list[int]]


def run_server(
    options: ServerOptions,
    ports: Ports,
    *,
    tls: Tls | None = None,
    announce: Callable[[Started], None],
) -> int:
    """Serve until a signal comes, and return the exit status; runs in the main thread.

    Args:
        options: of the server.
        ports: bound ports; see `ports.bound_ports`.
        tls: the content of `options.tls`.
        announce: called when the server answers requests.

    Raises:
        InputError: the configuration of the models, or the access log, cannot be used.
        OSError: another program has taken a port meanwhile.
    """
    server = Server(options, ports, tls, announce)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(server.run())


class Server:
    """The parts of a server, started and stopped in order."""

    def __init__(
        self,
        options: ServerOptions,
        ports: Ports,
        tls: Tls | None,
        announce: Callable[[Started], None],
    ) -> None:
        self._options, self._ports, self._tls = options, ports, tls
        self._announce = announce
        self._access_log = AccessLog(options.access_log) if options.access_log else None
        self._browsers = browser_policy(
            options.host, hosts=options.allowed_hosts, origins=options.allowed_origins
        )
        self._service = _service(options)
        self._rest: RestServer | None = None
        self._grpc: GrpcServer | None = None
        self._signalled = False

    async def run(self) -> int:
        """Listen, load, serve until a signal comes, and stop."""
        self._stopping = asyncio.Event()
        with self._signals():
            await self._listen()
            loaded = await self._load()
            if loaded:
                self._begin()
                await self._stopping.wait()
            await self._drain()
            if not loaded:
                await self._put_log_away()
                _end_at_once(0)  # a model that loads does not stop
            await self._tidy()
        return 0

    @contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()

        def stop(number: int, frame: FrameType | None) -> None:
            if self._signalled:
                _end_at_once(128 + number)
            self._signalled = True
            loop.call_soon_threadsafe(self._stopping.set)

        before = {n: signal.signal(n, stop) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def _listen(self) -> None:
        self._service.inference.start()
        if self._access_log is not None:
            self._access_log.start()
        if self._ports.grpc is not None:
            await self._listen_to_grpc(self._ports.grpc)
        if self._ports.rest is not None:
            await self._listen_to_rest(self._ports.rest)

    async def _load(self) -> bool:
        """Load the models; return False if a signal came first."""
        # The collector need not check these objects again. The models come later: a frozen
        # graph would keep its memory after it is unloaded.
        gc.freeze()
        loop = asyncio.get_running_loop()
        loading = loop.run_in_executor(None, self._service.models.refresh)
        stopping = asyncio.create_task(self._stopping.wait())
        either: list[asyncio.Future[Any]] = [loading, stopping]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if stopping.done():
            return False
        stopping.cancel()
        await loading
        return True

    def _begin(self) -> None:
        """Announce that the models are loaded, and look for new ones from now on."""
        self._service.models.start(self._options.poll_seconds)
        self._announce(self._started())

    async def _listen_to_grpc(self, bound: socket.socket) -> None:
        self._grpc = GrpcServer(
            self._service,
            address(self._options.host, self._ports.grpc_port),
            tls=self._tls,
            access_log=self._access_log,
        )
        await self._grpc.start()
        bound.close()

    async def _listen_to_rest(self, bound: socket.socket) -> None:
        host, port = self._options.host, self._ports.grpc_port
        app = make_app(
            self._service,
            browsers=self._browsers,
            stopping=self._stopping.is_set,
            access_log=self._access_log,
            grpc=address(host, port) if port else None,
        )
        self._rest = RestServer(
            app,
            bound,
            tls=self._tls.context if self._tls else None,
            timeout_seconds=self._options.limits.timeout_seconds,
        )
        await self._rest.start()

    def _started(self) -> Started:
        models = self._service.models
        versions = {
            name: [s.version for s in models.statuses(name) if s.state == "AVAILABLE"]
            for name in models.names()
        }
        return Started(self._ports.rest_port, self._ports.grpc_port, versions)

    async def _drain(self) -> None:
        """Wait for the running requests, up to the time limit."""
        seconds = self._options.drain_seconds
        # A warning, because nothing milder is logged while models load.
        _log.warning("stopping: running requests have up to %g s to finish", seconds)
        stops = []
        if self._rest is not None:
            stops.append(asyncio.create_task(self._rest.stop()))
        if self._grpc is not None:
            stops.append(asyncio.create_task(self._grpc.stop(seconds)))
        _, late = await asyncio.wait(stops, timeout=seconds)
        if late:
            _log.warning("requests that ran on after %g s were cut off", seconds)
            await self._put_log_away()
            _end_at_once(0)

    async def _tidy(self) -> None:
        """Unload the models; after a time limit end the process."""
        await self._put_log_away()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(UNLOAD_SECONDS):
                await loop.run_in_executor(None, self._service.models.stop)
                await self._service.inference.stop()
                while _any_native_thread():
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            _end_at_once(0)

    async def _put_log_away(self) -> None:
        if self._access_log is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._access_log.stop)


def _service(options: ServerOptions) -> Service:
    metrics = Metrics()
    models = ModelRegistry(
        _sources(options),
        allowed=Allowed(options.allow_models, options.allow),
        warm_up=options.warm_up,
        metrics=metrics,
    )
    inference = Scheduler(
        threads=options.threads,
        batching=_batching(options),
        waiting=options.limits.waiting,
        timeout_seconds=options.limits.timeout_seconds,
        metrics=metrics,
    )
    metrics.add_gauge(
        "kerasnn_requests_waiting",
        "Requests that are computed or wait for it.",
        lambda: inference.waiting,
    )
    metrics.add_gauge_by_model(
        "kerasnn_calls_overdue",
        "Calls of a model that run on after their deadlines.",
        inference.overdue,
    )
    add_cell_counts(metrics, models)
    service = Service(models, inference, metrics, options.limits)
    metrics.add_gauge(
        "kerasnn_bytes_in_flight",
        "Bytes of the requests that are being received or answered.",
        lambda: service.in_flight.bytes,
    )
    return service


def add_cell_counts(metrics: Metrics, models: ModelRegistry) -> None:
    """Add counts of the rows of tables, and of their cells unlike those of the training."""
    metrics.add_counter(
        "kerasnn_table_rows_total",
        "Rows of tables that were answered.",
        ("model_name", "version"),
        lambda: {(name, str(n)): counts.rows for name, n, counts in models.counted()},
    )
    metrics.add_counter(
        "kerasnn_unusual_cells_total",
        "Cells of these rows unlike those of the training: outside of the range, of an"
        " unseen level, or missing in a column in which none was.",
        ("model_name", "version", "column", "reason"),
        lambda: {
            (name, str(n), *labels): count
            for name, n, counts in models.counted()
            for labels, count in counts.counts.items()
        },
    )


def _sources(options: ServerOptions) -> Callable[[], Sources]:
    if options.model_config_file is not None:
        return ConfigFile(options.model_config_file)
    if options.folder is None:
        raise InputError("Give a folder of models, or --model-config-file")
    return folder_sources(options.folder, latest=options.latest, versions=options.versions)


def _batching(options: ServerOptions) -> BatchingOptions | None:
    if not options.batching:
        return None
    return BatchingOptions(
        rows=options.max_batch_rows,
        request_rows=options.max_request_rows,
        sizes=options.batch_sizes,
        wait_microseconds=options.batch_wait_microseconds,
    )


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    if sys.platform == "win32":  # where there is no uvloop
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


def _any_native_thread() -> bool:
    """Return whether a thread runs or unloads a graph.

    Python ends such a thread when it comes back from TensorFlow while the process ends,
    and C++ then aborts the process.
    """
    names = ("kerasnn-graph", "kerasnn-unload")
    return any(thread.name.startswith(names) for thread in threading.enumerate())


def _end_at_once(status: int) -> NoReturn:
    """End without waiting for threads, which may be in a call of a graph."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
