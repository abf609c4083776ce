"""One value, masked: valid for its type in either wire format, or NULL (INV-4).

Only text is ever shown in part. Text types take every mask; any other type becomes NULL whatever the mask says, since
no part of a number, a date or a document is known to be harmless. Bytes that are not UTF-8 are masked whole. Nothing
here raises on a value.

What a mask may still tell: that a value is NULL; with ``first``, ``last`` and ``email`` the characters that they show,
of which there are never more than half of the value; with ``hash`` that two values are equal. The length of a value is
hidden except where a column's own limit is shorter than the mask.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from hoopd.domain.mask import ColumnMask, MaskKind

TEXT_TYPES = frozenset({25, 1043, 1042, 19, 705, 2275})
"""text, varchar, bpchar, name, unknown, cstring: their text and binary forms are both the characters (pg_type.dat)."""

_VARCHAR, _BPCHAR, _NAME = 1043, 1042, 19
_NAME_BYTES = 63
_HEADER = 4
STARS = "****"
HASH_PREFIX = "hash:"
_HASH_DIGITS = 32


@dataclass(frozen=True, slots=True)
class MaskContext:
    """What masks need beside the value. ``key``: the gateway's secret, so that no list of hashes can be made ahead."""

    key: bytes = field(repr=False)


def mask_value(
    mask: ColumnMask,
    type_oid: int,
    binary: bool,
    data: bytes | None,
    context: MaskContext,
    typmod: int | None = None,
) -> bytes | None:
    """The value that the client and the record get in place of ``data``; None is NULL.

    ``type_oid`` and ``typmod`` are those of the RowDescription (protocol chapter, 53.7); ``typmod`` None means that it
    is not known, and then a value of varchar, bpchar or name does not grow. ``binary`` changes nothing as long as text
    types, whose two forms are one, are the only ones that keep a value.
    """
    if data is None or mask.kind is MaskKind.null or type_oid not in TEXT_TYPES:
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return _cut(STARS, _limit(type_oid, typmod, len(data))).encode()
    limit = _limit(type_oid, typmod, len(text))
    if type_oid == _BPCHAR:
        # Its blanks are padding, and the value keeps its width.
        return _masked(mask, text.rstrip(" "), limit, context).ljust(len(text)).encode()
    masked = _masked(mask, text, limit, context).encode()
    return masked[:_NAME_BYTES].decode("utf-8", "ignore").encode() if type_oid == _NAME else masked


def _limit(type_oid: int, typmod: int | None, length: int) -> int | None:
    """The most characters that the masked value may have; None where the type sets no limit."""
    if type_oid not in (_VARCHAR, _BPCHAR, _NAME):
        return None
    if type_oid == _NAME or typmod is None:
        return length
    return typmod - _HEADER if typmod >= _HEADER else None


def _masked(mask: ColumnMask, text: str, limit: int | None, context: MaskContext) -> str:
    match mask.kind:
        case MaskKind.last:
            return _ending(text, mask.keep, limit)
        case MaskKind.first:
            return _ending(text[::-1], mask.keep, limit)[::-1]
        case MaskKind.email:
            return _email(text, limit)
        case MaskKind.hash:
            digest = hmac.new(context.key, text.encode(), hashlib.sha256).hexdigest()
            return _cut(HASH_PREFIX + digest[:_HASH_DIGITS], limit)
        case MaskKind.replacement:
            return _cut(mask.text, limit)
        case MaskKind.full | MaskKind.null:
            return _cut(STARS, limit)


def _ending(text: str, keep: int, limit: int | None) -> str:
    """Stars and the last characters: never more than half of the value, and of a limit that is shorter still, fewer."""
    room = len(text) if limit is None else min(len(text), limit)
    shown = min(keep, room // 2)
    stars = STARS if limit is None else STARS[: limit - shown]
    return stars + text[len(text) - shown :]


def _email(text: str, limit: int | None) -> str:
    local, at, domain = text.rpartition("@")
    if not local or not domain or "@" in local or any(character.isspace() for character in text):
        return _cut(STARS, limit)
    masked = (local[0] if len(local) > 1 else "") + STARS + at + domain
    return masked if limit is None or len(masked) <= limit else _cut(STARS, limit)


def _cut(text: str, limit: int | None) -> str:
    return text if limit is None else text[:limit]
