"""Events as the bytes that are hashed and stored, and back.

A body is serialised once, when the event happens; from then on only its bytes travel. Reading gives the message itself,
since what the record says of a reviewer is text and cannot be made a principal again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.message import DecodeError

from hoop.v1 import record_pb2 as pb
from hoopd.domain import events as ev
from hoopd.domain.ids import SessionId
from hoopd.domain.statement import Param

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST, _LAST = (
    (at - _EPOCH) // _MICROSECOND for at in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
)


class NotAnEvent(ValueError):
    """Bytes that are no event of the record."""


def micros(at: datetime) -> int:
    """Microseconds since 1970 UTC."""
    return (at - _EPOCH) // _MICROSECOND


def moment(time_us: int) -> datetime:
    """The reverse of ``micros``. Raises ``NotAnEvent`` for a time that no calendar has."""
    try:
        return _EPOCH + timedelta(microseconds=time_us)
    except OverflowError as error:
        raise NotAnEvent("its time is out of range") from error


def message_of(session: SessionId, seq: int, at: datetime, event: ev.Event) -> pb.RecordEvent:
    """The event as a message. Text that is no UTF-8 (lone surrogates) is written with backslashes."""
    message = pb.RecordEvent(session=session, seq=seq, time_us=micros(at))
    _BODIES[type(event)](message, event)
    return message


def decode(body: bytes) -> pb.RecordEvent:
    """The event in ``body``. Raises ``NotAnEvent`` for bytes that are none."""
    try:
        message = pb.RecordEvent.FromString(body)
    except DecodeError as error:
        raise NotAnEvent("its bytes are not an event") from error
    if message.WhichOneof("body") is None:
        raise NotAnEvent("it says nothing that this version knows")
    if not _FIRST <= message.time_us <= _LAST:
        raise NotAnEvent("its time is out of range")
    return message


def text(value: str) -> str:
    """``value`` as protobuf takes it: valid UTF-8."""
    return value.encode("utf-8", "backslashreplace").decode()


def _texts(values: tuple[str, ...] | list[str]) -> list[str]:
    return [text(value) for value in values]


def _param(param: Param) -> pb.RecordParam:
    value = None if param.value is None else text(param.value)
    return pb.RecordParam(type=text(param.type), value=value, masked=param.masked)


def _session_started(message: pb.RecordEvent, event: ev.SessionStarted) -> None:
    message.session_started.CopyFrom(
        pb.RecordSessionStarted(
            subject=text(event.subject),
            email=text(event.email or ""),
            groups=_texts(sorted(event.groups)),
            issuer=text(event.issuer),
            connection=text(event.connection),
            database=text(event.database),
            role=text(event.role),
            application=text(event.application),
            host=text(event.host),
            client_version=text(event.client_version),
            server_version=text(event.server_version),
            reason=text(event.reason),
            tunnel=text(event.tunnel),
            search_path=text(event.search_path),
        )
    )


def _prepared(message: pb.RecordEvent, event: ev.StatementPrepared) -> None:
    message.prepared.CopyFrom(
        pb.RecordPrepared(
            name=text(event.name),
            sql=text(event.sql),
            kind=text(event.kind),
            effects=_texts(event.effects),
            decision=event.decision.value,
        )
    )


def _decided(message: pb.RecordEvent, event: ev.StatementDecided) -> None:
    message.decided.CopyFrom(
        pb.RecordDecided(
            statement=event.statement,
            sql=text(event.sql),
            params=[_param(param) for param in event.params],
            kind=text(event.kind),
            effects=_texts(event.effects),
            decision=event.decision.value,
            rules=_texts(event.rules),
            message=text(event.message),
            policy_version=event.policy_version,
            accesses=_texts(event.accesses),
        )
    )


def _request_raised(message: pb.RecordEvent, event: ev.RequestRaised) -> None:
    message.request_raised.CopyFrom(
        pb.RecordRequestRaised(
            statement=event.statement,
            request=event.request,
            waiting_for=_texts(event.waiting_for),
            expires_us=micros(event.expires),
        )
    )


def _request_settled(message: pb.RecordEvent, event: ev.RequestSettled) -> None:
    words = [
        pb.RecordApproval(
            verdict=word.verdict.value,
            by=text(word.by.email or word.by.subject),
            comment=text(word.comment),
            at_us=micros(word.at),
        )
        for word in event.words
    ]
    message.request_settled.CopyFrom(
        pb.RecordRequestSettled(
            statement=event.statement,
            request=event.request,
            outcome=event.outcome.value,
            words=words,
            message=text(event.message),
        )
    )


def _started(message: pb.RecordEvent, event: ev.StatementStarted) -> None:
    message.started.CopyFrom(pb.RecordStarted(statement=event.statement))


def _rows(message: pb.RecordEvent, event: ev.RowsReturned) -> None:
    rows = message.rows
    rows.statement = event.statement
    rows.columns.extend(_texts(event.columns))
    rows.not_kept = event.not_kept
    for row in event.rows:
        cells = rows.rows.add().cells
        for value in row:
            cells.add(value=None if value is None else text(value))


def _copied(message: pb.RecordEvent, event: ev.DataCopied) -> None:
    message.copied.CopyFrom(
        pb.RecordCopied(
            statement=event.statement,
            incoming=event.incoming,
            binary=event.binary,
            bytes=event.size,
            digest=event.digest,
        )
    )


def _finished(message: pb.RecordEvent, event: ev.StatementFinished) -> None:
    message.finished.CopyFrom(
        pb.RecordFinished(
            statement=event.statement,
            outcome=event.outcome.value,
            tag=text(event.tag),
            rows=event.rows,
            duration_ms=event.duration_ms,
            sqlstate=text(event.sqlstate),
            message=text(event.message),
            masked=_texts(event.masked),
        )
    )


def _notice(message: pb.RecordEvent, event: ev.NoticeSeen) -> None:
    message.notice.CopyFrom(
        pb.RecordNotice(
            statement=event.statement,
            severity=text(event.severity),
            sqlstate=text(event.sqlstate),
            message=text(event.message),
        )
    )


def _session_ended(message: pb.RecordEvent, event: ev.SessionEnded) -> None:
    message.session_ended.CopyFrom(pb.RecordSessionEnded(cause=text(event.cause), message=text(event.message)))


_BODIES: dict[type[ev.Event], Callable[[pb.RecordEvent, Any], None]] = {
    ev.SessionStarted: _session_started,
    ev.StatementPrepared: _prepared,
    ev.StatementDecided: _decided,
    ev.RequestRaised: _request_raised,
    ev.RequestSettled: _request_settled,
    ev.StatementStarted: _started,
    ev.RowsReturned: _rows,
    ev.DataCopied: _copied,
    ev.StatementFinished: _finished,
    ev.NoticeSeen: _notice,
    ev.SessionEnded: _session_ended,
}
