"""What reaches the provider: bounded forms, from this machine's own pages only."""

import logging
import socket
from contextlib import ExitStack

import httpx
import pytest

from hoopd.dev.oidc import DevProvider
from tests.fixtures.oidc import begin, get, redeem


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "attacker.example"}, 421),
        ({"Host": "127.0.0.1.nip.io"}, 421),
        ({"Origin": "http://attacker.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_another_page_cannot_confirm_a_code(oidc_provider: DevProvider, headers: dict[str, str], status: int) -> None:
    started = begin(oidc_provider)
    with httpx.Client(trust_env=False, headers=headers) as client:
        page = client.post(oidc_provider.verification_uri, data={"user_code": started["user_code"], "user": "alice"})
    assert page.status_code == status
    assert redeem(oidc_provider, started["device_code"]).json()["error"] == "authorization_pending"


def test_the_providers_own_form_is_taken(oidc_provider: DevProvider) -> None:
    started = begin(oidc_provider)
    with httpx.Client(trust_env=False, headers={"Origin": oidc_provider.issuer}) as client:
        page = client.post(oidc_provider.verification_uri, data={"user_code": started["user_code"], "user": "alice"})
    assert page.status_code == 200


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"user_code=" + b"A" * 20_000, "application/x-www-form-urlencoded", 413),
        (b"user_code=AAAA&user_code=BBBB", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"f%d=1" % n for n in range(100)), "application/x-www-form-urlencoded", 400),
        (b"user_code=%ff", "application/x-www-form-urlencoded", 400),
        (b"\xff\xfe", "application/x-www-form-urlencoded", 400),
        (b'{"user_code": "AAAA"}', "application/json", 415),
    ],
)
def test_forms_are_bounded_and_plain(oidc_provider: DevProvider, content: bytes, kind: str, status: int) -> None:
    with httpx.Client(trust_env=False) as client:
        answer = client.post(oidc_provider.verification_uri, content=content, headers={"Content-Type": kind})
    assert answer.status_code == status


def test_answers_are_not_kept_or_framed(oidc_provider: DevProvider) -> None:
    headers = get(oidc_provider.verification_uri).headers
    assert headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_connections_are_bounded_and_stopping_ends_those_that_say_nothing(oidc_provider: DevProvider) -> None:
    """INV-9."""
    address = ("127.0.0.1", oidc_provider.port)
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(address)) for _ in range(64)]
        one_too_many = stack.enter_context(socket.create_connection(address))
        one_too_many.settimeout(30)
        assert one_too_many.recv(1) == b""
        oidc_provider.stop()
        for connection in silent:
            connection.settimeout(30)
            assert connection.recv(1) == b""


def test_the_log_holds_no_code(oidc_provider: DevProvider, caplog: pytest.LogCaptureFixture) -> None:
    """INV-7."""
    with caplog.at_level(logging.DEBUG, logger="hoopd.dev.oidc"):
        started = begin(oidc_provider)
        get(started["verification_uri_complete"])
    assert "GET /device" in caplog.text
    assert started["user_code"] not in caplog.text
