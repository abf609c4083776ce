"""Errors of the wire, and the fields of ErrorResponse and NoticeResponse (PostgreSQL documentation, 54.8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

MAX_FIELDS = 64


class WireError(Exception):
    """The peer broke the protocol, or met a limit. ``silent``: close without an answer, it would not be understood."""

    def __init__(self, sqlstate: str, message: str, *, silent: bool = False) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.message = message
        self.silent = silent


@dataclass(frozen=True, slots=True)
class ErrorFields:
    """Severity, SQLSTATE and message; ``rest`` holds the other fields by their type byte."""

    severity: str
    sqlstate: str
    message: str
    detail: str | None = None
    hint: str | None = None
    rest: Mapping[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The body of an ErrorResponse or NoticeResponse."""
        fields = [("S", self.severity), ("V", self.severity), ("C", self.sqlstate), ("M", self.message)]
        if self.detail:
            fields.append(("D", self.detail))
        if self.hint:
            fields.append(("H", self.hint))
        fields += self.rest.items()
        body = bytearray()
        for kind, value in fields:
            body += kind.encode("latin-1") + value.replace("\x00", "").encode("utf-8", "replace") + b"\x00"
        return bytes(body) + b"\x00"

    def without_values(self, *, message: str | None = None) -> ErrorFields:
        """Without any field that may quote data: detail, context, internal query; ``message`` replaced if given."""
        kept = {kind: value for kind, value in self.rest.items() if kind in "stcdnFLRP"}
        return replace(self, message=self.message if message is None else message, detail=None, hint=None, rest=kept)


def parse_error(body: bytes) -> ErrorFields:
    """The fields of an ErrorResponse or NoticeResponse body.

    Raises:
        WireError: the body is not made of fields.
    """
    found: dict[str, str] = {}
    for part in body.rstrip(b"\x00").split(b"\x00"):
        if part:
            found[chr(part[0])] = part[1:].decode("utf-8", "replace")
        if len(found) > MAX_FIELDS:
            raise WireError("08P01", "an error of the database has too many fields")
    severity = found.pop("V", None) or found.get("S") or "ERROR"
    found.pop("S", None)
    return ErrorFields(
        severity=severity,
        sqlstate=found.pop("C", "XX000"),
        message=found.pop("M", ""),
        detail=found.pop("D", None),
        hint=found.pop("H", None),
        rest=found,
    )
