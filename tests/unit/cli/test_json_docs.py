"""docs/json.md lists every line of the commands, with the very fields that they have."""

import json
from datetime import UTC, datetime

import pytest

from hoopctl import verification
from hoopctl.__main__ import main
from hoopctl.client.tunnel import Signal
from hoopctl.errors import ExitCode
from hoopctl.identity.device_flow import Verification
from hoopctl.tunnel import events
from hoopctl.tunnel.local import LocalEnd
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
    assert set(line) == documented("hoopctl login")["verify"]


def test_the_line_of_an_error_is_that_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--json", "nonsense"])
    main(["--json", "--version"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["event"]: set(line) for line in lines} == documented("every command")


def test_every_error_code_is_listed_with_its_exit_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for code in ExitCode:
        if code is not ExitCode.done:
            assert f"| `{code.name}` | {code.value} |" in text
