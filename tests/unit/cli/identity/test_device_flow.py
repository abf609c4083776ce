"""The device flow against the development provider: every outcome, and providers that misbehave."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from hoopctl.errors import Denied, ExitCode, HoopctlError, TimedOut, Unreachable
from hoopctl.identity.device_flow import ApprovalFlow, DeviceFlow
from hoopctl.identity.tokens import ApprovalToken, Tokens
from hoopd.dev.oidc import APPROVAL_CLIENT, LOGIN_CLIENT, DevProvider
from tests.fixtures.oidc import SteppedClock, confirm, post

SCOPES = ("openid", "email", "groups", "offline_access")


def flow_to(provider: DevProvider, clock: SteppedClock, **options: Any) -> DeviceFlow:
    return DeviceFlow(provider.issuer, LOGIN_CLIENT, SCOPES, clock=clock, sleep=clock.sleep, **options)


def test_an_approved_sign_in_gives_tokens(stepped_provider: DevProvider, clock: SteppedClock) -> None:
    flow = flow_to(stepped_provider, clock)
    shown = flow.start()
    assert shown.verification_uri == stepped_provider.verification_uri
    assert shown.verification_uri_complete == f"{shown.verification_uri}?user_code={shown.user_code}"
    assert (shown.expires_in, shown.expires_at) == (600, clock() + timedelta(minutes=10))
    confirm(stepped_provider, shown.user_code, "alice")
    tokens = flow.poll()
    assert clock.slept == [1.0]
    assert (tokens.issuer, tokens.client_id) == (stepped_provider.issuer, LOGIN_CLIENT)
    assert tokens.expires_at == clock() + timedelta(hours=1)
    assert tokens.refresh_token is not None


def test_it_waits_for_the_person_and_honours_the_interval(clock: SteppedClock) -> None:
    with DevProvider(clock=clock, interval=timedelta(seconds=7)) as provider:
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            clock.step(seconds)
            if len(waits) == 4:
                confirm(provider, shown.user_code, "bob")

        flow = DeviceFlow(provider.issuer, LOGIN_CLIENT, SCOPES, clock=clock, sleep=sleep)
        shown = flow.start()
        assert isinstance(flow.poll(), Tokens)
    assert waits == [7.0] * 4


def test_slow_down_adds_five_seconds_for_good(stepped_provider: DevProvider, clock: SteppedClock) -> None:
    """RFC 8628 section 3.5. The provider's clock stands still while this client polls, so each poll is too fast."""
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 4:
            confirm(stepped_provider, shown.user_code, "bob")

    flow = DeviceFlow(stepped_provider.issuer, LOGIN_CLIENT, SCOPES, clock=clock, sleep=sleep)
    shown = flow.start()
    flow.poll()
    assert waits == [1.0, 1.0, 6.0, 11.0]


def test_a_denied_sign_in(stepped_provider: DevProvider, clock: SteppedClock) -> None:
    flow = flow_to(stepped_provider, clock)
    post(stepped_provider.verification_uri, user_code=flow.start().user_code, action="deny")
    with pytest.raises(Denied, match="denied at the identity provider") as caught:
        flow.poll()
    assert caught.value.exit_code is ExitCode.denied


def test_a_code_that_nobody_enters_expires(stepped_provider: DevProvider, clock: SteppedClock) -> None:
    flow = flow_to(stepped_provider, clock)
    shown = flow.start()
    with pytest.raises(TimedOut, match="expired before anybody entered it") as caught:
        flow.poll()
    assert caught.value.exit_code is ExitCode.timed_out
    assert clock() == shown.expires_at, "it does not wait longer than the code lives"


def test_the_providers_word_on_expiry_counts(stepped_provider: DevProvider, clock: SteppedClock) -> None:
    def slow_clock() -> Any:
        return clock() - timedelta(hours=1)

    flow = DeviceFlow(stepped_provider.issuer, LOGIN_CLIENT, SCOPES, clock=slow_clock, sleep=clock.sleep)
    flow.start()
    clock.step(600)
    with pytest.raises(TimedOut):
        flow.attempt()


def test_attempt_and_pause_serve_those_who_cannot_block(stepped_provider: DevProvider, clock: SteppedClock) -> None:
    flow = flow_to(stepped_provider, clock)
    with pytest.raises(HoopctlError, match="has not been started"):
        flow.attempt()
    shown = flow.start()
    assert flow.attempt() is None
    assert flow.pause == 1.0
    confirm(stepped_provider, shown.user_code, "carol")
    assert isinstance(flow.attempt(), Tokens)
    assert clock.slept == []


def test_inv_6_an_approval_sign_in_gives_nothing_that_can_be_kept(
    stepped_provider: DevProvider, clock: SteppedClock
) -> None:
    asked: list[str] = []

    class Watched(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            asked.append(request.read().decode())
            return super().handle_request(request)

    flow = ApprovalFlow(
        stepped_provider.issuer,
        APPROVAL_CLIENT,
        SCOPES,
        clock=clock,
        sleep=clock.sleep,
        http=lambda: httpx.Client(transport=Watched()),
    )
    confirm(stepped_provider, flow.start().user_code, "bob")
    token = flow.poll()
    assert isinstance(token, ApprovalToken)
    assert token.expires_at == clock() + timedelta(minutes=15)
    assert token.reveal().count(".") == 2
    assert not [body for body in asked if "offline_access" in body]


def test_a_short_outage_is_waited_out_with_growing_pauses(stepped_provider: DevProvider, clock: SteppedClock) -> None:
    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if len(clock.slept) == 3:
            stepped_provider.start()
            confirm(stepped_provider, shown.user_code, "alice")

    flow = DeviceFlow(stepped_provider.issuer, LOGIN_CLIENT, SCOPES, clock=clock, sleep=sleep)
    shown = flow.start()
    stepped_provider.stop()
    assert isinstance(flow.poll(), Tokens)
    assert clock.slept == [1.0, 2.0, 4.0]


def test_a_long_outage_ends_the_sign_in(stepped_provider: DevProvider, clock: SteppedClock) -> None:
    flow = flow_to(stepped_provider, clock)
    flow.start()
    stepped_provider.stop()
    with pytest.raises(Unreachable, match="does not answer") as caught:
        flow.poll()
    assert caught.value.exit_code is ExitCode.unreachable
    assert clock.slept == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_no_provider_at_all(stepped_provider: DevProvider, clock: SteppedClock) -> None:
    stepped_provider.stop()
    with pytest.raises(Unreachable, match="does not answer"):
        flow_to(stepped_provider, clock).start()


def test_a_client_that_the_provider_does_not_know(stepped_provider: DevProvider, clock: SteppedClock) -> None:
    flow = DeviceFlow(stepped_provider.issuer, "another", SCOPES, clock=clock, sleep=clock.sleep)
    with pytest.raises(HoopctlError, match="does not start a sign-in: clients are hoopctl and hoopctl-approve"):
        flow.start()


GOOD_START: dict[str, Any] = {
    "device_code": "d",
    "user_code": "ABCD-EFGH",
    "verification_uri": "https://id.example.com/device",
    "expires_in": 600,
}


def scripted(start: dict[str, Any], *answers: httpx.Response) -> Callable[[], httpx.Client]:
    """A provider that answers the token endpoint with each of ``answers`` in turn."""
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return streamed(
                httpx.Response(
                    200,
                    json={
                        "issuer": "https://id.example.com",
                        "token_endpoint": "https://id.example.com/token",
                        "device_authorization_endpoint": "https://id.example.com/device",
                    },
                )
            )
        started = httpx.Response(200, text=json.dumps(start))  # httpx itself writes no NaN
        return streamed(started if request.url.path == "/device" else left.pop(0))

    return lambda: httpx.Client(transport=httpx.MockTransport(answer))


def streamed(answer: httpx.Response) -> httpx.Response:
    return httpx.Response(answer.status_code, headers=answer.headers, stream=answer.stream)


def scripted_flow(clock: SteppedClock, start: dict[str, Any], *answers: httpx.Response) -> DeviceFlow:
    http = scripted(start, *answers)
    return DeviceFlow("https://id.example.com", LOGIN_CLIENT, SCOPES, http=http, clock=clock, sleep=clock.sleep)


@pytest.mark.parametrize(
    "change",
    [
        {"device_code": None},
        {"user_code": None},
        {"user_code": ""},
        {"user_code": "AB\x1b[2J"},
        {"user_code": "A\u202eB"},
        {"verification_uri": None},
        {"verification_uri": "file:///etc/passwd"},
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": "https://id.example.com/\x1b[2J"},
        {"verification_uri": "https://id.example.com@attacker.example/"},
        {"verification_uri": "http://["},
        {"verification_uri_complete": "vnc://id.example.com"},
        {"expires_in": None},
        {"expires_in": "600"},
        {"expires_in": 0},
        {"expires_in": float("nan")},
        {"interval": "5"},
    ],
)
def test_a_start_that_cannot_be_used_or_shown(clock: SteppedClock, change: dict[str, Any]) -> None:
    given = {**GOOD_START, **change}
    flow = scripted_flow(clock, {name: value for name, value in given.items() if value is not None})
    with pytest.raises(HoopctlError, match="cannot be used"):
        flow.start()


@pytest.mark.parametrize(("interval", "first"), [(None, 5.0), (0, 1.0), (-3, 1.0), (9, 9.0), (10_000, 60.0)])
def test_intervals_are_kept_within_reason(clock: SteppedClock, interval: int | None, first: float) -> None:
    start = GOOD_START if interval is None else {**GOOD_START, "interval": interval}
    flow = scripted_flow(clock, start)
    flow.start()
    assert flow.pause == first


def test_a_code_is_not_believed_to_live_for_ever(clock: SteppedClock) -> None:
    flow = scripted_flow(clock, {**GOOD_START, "expires_in": 10**12})
    assert flow.start().expires_in == 3600


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_overloaded_provider_is_given_time(clock: SteppedClock, status: int) -> None:
    pending = httpx.Response(400, json={"error": "authorization_pending"})
    flow = scripted_flow(clock, GOOD_START, httpx.Response(status, json={}), pending)
    flow.start()
    assert flow.attempt() is None
    assert flow.pause == 10.0
    assert flow.attempt() is None
    assert flow.pause == 5.0


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (httpx.Response(400, json={"error": "invalid_client"}), "ends the sign-in: invalid_client"),
        (
            httpx.Response(400, json={"error": "x", "error_description": "a\x1b[2Jb" + "c" * 500}),
            r"ends the sign-in: a\?\[2Jbc+\.$",
        ),
        (httpx.Response(200, json={"access_token": "a"}), "gave no ID token"),
        (httpx.Response(200, json={"id_token": "not.a.token"}), "cannot be read"),
        (httpx.Response(200, json={"id_token": "x"}), "cannot be read"),
        (httpx.Response(200, text="<html>"), "is not an identity provider"),
        (httpx.Response(302, headers={"Location": "https://attacker.example"}), "is not an identity provider"),
    ],
)
def test_answers_that_end_the_sign_in(clock: SteppedClock, answer: httpx.Response, message: str) -> None:
    flow = scripted_flow(clock, GOOD_START, answer)
    flow.start()
    with pytest.raises(HoopctlError, match=message):
        flow.attempt()
