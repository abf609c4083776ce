"""``hoopd check``: each thing that is wrong is one line, and the exit code says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hoopd.commands import check as check_module
from hoopd.commands.app import run
from hoopd.runtime import upstream
from tests.unit.server.commands.conftest import Operated


@pytest.fixture
def checked(operated: Operated, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, dict[str, object]]]:
    """Runs ``hoopd check --json`` and gives its lines by part; ``code`` is the exit code that must come."""

    def check(code: int) -> dict[str, dict[str, object]]:
        assert run(["check", "-c", str(operated.path), "--json"]) == code
        return {line["part"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}

    return check


def test_everything_is_there(checked, operated: Operated) -> None:
    lines = checked(0)
    assert list(lines) == ["policy", "certificate", "provider", "store", "connection prod-db"]
    assert all(line["ok"] for line in lines.values())
    assert "are applied at the next start" in str(lines["store"]["message"])
    assert str(lines["connection prod-db"]["message"]).startswith("PostgreSQL 18, ")


def test_for_people(operated: Operated, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "-c", str(operated.path)]) == 0
    assert [line[:6] for line in capsys.readouterr().out.splitlines()] == ["ok    "] * 5


def test_a_schema_that_is_not_there_and_is_not_to_be_made(checked, operated: Operated) -> None:
    operated.write(store={**operated.settings["store"], "migrate": False})
    assert str(checked(1)["store"]["message"]).endswith("migrations are missing: run `hoopd migrate`")
    assert run(["migrate", "-c", str(operated.path)]) == 0


def _policy(operated: Operated) -> None:
    (operated.directory / "policy.yaml").write_text("version: 1\nrules: [{nam: x}]\n")


def _policy_bytes(operated: Operated) -> None:
    (operated.directory / "policy.yaml").write_bytes(b"\xff")


def _policy_gone(operated: Operated) -> None:
    (operated.directory / "policy.yaml").unlink()


def _open_key(operated: Operated) -> None:
    Path(operated.settings["tls"]["key"]).chmod(0o644)


def _no_certificate(operated: Operated) -> None:
    Path(operated.settings["tls"]["cert"]).unlink()


def _other_key(operated: Operated) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    made = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    Path(operated.settings["tls"]["key"]).write_bytes(made)


def _provider(operated: Operated) -> None:
    operated.write(oidc={**operated.settings["oidc"], "issuer": "http://127.0.0.1:1/nobody"})


def _same_clients(operated: Operated) -> None:
    operated.write(oidc={**operated.settings["oidc"], "approval_client_id": operated.settings["oidc"]["client_id"]})


def _store(operated: Operated) -> None:
    operated.write(store={"dsn": "host=127.0.0.1 port=1 dbname=x user=y", "password_file": "password"})


def _store_password(operated: Operated) -> None:
    operated.write(store={**operated.settings["store"], "password_file": "nowhere"})


def _database(operated: Operated) -> None:
    operated.write(connections=[{**operated.settings["connections"][0], "port": 1}])


def _database_password(operated: Operated) -> None:
    (operated.directory / "wrong").write_text("wrong")
    operated.write(connections=[{**operated.settings["connections"][0], "password_file": "wrong"}])


@pytest.mark.parametrize(
    ("breaking", "part", "said"),
    [
        (_policy, "policy", "policy.yaml:2:9: "),
        (_policy_bytes, "policy", "is not UTF-8 text"),
        (_policy_gone, "policy", "No such file"),
        (_open_key, "certificate", "make it 0600"),
        (_no_certificate, "certificate", "is not there"),
        (_other_key, "certificate", "do not match"),
        (_provider, "provider", "127.0.0.1:1"),
        (_same_clients, "provider", "any sign-in could approve"),
        (_store, "store", ""),
        (_store_password, "store", "store.password_file cannot be read: No such file or directory"),
        (_database, "connection prod-db", "cannot be reached"),
        (_database_password, "connection prod-db", "does not accept the gateway's credential"),
    ],
)
def test_what_is_wrong_is_found_and_the_rest_is_looked_at(
    checked, operated: Operated, breaking: Callable[[Operated], None], part: str, said: str
) -> None:
    breaking(operated)
    lines = checked(1)
    assert [name for name, line in lines.items() if not line["ok"]] == [part]
    assert said in str(lines[part]["message"])


def test_a_database_of_another_version(checked, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = upstream.connect

    async def older(*arguments):
        opened = await connect(*arguments)
        opened.parameters["server_version"] = "13.4"
        return opened

    monkeypatch.setattr(check_module.upstream, "connect", older)
    said = checked(1)["connection prod-db"]["message"]
    assert said == "the database of prod-db is PostgreSQL 13.4; the gateway speaks 14 to 18"


def test_a_flow_over_a_connection_that_there_is_not(operated: Operated, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "-c", str(operated.path), "--flow", "other", "--json"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "event": "error", "code": "usage", "message": f'{operated.path} has no connection "other"', "hint": None,
        "request": None,
    }  # fmt: skip
    assert err == f'hoopd: {operated.path} has no connection "other"\n'
