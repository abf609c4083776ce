"""Every function, operator, aggregate and cast that the server brings, called with values of its types.

Nothing here knows which of them are harmless: the list is the server's own, so a new version brings its new functions.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import psycopg

MOST = 3
"""Calls of one overload."""
_VALUES: dict[str, Sequence[str]] = {
    "text": ("'canary.txt'", "'select app.leave(''text'')'", "'work_mem'"),
    "name": ("'plain'", "'work_mem'"),
    "cstring": ("'1'::cstring",),
    "int4": ("{pid}", "1", "0"),
    "int8": ("1", "{pid}"),
    "int2": ("1::int2",),
    "oid": ("'public.plain'::regclass::oid", "{lob}::oid", "0::oid"),
    "regclass": ("'public.plain'::regclass", "'public.counter'::regclass"),
    "regproc": ("'app.charge'::regproc",),
    "regtype": ("'app.positive'::regtype",),
    "regnamespace": ("'public'::regnamespace",),
    "regrole": ("'service'::regrole",),
    "regconfig": ("'english'::regconfig",),
    "regdictionary": ("'simple'::regdictionary",),
    "bool": ("true", "false"),
    "float8": ("0.01::float8", "1::float8"),
    "float4": ("1::float4",),
    "numeric": ("1.5::numeric",),
    "json": ("""'{{"a": [1, 2]}}'::json""", "'[1]'::json"),
    "jsonb": ("""'{{"a": [1, 2]}}'::jsonb""", "'[1]'::jsonb"),
    "jsonpath": ("'$.a'::jsonpath",),
    "bytea": ("'x'::bytea",),
    "date": ("date '2020-01-01'",),
    "time": ("time '10:00'",),
    "timetz": ("timetz '10:00+00'",),
    "timestamp": ("timestamp '2020-01-01'",),
    "timestamptz": ("timestamptz '2020-01-01 00:00+00'",),
    "interval": ("interval '1 second'", "interval '0'"),
    "uuid": ("'00000000-0000-0000-0000-000000000001'::uuid",),
    "inet": ("'10.0.0.1'::inet",),
    "cidr": ("'10.0.0.0/8'::cidr",),
    "macaddr": ("'08:00:2b:01:02:03'::macaddr",),
    "macaddr8": ("'08:00:2b:01:02:03:04:05'::macaddr8",),
    "xml": ("'<a/>'::xml",),
    "tsvector": ("'a b'::tsvector",),
    "tsquery": ("'a'::tsquery",),
    "bit": ("B'1'",),
    "varbit": ("B'101'::varbit",),
    "money": ("1::money",),
    "char": ("'a'::\"char\"",),
    "bpchar": ("'a'::bpchar",),
    "varchar": ("'a'::varchar",),
    "point": ("point(1, 2)",),
    "box": ("box(point(0,0), point(1,1))",),
    "circle": ("circle(point(0,0), 1)",),
    "line": ("'{{1,2,3}}'::line",),
    "lseg": ("'[(0,0),(1,1)]'::lseg",),
    "path": ("'[(0,0),(1,1)]'::path",),
    "polygon": ("'((0,0),(1,1),(1,0))'::polygon",),
    "xid": ("'1'::xid",),
    "xid8": ("'1'::xid8",),
    "cid": ("'1'::cid",),
    "tid": ("'(0,1)'::tid",),
    "pg_lsn": ("'0/1'::pg_lsn",),
    "pg_snapshot": ("'1:2:'::pg_snapshot",),
    "txid_snapshot": ("'1:2:'::txid_snapshot",),
    "aclitem": ("null::aclitem",),
    "refcursor": ("'c'::refcursor",),
    "oidvector": ("'1 2'::oidvector",),
    "int2vector": ("'1 2'::int2vector",),
    "anyelement": ("1", "'fine'::app.mood"),
    "anycompatible": ("1",),
    "anynonarray": ("1",),
    "anycompatiblenonarray": ("1",),
    "any": ("1", "'x'::text"),
    "anyarray": ("array[1, 2]",),
    "anycompatiblearray": ("array[1, 2]",),
    "anyenum": ("'fine'::app.mood",),
    "anyrange": ("int4range(1, 3)",),
    "anycompatiblerange": ("int4range(1, 3)",),
    "anymultirange": ("int4multirange(int4range(1, 3))",),
    "anycompatiblemultirange": ("int4multirange(int4range(1, 3))",),
    "record": ("row(1, 'a')",),
}
_UNCALLABLE = "('internal'::regtype, 'trigger'::regtype, 'event_trigger'::regtype)"
_FUNCTIONS = f"""
  select p.proname::text, p.prokind::text, a.aggkind::text, coalesce(a.aggnumdirectargs, 0),
         array(select t.typname::text from unnest(p.proargtypes) with ordinality as u (id, place)
               join pg_type t on t.oid = u.id order by place)
  from pg_proc p left join pg_aggregate a on a.aggfnoid = p.oid
  where p.pronamespace = 'pg_catalog'::regnamespace and p.oid < 16384 and p.prokind in ('f', 'a', 'w', 'p')
    and p.prorettype not in {_UNCALLABLE} and not p.proargtypes::oid[] && array['internal'::regtype::oid]
  order by p.proname, p.oid"""
_OPERATORS = """
  select o.oprname::text, l.typname::text, r.typname::text from pg_operator o
  left join pg_type l on l.oid = o.oprleft join pg_type r on r.oid = o.oprright
  where o.oprnamespace = 'pg_catalog'::regnamespace order by o.oid"""
_CASTS = """
  select s.typname::text, t.typname::text from pg_cast c join pg_type s on s.oid = c.castsource
  join pg_type t on t.oid = c.casttarget where c.oid < 16384 order by c.oid"""


def calls(connection: psycopg.Connection[tuple[object, ...]], pid: int, lob: int) -> Iterator[str]:
    """Statements, a few for each overload. ``pid``: another session of the database; ``lob``: a large object."""

    def values(kind: str) -> list[str]:
        if kind.startswith("_"):
            inner = _VALUES.get(kind[1:], (f"null::{kind[1:]}",))[0]
            return [f"array[{inner}]".format(pid=pid, lob=lob), f"null::pg_catalog.{kind}"]
        given = _VALUES.get(kind, (f"null::pg_catalog.{kind}",))
        return [value.format(pid=pid, lob=lob) for value in given]

    def several(kinds: Sequence[str]) -> Iterator[tuple[str, ...]]:
        return itertools.islice(itertools.product(*(values(kind) for kind in kinds)), MOST)

    for name, prokind, aggkind, direct, kinds in connection.execute(_FUNCTIONS.encode()).fetchall():
        assert isinstance(kinds, list)
        assert isinstance(direct, int)
        for given in several(kinds):
            yield _call(str(name), str(prokind), str(aggkind), direct, given)
    for name, left, right in connection.execute(_OPERATORS.encode()).fetchall():
        for first, second in several([str(left or right), str(right)]):
            yield (
                f"select {first} operator(pg_catalog.{name}) {second}"
                if left
                else (f"select operator(pg_catalog.{name}) {second}")
            )
    for source, target in connection.execute(_CASTS.encode()).fetchall():
        for (value,) in several([str(source)]):
            yield f'select ({value})::pg_catalog."{target}"'


def _call(name: str, prokind: str, aggkind: str, direct: int, given: tuple[str, ...]) -> str:
    called = f'pg_catalog."{name}"'
    if prokind == "p":
        return f"call {called}({', '.join(given)})"
    if prokind == "w":
        return f"select {called}({', '.join(given)}) over (order by id) from public.plain"
    if aggkind in ("o", "h"):
        before, after = given[:direct], given[direct:] or ("id",)
        return f"select {called}({', '.join(before)}) within group (order by {', '.join(after)}) from public.plain"
    return f"select {called}({', '.join(given)})"
