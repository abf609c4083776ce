"""The hash chain: each event's hash covers its bytes and the hash before it, the first one the session's id.

``hash(n) = SHA-256("hoop-record-1\\n" || hash(n-1) || length as 8 bytes || bytes(n))``
"""

from __future__ import annotations

import hashlib

from hoopd.domain.ids import SessionId

HASH_BYTES = 32


def origin(session: SessionId) -> bytes:
    """What the first event of ``session`` is linked to: an event cannot be carried to another session."""
    return hashlib.sha256(b"hoop-session-1\n" + session.encode()).digest()


def link(previous: bytes, body: bytes) -> bytes:
    """The hash of an event with the bytes ``body`` that comes after the one with the hash ``previous``."""
    return hashlib.sha256(b"hoop-record-1\n" + previous + len(body).to_bytes(8, "big") + body).digest()
