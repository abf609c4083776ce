"""The listener for monitoring, and what anybody who reaches it may try."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hoopd.domain.errors import Unavailable
from hoopd.runtime import health_http
from hoopd.runtime.health import Readiness
from hoopd.runtime.health_http import MAX_HEAD, HealthServer
from hoopd.runtime.metrics import Metrics

GENEROUS = 20.0


@asynccontextmanager
async def serving(*, away: bool = False, seconds: float = GENEROUS, host: str = "127.0.0.1") -> AsyncIterator[int]:
    async def store() -> None:
        if away:
            raise Unavailable("it is away")

    async with HealthServer(Metrics(), Readiness({"store": store}), seconds=seconds).listening(host, 0) as port:
        yield port


async def said(port: int, request: bytes, *, end: bool = True) -> bytes:
    """All that comes back, up to the end of the connection. ``end``: say that nothing follows."""
    async with asyncio.timeout(GENEROUS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            if end:
                writer.write_eof()
            return await reader.read()
        finally:
            writer.close()


async def unanswered(port: int) -> bool:
    try:
        return await said(port, request("/healthz"), end=False) == b""
    except OSError:  # reset, where the abort was faster than the question
        return True


def request(target: str, *fields: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", *(fields or ("Host: 127.0.0.1:9464",)), "", ""]).encode()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


async def test_metrics_are_in_the_format_of_prometheus() -> None:
    async with serving() as port:
        head, _, body = (await said(port, request("/metrics"))).partition(b"\r\n\r\n")
    assert status(head) == 200
    assert b"Content-Type: text/plain; version=0.0.4; charset=utf-8" in head.split(b"\r\n")
    assert f"Content-Length: {len(body)}".encode() in head.split(b"\r\n")
    assert b"# TYPE hoopd_statements_decided_total counter" in body.splitlines()


async def test_a_part_that_fails_makes_it_unready_and_not_dead() -> None:
    async with serving(away=True) as port:
        unready = await said(port, request("/readyz"))
        assert status(unready) == 503
        assert unready.endswith(b"\r\n\r\nstore: it is away\n")
        assert status(await said(port, request("/healthz"))) == 200
        assert status(await said(port, request("/readyz?exclude=store"))) == 200


async def test_ready_says_so() -> None:
    async with serving() as port:
        answer = await said(port, request("/readyz"))
        assert status(answer) == 200
        assert answer.endswith(b"\r\n\r\nready\n")


async def test_head_gives_no_body() -> None:
    async with serving() as port:
        answer = await said(port, request("/healthz", method="HEAD"))
        assert status(answer) == 200
        assert answer.endswith(b"Connection: close\r\n\r\n")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (request("/healthz", method="POST"), 405),
        (request("/healthz", method="BREW"), 405),
        (request("/"), 404),
        (request("/metrics/../etc/passwd"), 404),
        (request("http://[::/metrics"), 400),
        (request("/readyz?" + "&".join(["exclude=store"] * 20)), 400),
        (b"GET /healthz\r\n\r\n", 400),
        (b"GET /healthz SPDY/3\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
    ],
)
async def test_what_is_no_question_of_ours_is_refused_and_the_next_answered(sent: bytes, code: int) -> None:
    async with serving(away=True) as port:
        answer = await said(port, sent)
        assert status(answer) == code
        assert b"away" not in answer
        assert status(await said(port, request("/healthz"))) == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:9464", "localhost.evil.example", "[::", "", "10.0.0.1"]
)
async def test_on_loopback_a_page_of_another_host_reads_nothing(host: str) -> None:
    """THREATS class 21: DNS rebinding."""
    async with serving() as port:
        assert status(await said(port, request("/metrics", f"Host: {host}"))) == 421
        assert status(await said(port, request("/metrics", "Host: localhost", f"host: {host}"))) == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9464", "127.0.0.1:9464", "[::1]:9464"])
async def test_on_loopback_names_of_loopback_are_answered(host: str) -> None:
    async with serving() as port:
        assert status(await said(port, request("/healthz", f"Host: {host}"))) == 200


async def test_a_head_that_is_too_large_is_refused_unread() -> None:
    async with serving() as port:
        assert status(await said(port, request("/healthz", "X: " + "x" * (2 * MAX_HEAD)))) == 431
        assert status(await said(port, b"x" * (2 * MAX_HEAD))) == 431
        assert status(await said(port, request("/healthz"))) == 200


async def test_a_head_that_does_not_come_is_not_waited_for() -> None:
    async with serving(seconds=0.05) as port:
        assert await said(port, b"GET /healthz HTTP/1.1\r\nHost:", end=False) == b""


async def test_a_head_that_breaks_off_is_no_question() -> None:
    async with serving() as port:
        assert await said(port, b"GET /healthz HTTP/1.1\r\n") == b""


async def test_no_more_connections_than_there_may_be_and_room_again_when_they_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health_http, "MAX_CONNECTIONS", 2)
    async with serving() as port:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for _, writer in idle:
            writer.write(b"GET")
            await writer.drain()
        assert await unanswered(port)
        for reader, writer in idle:
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
        assert status(await said(port, request("/healthz"))) == 200


async def test_closing_ends_connections_that_are_open(caplog: pytest.LogCaptureFixture) -> None:
    async with asyncio.timeout(GENEROUS):
        async with serving() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET")
            assert status(await said(port, request("/healthz"))) == 200
        assert await reader.read() == b""
        writer.close()
    assert not caplog.records, "no trouble for whoever reads the log"


@pytest.mark.parametrize("host", ["203.0.113.1", "a" * 300])
async def test_an_address_that_is_not_ours_is_told_in_a_sentence(host: str) -> None:
    with pytest.raises(Unavailable, match=r"^metrics\.listen: the gateway cannot listen on "):
        async with serving(host=host):
            pass
