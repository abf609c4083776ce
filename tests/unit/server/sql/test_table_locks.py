"""Locks as they are told, for what tests/oracle/test_table_locks.py cannot run. That one holds them against servers."""

import pytest

from hoopd.domain.statement import SessionState
from hoopd.sql.analysis import analyse
from hoopd.sql.catalog import Catalog
from hoopd.sql.facts import LockMode
from tests.unit.server.sql.conftest import Sample

STATE = SessionState("public", "none", "app", "I", 180000)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("alter table orders add column x int", ["ACCESS EXCLUSIVE public.orders"]),
        (
            "alter table events add column x int",
            ["ACCESS EXCLUSIVE public.events", "ACCESS EXCLUSIVE public.events_2020"],
        ),
        ("alter table only events add column x int", ["ACCESS EXCLUSIVE public.events"]),
        ("alter table billing.customers set (fillfactor = 70)", ["SHARE UPDATE EXCLUSIVE billing.customers"]),
        ("alter table orders set (fillfactor = 70), drop column note", ["ACCESS EXCLUSIVE public.orders"]),
        ("vacuum full", []),
        ("vacuum (full, verbose) orders", ["ACCESS EXCLUSIVE public.orders anew"]),
        ("vacuum (full false) orders", ["SHARE UPDATE EXCLUSIVE public.orders"]),
        (
            "drop table orders, billing.customers",
            ["ACCESS EXCLUSIVE public.orders", "ACCESS EXCLUSIVE billing.customers"],
        ),
        ("drop function f(int)", []),
        ("select 1", []),
        ("insert into orders values (1)", []),
        ("lock table orders in row share mode", ["ROW SHARE public.orders"]),
        ("create table n (id int) inherits (parent)", ["SHARE UPDATE EXCLUSIVE public.parent"]),
    ],
)
def test_locks(sample: Sample, sql: str, told: list[str]) -> None:
    (facts,) = analyse(sql, sample.state, sample.catalog)
    assert facts.error is None
    assert [f"{lock.mode} {lock.table}{' anew' if lock.rewrites else ''}" for lock in facts.locks] == told


@pytest.mark.parametrize(
    ("sql", "final"),
    [
        ("create database x", True),
        ("alter system set work_mem = '5MB'", True),
        ("vacuum", True),
        ("analyze", False),
        ("reindex database x", True),
        ("reindex (concurrently) table orders", True),
        ("reindex table orders", False),
        ("cluster", True),
        ("drop index concurrently i", True),
        ("alter table p detach partition c concurrently", True),
        ("alter table p detach partition c", False),
        ("drop tablespace x", True),
        ("truncate orders", False),
    ],
)
def test_what_cannot_be_rolled_back(sql: str, final: bool) -> None:
    (facts,) = analyse(sql, STATE, Catalog.builtin())
    assert facts.final is final


def test_without_a_catalog_a_table_is_of_the_first_schema() -> None:
    (facts,) = analyse("drop table orders", STATE, Catalog.builtin())
    assert [lock.table for lock in facts.locks] == ["public.orders"]


def test_modes_are_ordered() -> None:
    assert LockMode.access_share.strength < LockMode.share.strength < LockMode.access_exclusive.strength
