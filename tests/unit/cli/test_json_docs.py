"""docs/json.md lists every line of the commands, with the very fields that they have."""

import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from hoopctl import requests, verification
from hoopctl.__main__ import main
from hoopctl.client.stream import Signal
from hoopctl.commands.demo import _tell as tell_step
from hoopctl.commands.requests import _tell as tell_decision
from hoopctl.demo.story import Step
from hoopctl.errors import Denied, ExitCode
from hoopctl.identity.device_flow import Verification
from hoopctl.invocation import Invocation
from hoopctl.tunnel import events
from hoopctl.tunnel.local import LocalEnd
from tests.fixtures.inbox import request
from tests.fixtures.json_docs import PAGE, documented

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_lines_of_a_tunnel_are_those_of_the_page() -> None:
    signals = ["held", "approved", "rejected", "expired", "cancelled", "void"]
    told = [events.Signalled("s-1", Signal(name, "r-1", "", "", (), NOW)) for name in signals]
    told += [events.SessionStarted("s-1"), events.SessionEnded(None, "lost", "")]
    told += [events.GatewayLost(""), events.GatewayBack(""), events.SignInEnded("", None)]
    lines = [events.as_line(each) for each in told]
    lines += [LocalEnd("c", "127.0.0.1", 1, "u", "p", "d").as_line(), {"event": "stopped"}]
    assert {str(line["event"]): set(line) for line in lines} == documented("hoopctl connect")


def test_the_line_of_a_sign_in_is_that_of_the_page() -> None:
    line = verification.as_line(Verification("https://a", None, "CODE", 600, NOW))
    assert set(line) == documented("hoopctl login")["verify"] == documented("hoopctl requests approve")["verify"]


def test_the_line_of_an_error_is_that_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--json", "nonsense"])
    main(["--json", "--version"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["event"]: set(line) for line in lines} == documented("every command")


def test_the_line_of_a_request_is_that_of_the_page() -> None:
    assert set(requests.as_line(request())) == documented("hoopctl requests list")["one for each"]
    section = PAGE.read_text(encoding="utf-8").split("\n## hoopctl requests list\n", 1)[1].split("\n## ", 1)[0]
    words = [*requests.STATES, *requests.Facts.__dataclass_fields__, *requests.Seat.__dataclass_fields__]
    assert not [word for word in words if f"`{word}`" not in section]


def test_the_line_of_a_decision_is_that_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    for result in ("approved", "refused"):
        with suppress(Denied):
            tell_decision(Invocation(json=True), request(), requests.Decided(result, "", None))
    told = {line["event"]: set(line) for line in map(json.loads, capsys.readouterr().out.splitlines())}
    verify = documented("hoopctl login")["verify"]
    assert told | {"verify": verify} == documented("hoopctl requests approve")


def test_the_lines_of_the_demo_are_those_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    tell_step(Invocation(json=True), Step(1, "a step", ()))
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert set(line) == documented("hoopctl demo")["step"]


def test_every_error_code_is_listed_with_its_exit_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for code in ExitCode:
        if code is not ExitCode.done:
            assert f"| `{code.name}` | {code.value} |" in text
