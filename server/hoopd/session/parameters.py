"""Bound parameters as people and the record see them, and the digest of their exact wire form."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from hoopd.domain.statement import Param
from hoopd.masking.text import cells_as_text
from hoopd.pgwire.frontend import Bind

_TYPES = {
    16: "boolean", 17: "bytea", 18: '"char"', 19: "name", 20: "bigint", 21: "smallint", 23: "integer", 25: "text",
    26: "oid", 114: "json", 142: "xml", 600: "point", 650: "cidr", 700: "real", 701: "double precision", 790: "money",
    829: "macaddr", 869: "inet", 1042: "character", 1043: "character varying", 1082: "date", 1083: "time",
    1114: "timestamp", 1184: "timestamptz", 1186: "interval", 1266: "timetz", 1560: "bit", 1562: "bit varying",
    1700: "numeric", 2205: "regclass", 2206: "regtype", 2249: "record", 2950: "uuid", 3802: "jsonb", 3904: "int4range",
    1000: "boolean[]", 1005: "smallint[]", 1007: "integer[]", 1009: "text[]", 1015: "character varying[]",
    1016: "bigint[]", 1021: "real[]", 1022: "double precision[]", 1115: "timestamp[]", 1182: "date[]",
    1185: "timestamptz[]", 1231: "numeric[]", 2951: "uuid[]", 3807: "jsonb[]",
}  # fmt: skip


def type_name(oid: int) -> str:
    """PostgreSQL's name of a built-in type, as ``format_type`` gives it; ``oid N`` for the others."""
    return _TYPES.get(oid, f"oid {oid}")


def params_of(bind: Bind, oids: Sequence[int]) -> tuple[Param, ...]:
    """The parameters of a Bind, whose types are ``oids``, as text."""
    return tuple(
        Param(type_name(oid), cells_as_text(oid, bind.value_format(index) == 1, value))
        for index, (oid, value) in enumerate(zip(oids, bind.values, strict=True))
    )


def digest_of(bind: Bind, oids: Sequence[int]) -> str:
    """Hex SHA-256 over types, formats and bytes: what an approval is for (INV-5)."""
    digest = hashlib.sha256()
    for index, (oid, value) in enumerate(zip(oids, bind.values, strict=True)):
        size = -1 if value is None else len(value)
        digest.update(f"{oid}:{bind.value_format(index)}:{size}:".encode() + (value or b""))
    return digest.hexdigest()
