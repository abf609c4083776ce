"""How a code is shown."""

import json
from datetime import UTC, datetime

import pytest

from hoopctl import verification
from hoopctl.identity.device_flow import Verification

SHOWN = Verification(
    "https://id.example.com/device",
    "https://id.example.com/device?user_code=WDJB-MJHT",
    "WDJB-MJHT",
    600,
    datetime(2026, 1, 1, tzinfo=UTC),
)


def test_a_program_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    verification.show(SHOWN, "Sign in", as_json=True)
    captured = capsys.readouterr()
    assert captured.err == ""
    assert json.loads(captured.out) == {
        "event": "verify",
        "verification_uri": "https://id.example.com/device",
        "verification_uri_complete": "https://id.example.com/device?user_code=WDJB-MJHT",
        "user_code": "WDJB-MJHT",
        "expires_in": 600,
    }


def test_a_person_gets_link_code_and_how_long(capsys: pytest.CaptureFixture[str]) -> None:
    verification.show(SHOWN, "Sign in to gw:7443", as_json=False)
    captured = capsys.readouterr()
    assert captured.out == ""
    for part in ("Sign in to gw:7443", SHOWN.verification_uri, SHOWN.user_code, "good for 10 min"):
        assert part in captured.err


@pytest.mark.parametrize(("as_json", "opened"), [(True, []), (False, [SHOWN.verification_uri_complete])])
def test_a_browser_opens_on_a_display_and_never_for_a_program(
    monkeypatch: pytest.MonkeyPatch, as_json: bool, opened: list[str]
) -> None:
    seen: list[str] = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("webbrowser.open", lambda url: seen.append(url) or True)
    verification.show(SHOWN, "Sign in", as_json=as_json)
    assert seen == opened
