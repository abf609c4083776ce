"""psycopg's errors become ours in one place, without values and credentials (INV-2, INV-4, INV-7)."""

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from hoopd.domain.errors import Unavailable
from hoopd.recording.ports import StoreRefused
from hoopd.store.errors import translated


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (psycopg.OperationalError("connection to 10.0.0.1 failed, password=geheim"), Unavailable, "does not answer"),
        (psycopg.InterfaceError("the connection is closed"), Unavailable, "does not answer"),
        (PoolTimeout("couldn't get a connection after 5.00 sec"), Unavailable, "does not answer"),
        (psycopg.errors.AdminShutdown("geheim"), Unavailable, "does not answer"),
        (psycopg.errors.CannotConnectNow("geheim"), Unavailable, "does not answer"),
        (psycopg.errors.ConnectionFailure("geheim"), Unavailable, "does not answer"),
        (psycopg.errors.DiskFull("geheim"), Unavailable, "53100"),
        (psycopg.errors.ReadOnlySqlTransaction("geheim"), Unavailable, "25006"),
        (psycopg.errors.UndefinedTable("geheim"), Unavailable, "42P01"),
        (psycopg.errors.UniqueViolation("Key (name)=(geheim) already exists"), StoreRefused, "23505"),
        (psycopg.errors.UntranslatableCharacter("geheim"), StoreRefused, "22P05"),
        (psycopg.errors.ProgramLimitExceeded("geheim"), StoreRefused, "54000"),
    ],
)
def test_what_it_becomes(error: psycopg.Error, kind: type[Unavailable], said: str) -> None:
    with pytest.raises(Unavailable, match=said) as caught, translated():
        raise error
    assert type(caught.value) is kind
    assert "geheim" not in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.__cause__ is error


def test_other_errors_pass() -> None:
    with pytest.raises(ValueError, match="ours"), translated():
        raise ValueError("ours")
