"""gateway.proto: versions and where to sign in, who one is, what one may open."""

from __future__ import annotations

from importlib.metadata import version

from hoop.v1 import gateway_pb2 as pb
from hoop.v1 import gateway_pb2_grpc
from hoopd.identity import OidcSettings
from hoopd.recording.codec import micros
from hoopd.rpc.authentication import Context, principal_of
from hoopd.runtime.gateway import Gateway

PROTOCOL = 2


class GatewayService(gateway_pb2_grpc.GatewayServicer):
    def __init__(self, gateway: Gateway, oidc: OidcSettings) -> None:
        self._gateway = gateway
        self._oidc = oidc

    async def Hello(self, request: pb.HelloRequest, context: Context) -> pb.HelloResponse:
        return pb.HelloResponse(
            server_version=version("hoopctl"),
            protocol_min=PROTOCOL,
            protocol_max=PROTOCOL,
            issuer=self._oidc.issuer,
            client_id=self._oidc.client_id,
            approval_client_id=self._oidc.approval_client_id,
            scopes=self._oidc.scopes,
        )

    async def WhoAmI(self, request: pb.WhoAmIRequest, context: Context) -> pb.WhoAmIResponse:
        who = principal_of(context)
        return pb.WhoAmIResponse(
            subject=who.subject,
            email=who.email or "",
            groups=sorted(who.groups),
            roles=sorted(who.roles),
            expires_us=micros(who.expires),
        )

    async def ListConnections(self, request: pb.ListConnectionsRequest, context: Context) -> pb.ListConnectionsResponse:
        shown = self._gateway.connections(principal_of(context))
        return pb.ListConnectionsResponse(
            connections=[
                pb.ConnectionInfo(name=c.name, labels=dict(c.labels), database=c.database, access=access.value)
                for c, access in shown
            ]
        )
