"""gRPC health checking of the server, and of each model by its name."""

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2

from kerasnn.serving.errors import Code, ServingError
from kerasnn.serving.grpc.calls import Context, Message
from kerasnn.serving.service import Service

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_WATCH_SECONDS = 1.0
# Time to report the stop to watchers, before their calls end.
_LAST_WORD_SECONDS = 0.1


class ModelHealth(health.aio.HealthServicer):
    """grpc.health.v1.Health: the service "" is the server, any other one a model.

    A model is SERVING while a version is available. The status of watched services is
    updated once a second.
    """

    def __init__(self, service: Service) -> None:
        super().__init__()
        self._service = service
        self._draining = False
        self._told_the_end = asyncio.Event()
        self._told: set[str] = set()

    async def Check(self, request: Message, context: Context) -> Any:  # noqa: N802
        """Return the status of a service; NOT_FOUND if there is no such service."""
        status = self._status(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return health_pb2.HealthCheckResponse(status=status)

    async def Watch(self, request: Message, context: Context) -> None:  # noqa: N802
        """Send the status of a service now and at each change, until the server stops."""
        await self._tell(request.service)
        tasks = [
            asyncio.create_task(super().Watch(request, context)),
            asyncio.create_task(self._keep_telling(request.service)),
            asyncio.create_task(self._told_the_end.wait()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()

    async def enter_graceful_shutdown(self) -> None:
        """Set all services to NOT_SERVING, and end the watches."""
        self._draining = True
        await super().enter_graceful_shutdown()
        await asyncio.sleep(_LAST_WORD_SECONDS)
        self._told_the_end.set()

    def _status(self, name: str) -> Any:
        models = self._service.models
        if name:
            try:
                statuses = models.statuses(name)
            except ServingError as error:
                return _NOT_SERVING if error.code is Code.UNAVAILABLE else None
            serving = any(status.state == "AVAILABLE" for status in statuses)
        else:
            serving = models.ready
        return _SERVING if serving and not self._draining else _NOT_SERVING

    async def _keep_telling(self, name: str) -> None:
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            await self._tell(name)

    async def _tell(self, name: str) -> None:
        """Update a service's status for watchers; an unknown name is not stored."""
        status = self._status(name)
        if status is not None:
            self._told.add(name)
        elif name in self._told:
            status = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        else:
            return
        await self.set(name, status)
