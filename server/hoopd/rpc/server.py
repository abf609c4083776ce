"""The gRPC server: its limits, its certificate, and every servicer that it has."""

from __future__ import annotations

from pathlib import Path

import grpc
import grpc.aio

from hoop.v1 import audit_pb2_grpc, gateway_pb2_grpc, policy_pb2_grpc, requests_pb2_grpc
from hoopd.approvals.broker import Broker
from hoopd.domain.errors import InvalidInput, Unavailable
from hoopd.domain.principal import Principal
from hoopd.identity import OidcSettings, Purpose, TokenVerifier
from hoopd.rpc.audit import AuditServicer
from hoopd.rpc.authentication import Authentication
from hoopd.rpc.gateway import GatewayService
from hoopd.rpc.policy import PolicyServicer
from hoopd.rpc.requests import Masks, RequestsServicer
from hoopd.rpc.tunnel import TunnelService
from hoopd.runtime.gateway import Gateway
from hoopd.store.audit import Audit

MESSAGE_BYTES = 8 * 1024 * 1024
GRACE_SECONDS = 5.0
_OPTIONS = [
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_concurrent_streams", 5_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
]


class RpcServer:
    """Serves everything that ``protos/hoop/v1`` names, over TLS only."""

    def __init__(
        self,
        gateway: Gateway,
        audit: Audit,
        broker: Broker,
        verifier: TokenVerifier,
        oidc: OidcSettings,
        masks: Masks,
        policy_desk: PolicyServicer,
        *,
        shared_port: bool = False,
    ) -> None:
        async def verify(token: str) -> Principal:
            return await verifier.verify(token, Purpose.session)

        options = [("grpc.so_reuseport", int(shared_port)), *_OPTIONS]
        self._server = grpc.aio.server(interceptors=[Authentication(verifier)], options=options)
        gateway_pb2_grpc.add_GatewayServicer_to_server(GatewayService(gateway, oidc), self._server)
        self._tunnels = TunnelService(gateway, verify)
        self._tunnels.add_to(self._server)
        requests_pb2_grpc.add_RequestsServicer_to_server(RequestsServicer(broker, verifier, masks), self._server)
        audit_pb2_grpc.add_AuditServicer_to_server(AuditServicer(audit), self._server)
        policy_pb2_grpc.add_PolicyDeskServicer_to_server(policy_desk, self._server)

    async def start(self, listen: str, cert: Path, key: Path) -> int:
        """Listen on ``HOST:PORT`` (port 0: any free one); gives the port.

        Raises:
            InvalidInput: the certificate or its key cannot be read.
            Unavailable: the port is taken.
        """
        try:
            port = self._server.add_secure_port(listen, _credentials(cert, key))
        except RuntimeError:
            port = 0
        if port == 0:
            raise Unavailable(
                f"the gateway cannot listen on {listen}: the port is taken, or the certificate does not load"
            )
        await self._server.start()
        return port

    async def stop(self) -> None:
        """End within ``GRACE_SECONDS`` whatever is still being served. Sessions have been ended before."""
        self._tunnels.stop()
        await self._server.stop(GRACE_SECONDS)


def _credentials(cert: Path, key: Path) -> grpc.ServerCredentials:
    try:
        return grpc.ssl_server_credentials([(key.read_bytes(), cert.read_bytes())])
    except OSError as problem:
        raise InvalidInput(f"the gateway's certificate or key cannot be read: {problem.filename}") from None
