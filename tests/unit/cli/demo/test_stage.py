"""The stage, as far as it stands without a stack; with one, it is tried by tests/e2e/test_demo.py."""

from __future__ import annotations

import pytest

from hoopctl.demo import stage
from hoopctl.demo.stage import Options, shown
from hoopctl.errors import HoopctlError


def test_a_command_line_is_shown_as_it_would_be_typed() -> None:
    assert shown(["hoopctl", "audit", "search", "two words"]) == 'hoopctl audit search "two words"'


def test_without_the_gateways_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "find_spec", lambda name: None)
    with pytest.raises(HoopctlError) as caught, stage.stage(Options()):
        pass
    assert caught.value.hint == "pip install 'hoopctl[server]'"


def test_settings_of_the_person_do_not_lead_their_clients_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "elsewhere")
    monkeypatch.setenv("HOOPCTL_SERVER", "elsewhere:1")
    environ = stage._environ()
    assert "PGHOST" not in environ
    assert "HOOPCTL_SERVER" not in environ
