"""The way to the provider: TLS by the right authority, no proxy on loopback, no answer without end."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from hoopd.dev.certificates import Authority
from hoopd.dev.oidc import DevProvider
from hoopd.domain.errors import InvalidInput, NotSignedIn, Unavailable
from hoopd.identity import OidcSettings, TokenVerifier, client_factory
from hoopd.identity import fetching as module
from hoopd.identity.fetching import fetch_json
from hoopd.runtime import clock as system_clock
from tests.fixtures.oidc import SteppedClock


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"said": "hello"}')

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.in_directory(tmp_path, system_clock.now)


@pytest.fixture
def tls_provider(tmp_path: Path, authority: Authority) -> Iterator[str]:
    """The address of something that speaks TLS with a certificate of ``authority``."""
    issued = authority.issue(tmp_path, "provider", ["127.0.0.1"], system_clock.now)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    with HTTPServer(("127.0.0.1", 0), _Answer) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def settings_for(issuer: str, ca: Path | None) -> OidcSettings:
    return OidcSettings(issuer, "hoopctl", "hoopctl-approve", ca=ca)


async def test_the_given_authority_is_trusted(tls_provider: str, authority: Authority) -> None:
    async with client_factory(settings_for(tls_provider, authority.path))() as client:
        assert await fetch_json(client, f"{tls_provider}/x") == {"said": "hello"}


async def test_another_authority_is_not(tls_provider: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Authority.in_directory(tmp_path / "other", system_clock.now)
    for ca in (other.path, None):
        async with client_factory(settings_for(tls_provider, ca))() as client:
            with pytest.raises(Unavailable, match="does not answer"):
                await fetch_json(client, f"{tls_provider}/x")


def test_a_ca_that_cannot_be_read_is_one_sentence(tmp_path: Path, settings: OidcSettings) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("ca.pem", "absent.pem"):
        with pytest.raises(InvalidInput, match=r"oidc\.ca cannot be read"):
            client_factory(replace(settings, ca=tmp_path / name))


async def test_loopback_is_never_asked_through_a_proxy(
    stepped_provider: DevProvider, settings: OidcSettings, clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    await TokenVerifier(settings, client_factory(settings), clock).check_provider()


async def test_an_answer_that_never_ends_is_cut() -> None:
    """INV-9."""
    read = 0

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            nonlocal read
            while True:
                read += 1
                yield b"x" * 65536

    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Endless()))
    async with httpx.AsyncClient(transport=transport) as client:
        with pytest.raises(Unavailable, match="more than 1048576 bytes"):
            await fetch_json(client, "https://id.example.com/x")
    assert read == 17


async def test_a_provider_that_does_not_finish_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-9."""

    class Hanging(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            await asyncio.Event().wait()
            yield b""

    monkeypatch.setattr(module, "_SECONDS_IN_ALL", 0.01)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Hanging()))
    async with httpx.AsyncClient(transport=transport) as client:
        with pytest.raises(Unavailable, match="TimeoutError"):
            await fetch_json(client, "https://id.example.com/x")


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_token_is_nobody_signed_in(status: int) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(status))
    async with httpx.AsyncClient(transport=transport) as client:
        with pytest.raises(NotSignedIn, match="does not accept this token"):
            await fetch_json(client, "https://id.example.com/userinfo", token="secret-token")
        with pytest.raises(Unavailable, match=f"answers {status}"):
            await fetch_json(client, "https://id.example.com/jwks")
