"""Which store a command works on."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from hoopd.commands.store import store_of
from hoopd.domain.errors import InvalidInput
from hoopd.settings import load
from tests.fixtures.postgres import PASSWORD
from tests.unit.server.commands.conftest import Operated


def test_the_one_of_the_settings(operated: Operated, monkeypatch: pytest.MonkeyPatch) -> None:
    with store_of(load(operated.path)) as store:
        assert not store.own
        assert conninfo_to_dict(store.dsn)["password"] == PASSWORD
    monkeypatch.setenv("STORE_PASSWORD_OF_A_TEST", "from the environment")
    dsn = operated.settings["store"]["dsn"]
    operated.write(store={"dsn": dsn, "password_env": "STORE_PASSWORD_OF_A_TEST"})
    with store_of(load(operated.path)) as store:
        assert conninfo_to_dict(store.dsn)["password"] == "from the environment"
    monkeypatch.delenv("STORE_PASSWORD_OF_A_TEST")
    with (
        pytest.raises(InvalidInput, match="names STORE_PASSWORD_OF_A_TEST, which is not set"),
        store_of(load(operated.path)),
    ):
        pytest.fail("opened")
    operated.write(store={"dsn": dsn})
    with store_of(load(operated.path)) as store:
        assert "password" not in conninfo_to_dict(store.dsn)


def test_the_gateways_own_keeps_its_data_and_password(operated: Operated) -> None:
    operated.write(store={})
    settings = load(operated.path)
    dsn = ""
    for start in (1, 2):
        with store_of(settings) as store:
            dsn = store.dsn
            assert store.own
            with psycopg.connect(store.dsn, autocommit=True) as connection:
                connection.execute("create table if not exists kept (id int)")
                connection.execute("insert into kept values (1)")
                assert connection.execute("select count(*) from kept").fetchone() == (start,)
    secret = settings.data_dir / "store.password"
    assert secret.stat().st_mode & 0o777 == 0o600
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(dsn)
