"""The gRPC listener, started and stopped by `serving.server`."""

import grpc
import grpc.aio

from kerasnn.serving.access_log import AccessLog
from kerasnn.serving.grpc.access_log import AccessLogInterceptor
from kerasnn.serving.grpc.services import add_services
from kerasnn.serving.service import Service
from kerasnn.serving.tls import Tls

HANDSHAKE_SECONDS = 20
# Calls that are read or written, in addition to those that wait for graphs.
OTHER_CALLS = 100


class GrpcServer:
    """TensorFlow Serving's services on a port.

    It belongs to the event loop in which it is made.

    Args:
        service: answers.
        where: host and port; the port is not 0.
        tls: None: no TLS.
        access_log: logs every call, if given.
    """

    def __init__(
        self, service: Service, where: str, *, tls: Tls | None, access_log: AccessLog | None
    ) -> None:
        self._server = grpc.aio.server(
            interceptors=[AccessLogInterceptor(access_log)]
            if access_log is not None
            else [],
            options=[
                ("grpc.max_receive_message_length", service.limits.message_bytes),
                ("grpc.max_send_message_length", -1),  # the model decides the size
                # Otherwise two servers could share a port and halve the calls.
                ("grpc.so_reuseport", 0),
                ("grpc.server_handshake_timeout_ms", HANDSHAKE_SECONDS * 1000),
            ],
            maximum_concurrent_rpcs=service.limits.waiting + OTHER_CALLS,
        )
        self._health = add_services(self._server, service)
        self._where = where
        self._tls = tls

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: another program has taken the port meanwhile.
        """
        try:
            if self._tls is None:
                self._server.add_insecure_port(self._where)
            else:
                self._server.add_secure_port(self._where, _credentials(self._tls))
        except RuntimeError as error:
            raise OSError(f"gRPC cannot listen on {self._where}: {error}") from None
        await self._server.start()

    async def stop(self, seconds: float) -> None:
        """Take no more calls, and wait at most this time for the running ones."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(seconds)


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials(
        [(tls.key, tls.certificate)],
        root_certificates=tls.client_authority,
        require_client_auth=tls.client_authority is not None,
    )
