"""``hoopd analyze`` as DESIGN.md section 9 has it, run as a process."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg

KEYS = ["sql", "kind", "effects", "objects", "functions", "predicate", "output", "inferable", "locks", "final", "error"]


def run(text: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "hoopd", "analyze", *arguments]
    return subprocess.run(command, input=text, capture_output=True, timeout=60, check=False)


def lines(text: bytes, *arguments: str) -> list[dict[str, Any]]:
    done = run(text, *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_one_line_for_each_statement_with_every_key() -> None:
    found = lines(b"select upper(c.card) as x from customers c where id = 1; delete from orders; begin")
    assert [list(line) for line in found] == [KEYS] * 3
    assert [line["kind"] for line in found] == ["select", "delete", "begin"]
    source = {"schema": "public", "table": "customers", "column": "card"}
    assert found[0]["output"] == [{"name": "x", "sources": [source], "derivation": "derived"}]
    assert found[0]["objects"] == [{"schema": "public", "name": "customers", "kind": "table", "access": "read"}]
    assert found[0]["functions"] == [
        {"schema": "pg_catalog", "name": "upper", "volatility": "immutable", "trusted": True}
    ]
    assert found[0]["inferable"] == [{"schema": "public", "table": "customers", "column": "id"}]
    assert found[1]["predicate"] == "missing"
    assert found[1]["effects"] == ["write"]
    assert found[2]["output"] is None


def test_text_that_does_not_parse_is_a_line_with_its_error() -> None:
    (line,) = lines(b"selec 1")
    assert line["error"] == {"message": 'syntax error at or near "selec"', "position": 1}
    (line,) = lines(b"select '\xff'")
    assert line["error"]["message"] == "the text is not valid UTF-8"
    assert line["error"]["position"] == 9


def test_a_database_resolves_names(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(b"create schema shop; create table shop.customers (id int, card text)")
        connection.execute(b"create function public.f(int) returns int language plpgsql as 'begin return 1; end'")
    found = lines(b"select * from shop.customers; select f(1)", "--dsn", database)
    assert [column["name"] for column in found[0]["output"]] == ["id", "card"]
    assert found[1]["functions"] == [{"schema": "public", "name": "f", "volatility": "volatile", "trusted": False}]
    assert found[1]["effects"] == ["opaque", "read"]


def test_a_dsn_that_holds_a_password_may_come_from_a_file(database: str, tmp_path: Path) -> None:
    """INV-7: the words of a command line are there for every user of the machine to read."""
    file = tmp_path / "dsn"
    file.write_text(database + "\n", encoding="utf-8")
    assert lines(b"select 1", "--dsn", f"@{file}")[0]["kind"] == "select"
    done = run(b"select 1", "--dsn", f"@{file}.not-there")
    assert (done.returncode, b"of --dsn cannot be read: No such file" in done.stderr) == (2, True)


def test_a_database_that_does_not_answer_is_one_sentence() -> None:
    done = run(b"select 1", "--dsn", "host=127.0.0.1 port=1 dbname=x password=hunter2")
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"hunter2" not in done.stderr
    assert b"the database of --dsn cannot be read" in done.stderr
