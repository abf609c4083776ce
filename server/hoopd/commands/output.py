"""The gateway's two outputs: data on stdout (JSON lines with ``--json``), narration on stderr. Nobody else prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any


def emit(line: Mapping[str, Any]) -> None:
    """One JSON object on stdout, at once."""
    sys.stdout.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """One line for people, on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def write(text: str) -> None:
    """One line for people on stdout: the answer of a command without ``--json``."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
