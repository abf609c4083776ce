"""A record told again: each event as a line for people, with the masked rows that went to the client.

Text is as it was recorded; whoever shows it on a terminal escapes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hoop.v1 import record_pb2 as pb
from hoopd.domain.ids import SessionId, StatementNo, statement_id
from hoopd.recording.codec import decode, moment
from hoopd.recording.ports import EventRow

Row = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class ReplayLine:
    """One event. ``kind`` is its name in ``domain.events``; ``statement`` its statement's id, or empty."""

    seq: int
    at: datetime
    kind: str
    statement: str
    text: str
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()


def tell(event: EventRow) -> ReplayLine:
    """The event as a line. Raises ``NotAnEvent`` for bytes that are none."""
    message = decode(event.body)
    body = message.WhichOneof("body")
    assert body is not None
    kind, words = _LINES[body]
    about = getattr(message, body)
    number = getattr(about, "statement", 0)
    return ReplayLine(
        seq=event.seq,
        at=moment(message.time_us),
        kind=kind,
        statement=statement_id(SessionId(message.session), StatementNo(number)) if number else "",
        text=words(about),
        columns=tuple(about.columns) if body == "rows" else (),
        rows=tuple(_row(row) for row in about.rows) if body == "rows" else (),
    )


def _row(row: pb.RecordRow) -> Row:
    return tuple(cell.value if cell.HasField("value") else None for cell in row.cells)


def _session_started(event: pb.RecordSessionStarted) -> str:
    told = f"{event.email or event.subject} opened {event.connection} (database {event.database}, role {event.role})"
    told += f" with {event.application}" if event.application else ""
    told += f" from {event.host}" if event.host else ""
    told += f" in the path {event.search_path}" if event.search_path else ""
    return told + (f"; reason: {event.reason}" if event.reason else "")


def _prepared(event: pb.RecordPrepared) -> str:
    return f"prepared {event.name!r}\n{event.sql}" if event.name else f"prepared\n{event.sql}"


def _decided(event: pb.RecordDecided) -> str:
    # What the gateway says comes first: text of the client could look like it.
    said = event.decision + (f" by {', '.join(event.rules)}" if event.rules else "")
    lines = [said + (f": {event.message}" if event.message else ""), event.sql]
    for number, param in enumerate(event.params, start=1):
        value = _one_line(param.value) if param.HasField("value") else "NULL"
        lines.append(f"${number} = {value} ({param.type}{', masked' if param.masked else ''})")
    return "\n".join(lines)


def _one_line(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\r", "\\r").replace("\n", "\\n")


def _request_raised(event: pb.RecordRequestRaised) -> str:
    return f"held as {event.request}, waiting for {', '.join(event.waiting_for)}"


def _request_settled(event: pb.RecordRequestSettled) -> str:
    lines = [f"{event.request} {event.outcome}" + (f": {event.message}" if event.message else "")]
    for word in event.words:
        said = "approved" if word.verdict == "approve" else "rejected"
        lines.append(f"{said} by {word.by}" + (f": {word.comment}" if word.comment else ""))
    return "\n".join(lines)


def _rows(event: pb.RecordRows) -> str:
    return f"{event.not_kept} more rows went to the client and were not kept" if event.not_kept else ""


def _copied(event: pb.RecordCopied) -> str:
    way = "came from the client" if event.incoming else "went to the client"
    return f"{event.bytes} bytes of {'binary' if event.binary else 'text'} data {way}, SHA-256 {event.digest}"


def _finished(event: pb.RecordFinished) -> str:
    said = event.tag if event.outcome == "done" and event.tag else event.outcome
    if event.message:
        said += f" {event.sqlstate}: {event.message}" if event.sqlstate else f": {event.message}"
    if event.duration_ms:
        said += f" ({event.duration_ms:.1f} ms)"
    return said + (f"; masked: {', '.join(event.masked)}" if event.masked else "")


def _notice(event: pb.RecordNotice) -> str:
    return f"{event.severity} {event.sqlstate}: {event.message}"


def _session_ended(event: pb.RecordSessionEnded) -> str:
    return f"the session ended: {event.cause}" + (f" ({event.message})" if event.message else "")


_LINES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "session_started": ("SessionStarted", _session_started),
    "prepared": ("StatementPrepared", _prepared),
    "decided": ("StatementDecided", _decided),
    "request_raised": ("RequestRaised", _request_raised),
    "request_settled": ("RequestSettled", _request_settled),
    "started": ("StatementStarted", lambda _: "running"),
    "rows": ("RowsReturned", _rows),
    "copied": ("DataCopied", _copied),
    "finished": ("StatementFinished", _finished),
    "notice": ("NoticeSeen", _notice),
    "session_ended": ("SessionEnded", _session_ended),
}
