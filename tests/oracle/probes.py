"""What PostgreSQL lets a read-only transaction do that is not reading, seen from outside: a picture before, one after.

25006 tells of writes to tables. It does not tell of temporary tables, notifications, large objects, advisory locks,
settings, files, programs, statistics that were reset, slots, other sessions that were ended: each of these has a probe.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql

CANARY = "canary-0d9f61"
"""Stands in a file of the server's, and in the name of another: an answer with it has read files."""
CHANNELS = ("news", "x", "1")
_OF_CLUSTER = {
    "catalog": """select md5(string_agg(t::text, ' ' order by t::text)) from (
        select 'c' || oid || xmin from pg_class where relpersistence <> 't' union all
        select 'p' || oid || xmin from pg_proc union all
        select 'r' || oid || xmin from pg_authid union all select 'n' || oid || xmin from pg_namespace
        where nspname !~ '^pg_t' union all select 'd' || oid || xmin from pg_database where datname = current_database()
        union all select 's' || setdatabase || setrole || xmin from pg_db_role_setting
        union all select 'o' || roident || xmin from pg_replication_origin
        union all select 'm' || objoid || objsubid || xmin from pg_description where objoid >= 16384) t""",
    "temporary tables": "select count(*)::text from pg_class where relpersistence = 't'",
    "large objects": "select count(*)::text || coalesce(md5((select string_agg(md5(data), '' order by loid, pageno) "
    "from pg_largeobject)), '') from pg_largeobject_metadata",
    "advisory locks": "select count(*)::text from pg_locks where locktype = 'advisory'",
    "sessions": "select string_agg(pid::text, ' ' order by pid) from pg_stat_activity "
    "where datname = current_database() and backend_type = 'client backend'",
    "slots": "select count(*)::text from pg_replication_slots",
    "prepared transactions": "select count(*)::text from pg_prepared_xacts",
    "configuration": "select pg_conf_load_time()::text",
    "statistics": "select coalesce((select stats_reset::text from pg_stat_database where datname = current_database())"
    ", '') || coalesce((select stats_reset::text from pg_stat_bgwriter), '') || coalesce((select string_agg("
    "stats_reset::text, ' ') from pg_stat_slru), '') || coalesce((select stats_reset::text from pg_stat_wal), '') "
    "|| (select n_tup_ins > 0 from pg_stat_user_tables where relname = 'statistics_kept')::text",
    "files": "select string_agg(f, ' ' order by f) from (select pg_ls_dir('.') f union all "
    "select pg_ls_dir('pg_snapshots') union all select pg_ls_dir('pg_replslot') union all "
    "select pg_ls_dir('pg_tblspc')) x",
    "backup": "select pg_walfile_name(pg_current_wal_insert_lsn())",
}
_OF_SESSION = {
    "settings": "select md5(string_agg(name || '=' || coalesce(setting, ''), ' ' order by name)) from pg_settings",
    "reason": "select coalesce(current_setting('hoop.reason', true), '')",
    "who": "select current_user || session_user",
    "prepared": "select count(*)::text from pg_prepared_statements",
    "cursors": "select count(*)::text from pg_cursors where is_holdable",
    "listening": "select count(*)::text from pg_listening_channels()",
}


class Difference(NamedTuple):
    """``what`` of a statement's effects a probe saw."""

    what: str
    before: str
    after: str


class Watch:
    """Looks at one database from a connection of its own, and at the session that is tried from within."""

    def __init__(self, dsn: str, tried: psycopg.Connection[tuple[object, ...]]) -> None:
        self._outside = psycopg.connect(dsn, autocommit=True)
        self._neighbour = psycopg.connect(dsn, autocommit=True)
        for channel in CHANNELS:
            self._neighbour.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
        self._tried = tried
        # Reading one of the others runs code: a look must leave nothing itself.
        self._tables = [
            str(row[0])
            for row in self._outside.execute(
                "select oid::regclass from pg_class where relnamespace in ('public'::regnamespace, 'app'::regnamespace)"
                " and relkind in ('r', 'S') and relname !~ '^(index|statistics|check|keyed|default)' order by oid"
            )
        ]
        self._outside.execute("create table if not exists public.statistics_kept (id int)")
        self._outside.execute("insert into public.statistics_kept values (1)")
        self._outside.execute("select pg_stat_force_next_flush()")

    @property
    def neighbour_pid(self) -> int:
        return self._neighbour.info.backend_pid

    def close(self) -> None:
        self._outside.close()
        self._neighbour.close()

    def picture(self) -> dict[str, str]:
        """Everything that reading leaves as it is."""
        found = {name: self._text(self._outside, query) for name, query in _OF_CLUSTER.items()}
        found |= {name: self._text(self._tried, query) for name, query in _OF_SESSION.items()}
        contents = " union all ".join(
            f"select '{table}', (select md5(coalesce(string_agg(t::text, ' ' order by t::text), '')) "
            f"from (select * from {table}) t)"
            for table in self._tables
        )
        found |= {f"rows of {row[0]}": str(row[1]) for row in self._outside.execute(contents.encode())}
        news = [f"{note.channel}: {note.payload}" for note in self._neighbour.notifies(timeout=0)]
        found["notifications"] = " ".join(news)
        return found

    @staticmethod
    def _text(connection: psycopg.Connection[tuple[object, ...]], query: str) -> str:
        row = connection.execute(query.encode()).fetchone()
        return "" if row is None else str(row[0])


def differences(before: dict[str, str], after: dict[str, str]) -> list[Difference]:
    """What is not as it was. A notification is one whenever there is any."""
    return [
        Difference(name, before.get(name, ""), value)
        for name, value in after.items()
        if value != before.get(name, "") or (name == "notifications" and value)
    ]


def lay_canaries(connection: psycopg.Connection[tuple[object, ...]], data: Path) -> None:
    """Files of the server's, for answers to be searched for."""
    for path in (data / "canary.txt", data / f"{CANARY}.txt"):
        written = sql.SQL("copy (select {}) to {}").format(sql.Literal(CANARY), sql.Literal(str(path)))
        connection.execute(written)


def has_canary(rows: Iterable[tuple[object, ...]]) -> bool:
    return any(re.search(CANARY, str(value)) for row in rows for value in row)
