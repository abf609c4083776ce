"""Opening the verification page, where there is a screen to open it on."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Mapping
from urllib.parse import urlsplit


def open_browser_if_graphical(
    url: str, *, environ: Mapping[str, str] = os.environ, platform: str = sys.platform
) -> bool:
    """Open ``url`` on a graphical display. False where there is none, for a link that is no web page, or on failure."""
    if not _is_graphical(environ, platform):
        return False
    try:
        return urlsplit(url).scheme in ("http", "https") and webbrowser.open(url)
    except (webbrowser.Error, OSError, ValueError):
        return False


def _is_graphical(environ: Mapping[str, str], platform: str) -> bool:
    if platform in ("darwin", "win32"):
        # Somebody who came over SSH sits before another screen.
        return not (environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"))
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))
