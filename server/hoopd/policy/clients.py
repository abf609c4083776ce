"""What a client says of itself by ``application_name``: whether an agent is behind it, and patterns over the name.

Anybody can choose that name, so nothing here may ever open anything: a rule with ``client`` or ``application`` can only
deny, or ask for a review beside what other rules let through (DESIGN.md, section 8).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MAX_PATTERN = 200
"""Characters of one pattern."""


class Client(StrEnum):
    person = "person"
    agent = "agent"


@dataclass(frozen=True, slots=True)
class ApplicationPattern:
    """A pattern over the whole name, in any case; ``*`` stands for any characters. ``text`` is how it was written."""

    text: str
    _pieces: tuple[str, ...]

    @staticmethod
    def parse(text: str) -> ApplicationPattern:
        """Read a pattern; ValueError with one sentence where it is none."""
        if not text or len(text) > MAX_PATTERN:
            raise ValueError(f"a pattern of applications has 1 to {MAX_PATTERN} characters")
        return ApplicationPattern(text, tuple(text.casefold().split("*")))

    def matches(self, application: str) -> bool:
        """Each piece is looked for once from left to right, so that the time grows with the name's length alone."""
        name, first, *others = application.casefold(), *self._pieces
        if not others:
            return name == first
        *middle, last = others
        if not name.startswith(first) or not name.endswith(last):
            return False
        at = len(first)
        for piece in middle:
            found = name.find(piece, at)
            if found < 0:
                return False
            at = found + len(piece)
        return at <= len(name) - len(last)


AGENTS = (
    "*agent*",
    "*mcp*",
    "aider*",
    "claude*",
    "cline*",
    "codex*",
    "copilot*",
    "cursor*",
    "dbhub*",
    "gemini*",
    "windsurf*",
)
"""The names that agents' clients are known to give, or are told to give by docs/policy.md."""
_AGENTS = tuple(map(ApplicationPattern.parse, AGENTS))


def possible(application: str) -> frozenset[Client]:
    """What the client may be. One that gives no name may be either: most drivers give none unless they are told to."""
    if not application.strip():
        return frozenset(Client)
    return frozenset({Client.agent if any(one.matches(application) for one in _AGENTS) else Client.person})
