"""A browser opens where somebody would see it, and for web pages only."""

import webbrowser

import pytest

from hoopctl.identity.browser import open_browser_if_graphical

PAGE = "https://id.example.com/device"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    pages: list[str] = []

    def remember(url: str) -> bool:
        pages.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", remember)
    return pages


@pytest.mark.parametrize(
    ("platform", "environ", "opens"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ""}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("darwin", {}, True),
        ("darwin", {"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, False),
        ("win32", {}, True),
    ],
)
def test_only_on_a_graphical_display(opened: list[str], platform: str, environ: dict[str, str], opens: bool) -> None:
    assert open_browser_if_graphical(PAGE, environ=environ, platform=platform) is opens
    assert opened == ([PAGE] if opens else [])


@pytest.mark.parametrize("url", ["file:///etc/passwd", "javascript:alert(1)", "vnc://host", "http://[", "", "-flag"])
def test_only_web_pages(opened: list[str], url: str) -> None:
    assert open_browser_if_graphical(url, environ={"DISPLAY": ":0"}, platform="linux") is False
    assert opened == []


def test_a_browser_that_fails_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_url: str) -> bool:
        raise webbrowser.Error("no browser")

    monkeypatch.setattr(webbrowser, "open", fail)
    assert open_browser_if_graphical(PAGE, environ={"DISPLAY": ":0"}, platform="linux") is False
