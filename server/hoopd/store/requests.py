"""Requests in the store: ``approvals.repository.RequestRepository`` on PostgreSQL.

A change is one ``UPDATE … WHERE state = … AND words = …`` in one transaction with its word and its notification, so
of two gateways that race exactly one changes a request (INV-5). A snapshot is written once and never updated.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow, dict_row

from hoopd.approvals.lifecycle import OPEN_STATES
from hoopd.approvals.people import eligible_groups, sees_all
from hoopd.approvals.repository import CHANNEL
from hoopd.approvals.snapshots import decode, encode
from hoopd.domain.errors import Unavailable
from hoopd.domain.ids import RequestId
from hoopd.domain.principal import Principal
from hoopd.domain.request import Request, RequestState, Reviewer, Verdict, Word
from hoopd.store.pool import Store

_INSERT = """
INSERT INTO hoop.requests (id, gateway, state, issuer, subject, asked, snapshot, created, hold_until, expires)
VALUES (%s, %s, %s, %s, %s, %s, %s::json, %s, %s, %s)
ON CONFLICT (id) DO NOTHING
"""

_MOVE = """
UPDATE hoop.requests SET state = %(after)s, words = %(words_after)s, message = %(message)s
WHERE id = %(id)s AND state = %(before)s AND words = %(words_before)s
"""

_WORD = """
INSERT INTO hoop.request_words (request, number, verdict, issuer, subject, email, groups, comment, at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""

_NOTIFY = "SELECT pg_notify(%s, %s)"

_REQUEST = """
SELECT r.id, r.state, r.snapshot::text AS snapshot, r.created, r.hold_until, r.expires, r.message,
       coalesce((SELECT json_agg(json_build_object(
                            'verdict', w.verdict, 'issuer', w.issuer, 'subject', w.subject, 'email', w.email,
                            'groups', w.groups, 'comment', w.comment,
                            'at', (extract(epoch FROM w.at) * 1000000)::bigint) ORDER BY w.number)
                 FROM hoop.request_words w WHERE w.request = r.id), '[]'::json) AS words
FROM hoop.requests r
"""

# As people.may_see.
_VISIBLE = "(%(all)s OR (r.issuer = %(issuer)s AND r.subject = %(subject)s) OR r.asked && %(groups)s::text[])"

_GET = _REQUEST + "WHERE r.id = %(id)s"
_FIND = _REQUEST + f"WHERE starts_with(r.id, %(start)s) AND {_VISIBLE} ORDER BY r.id = %(start)s DESC LIMIT %(limit)s"
_LIST = (
    _REQUEST + f"WHERE r.state = ANY(%(states)s::text[]) AND {_VISIBLE} ORDER BY r.created DESC, r.id LIMIT %(limit)s"
)
_DUE = _REQUEST + (
    "WHERE (r.state = 'pending' AND least(r.hold_until, r.expires) <= %(now)s)"
    " OR (r.state = 'approved' AND r.expires <= %(now)s) ORDER BY r.created LIMIT %(limit)s"
)
_OPEN_OF = _REQUEST + "WHERE r.gateway = %(gateway)s AND r.state = ANY(%(open)s::text[]) ORDER BY r.created"
_COUNT_OPEN = """
SELECT count(*) FROM hoop.requests WHERE issuer = %s AND subject = %s AND state = ANY(%s::text[])
"""


class StoredRequests:
    """Requests of all gateways that share ``store``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def insert(self, request: Request, gateway: str) -> bool:
        snapshot = request.snapshot
        row = (
            request.id,
            gateway,
            request.state,
            snapshot.issuer,
            snapshot.subject,
            sorted(eligible_groups(snapshot)),
            encode(snapshot),
            request.created,
            request.hold_until,
            request.expires,
        )
        async with self._store.connection() as connection:
            if (await connection.execute(_INSERT, row)).rowcount != 1:
                return False
            await _tell(connection, request.id)
            return True

    async def get(self, request_id: RequestId) -> Request | None:
        found = await self._select(_GET, {"id": request_id})
        return found[0] if found else None

    async def move(self, before: Request, after: Request) -> bool:
        change = {
            "id": before.id,
            "before": before.state,
            "after": after.state,
            "words_before": len(before.words),
            "words_after": len(after.words),
            "message": after.message,
        }
        async with self._store.connection() as connection:
            if (await connection.execute(_MOVE, change)).rowcount != 1:
                return False
            for number, word in enumerate(after.words[len(before.words) :], len(before.words) + 1):
                await connection.execute(_WORD, _word_row(before.id, number, word))
            await _tell(connection, before.id)
            return True

    async def find(self, start: str, principal: Principal, limit: int) -> Sequence[Request]:
        found = await self._select(_FIND, {"start": start, "limit": limit, **_eyes(principal)})
        return found[:1] if found and found[0].id == start else found

    async def list(self, principal: Principal, states: Collection[RequestState], limit: int) -> Sequence[Request]:
        return await self._select(_LIST, {"states": list(states), "limit": limit, **_eyes(principal)})

    async def count_open(self, issuer: str, subject: str) -> int:
        async with self._store.connection() as connection:
            row = await (await connection.execute(_COUNT_OPEN, (issuer, subject, list(OPEN_STATES)))).fetchone()
            return int(row[0]) if row else 0

    async def due(self, now: datetime, limit: int) -> Sequence[Request]:
        return await self._select(_DUE, {"now": now, "limit": limit})

    async def open_of(self, gateway: str) -> Sequence[Request]:
        return await self._select(_OPEN_OF, {"gateway": gateway, "open": list(OPEN_STATES)})

    async def _select(self, query: str, parameters: dict[str, Any]) -> Sequence[Request]:
        async with self._store.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query, parameters)
            return [_request(row) for row in await cursor.fetchall()]


async def _tell(connection: AsyncConnection[TupleRow], request_id: RequestId) -> None:
    """Sent by PostgreSQL when, and only when, the transaction commits."""
    await connection.execute(_NOTIFY, (CHANNEL, request_id))


def _eyes(principal: Principal) -> dict[str, Any]:
    return {
        "all": sees_all(principal),
        "issuer": principal.issuer,
        "subject": principal.subject,
        "groups": sorted(principal.groups),
    }


def _word_row(request_id: RequestId, number: int, word: Word) -> tuple[object, ...]:
    by = word.by
    return (
        request_id,
        number,
        word.verdict,
        by.issuer,
        by.subject,
        by.email,
        sorted(by.groups),
        word.comment,
        word.at,
    )


def _request(row: dict[str, Any]) -> Request:
    try:
        return Request(
            id=RequestId(row["id"]),
            state=RequestState(row["state"]),
            snapshot=decode(row["snapshot"]),
            created=row["created"].astimezone(UTC),
            hold_until=row["hold_until"].astimezone(UTC),
            expires=row["expires"].astimezone(UTC),
            words=tuple(_word(word) for word in row["words"]),
            message=row["message"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"request {row['id']} in the store cannot be read") from error


def _word(raw: dict[str, Any]) -> Word:
    seconds, micros = divmod(raw["at"], 1_000_000)
    return Word(
        verdict=Verdict(raw["verdict"]),
        by=Reviewer(raw["issuer"], raw["subject"], raw["email"], frozenset(raw["groups"])),
        comment=raw["comment"],
        at=datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros),
    )
