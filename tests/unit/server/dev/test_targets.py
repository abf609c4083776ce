"""Reading targets: what libpq reads, and no password in any message."""

from __future__ import annotations

from pathlib import Path

import pytest

from hoopd.dev.targets import DevTarget, parse_target
from hoopd.domain.connection import TlsMode
from hoopd.domain.errors import InvalidInput

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"crm=postgresql://svc:{SECRET}@db.example.com:6432/crm?sslmode=verify-ca",
            DevTarget("crm", "db.example.com", 6432, "crm", "svc", SECRET, TlsMode.verify_ca),
        ),
        (
            f"crm=host=db.example.com user=svc password={SECRET} dbname=crm",
            DevTarget("crm", "db.example.com", 5432, "crm", "svc", SECRET, TlsMode.verify_full),
        ),
        (
            f"my-own=postgresql://svc:{SECRET}@127.0.0.1",
            DevTarget("my-own", "127.0.0.1", 5432, "svc", "svc", SECRET, TlsMode.disable),
        ),
        (
            f"x=postgresql://svc:a%40b@localhost/x?sslmode=require&sslrootcert=/ca.pem",  # noqa: F541
            DevTarget("x", "localhost", 5432, "x", "svc", "a@b", TlsMode.require, Path("/ca.pem")),
        ),
    ],
)
def test_a_dsn_is_read_as_libpq_reads_it(text: str, expected: DevTarget) -> None:
    assert parse_target(text) == expected


def test_a_file_holds_the_dsn(tmp_path: Path) -> None:
    (tmp_path / "dsn").write_text(f"postgresql://svc:{SECRET}@localhost/crm\n")
    assert parse_target(f"crm=@{tmp_path / 'dsn'}").password == SECRET


def test_the_entry_names_a_file_for_the_password(tmp_path: Path) -> None:
    """INV-7: settings hold no credential."""
    target = parse_target(f"crm=postgresql://svc:{SECRET}@db.example.com/crm?sslrootcert=/ca.pem")
    entry = target.settings(tmp_path / "password", {"env": "production"})
    assert entry == {
        "name": "crm",
        "labels": {"env": "production"},
        "host": "db.example.com",
        "port": 5432,
        "database": "crm",
        "user": "svc",
        "password_file": str(tmp_path / "password"),
        "tls": {"mode": "verify-full", "ca": "/ca.pem"},
    }
    assert SECRET not in repr(target)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("postgresql://svc:{}@localhost/crm", "NAME=DSN"),
        ("Prod DB=postgresql://svc:{}@localhost/crm", "NAME=DSN"),
        ("crm=postgresql://svc:{}@localhost:port", "the DSN of the target crm cannot be read|no valid port"),
        ("crm=password={} nonsense", "the DSN of the target crm cannot be read"),
        ("crm=user=svc password={}", "must name one host"),
        ("crm=postgresql://svc:{}@one,two/crm", "must name one host"),
        ("crm=host=/run/postgresql user=svc password={}", "must name one host"),
        ("crm=postgresql://localhost/crm?password={}", "has no user"),
        ("crm=postgresql://svc@localhost/crm", "has no password"),
        ("crm=postgresql://svc:{}@localhost:99999/crm", "no valid port"),
        ("crm=postgresql://svc:{}@localhost/crm?sslmode=prefer", "sslmode=prefer: the gateway knows disable, require"),
        ("crm=postgresql://svc:{}@localhost/crm?options=-csearch_path%3Dx", "has options, which the gateway does not"),
        ("crm=@/nowhere/{}", "the file of the target crm cannot be read: No such file"),
    ],
)
def test_what_is_not_a_target_is_told_without_its_password(text: str, sentence: str) -> None:
    """INV-7."""
    with pytest.raises(InvalidInput, match=sentence) as caught:
        parse_target(text.format(SECRET))
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None or SECRET not in str(caught.value.__cause__) or "/nowhere" in text
