"""Everything on stderr: what a command tells a person while it works.

Never data: a script may throw all of it away. Text from elsewhere is escaped by ``printable`` first.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

from hoopctl.output import printable

_RED, _YELLOW, _BOLD, _DIM = "31", "33", "1", "2"


def _styled(text: str, code: str, stream: TextIO) -> str:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def _write(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def say(text: str = "") -> None:
    """Tell one line (or paragraph)."""
    _write(printable(text))


def aside(text: str) -> None:
    """Tell a line of lesser weight."""
    _write(_styled(printable(text), _DIM, sys.stderr))


def headline(text: str) -> None:
    """Tell a line that the eye should find first."""
    _write(_styled(printable(text), _BOLD, sys.stderr))


def warn(text: str) -> None:
    """Tell of something that is wrong and does not end the command."""
    _write(_styled("warning: ", _YELLOW, sys.stderr) + printable(text))


def complain(message: str, hint: str | None = None) -> None:
    """Tell what ended the command, and what to do about it."""
    _write(_styled("error: ", _RED, sys.stderr) + printable(message))
    if hint:
        _write(printable("hint: " + hint))
