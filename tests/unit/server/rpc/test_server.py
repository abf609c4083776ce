"""The gRPC server's own errors; that it serves is tried by every end-to-end test."""

from __future__ import annotations

import socket
from pathlib import Path
from unittest.mock import Mock, sentinel

import pytest

from hoopd.dev.certificates import Authority
from hoopd.domain.errors import InvalidInput, Unavailable
from hoopd.rpc.server import RpcServer
from hoopd.runtime import clock


def server() -> RpcServer:
    return RpcServer(*[sentinel.unused] * 6, Mock())


async def test_a_certificate_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        await server().start("127.0.0.1:0", tmp_path / "none.pem", tmp_path / "none.key")


async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    authority = Authority.in_directory(tmp_path, clock.now)
    issued = authority.issue(tmp_path, "gateway", ["127.0.0.1"], clock.now)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match="cannot listen on"):
            await server().start(f"127.0.0.1:{port}", issued.certificate, issued.key)
