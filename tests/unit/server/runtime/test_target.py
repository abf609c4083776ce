"""How the gateway signs in to a database."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from hoopd.domain.connection import Connection, TlsMode
from hoopd.domain.errors import Unavailable
from hoopd.runtime.target import Target

CONNECTION = Connection("prod-db", "db.example", 5432, "shop", {})


def test_the_password_is_read_each_time(tmp_path: Path) -> None:
    """A credential that was rotated is taken up."""
    path = tmp_path / "password"
    target = Target(CONNECTION, "hoop_service", password_file=path)
    for secret in ("first ", "sécond"):
        path.write_text(f"{secret}\r\n")
        assert target.password() == secret
        assert target.conninfo()["password"] == secret
        assert secret not in repr(target)


def test_a_credential_that_is_missing_is_named_and_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-7"""
    path = tmp_path / "password"
    with pytest.raises(Unavailable, match="the credential file of prod-db cannot be read: No such file or directory"):
        Target(CONNECTION, "u", password_file=path).password()
    path.write_bytes(b"s3cret\xff")
    with pytest.raises(Unavailable, match="is not UTF-8 text") as caught:
        Target(CONNECTION, "u", password_file=path).password()
    assert "s3cret" not in str(caught.value)
    monkeypatch.delenv("NOT_SET_AT_ALL", raising=False)
    with pytest.raises(Unavailable, match="NOT_SET_AT_ALL is not set"):
        Target(CONNECTION, "u", password_env="NOT_SET_AT_ALL").password()
    monkeypatch.setenv("NOT_SET_AT_ALL", "now it is")
    assert Target(CONNECTION, "u", password_env="NOT_SET_AT_ALL").password() == "now it is"
    assert Target(CONNECTION, "u").password() == ""


@pytest.mark.parametrize(
    ("mode", "verifies", "host"),
    [
        (TlsMode.require, ssl.CERT_NONE, False),
        (TlsMode.verify_ca, ssl.CERT_REQUIRED, False),
        (TlsMode.verify_full, ssl.CERT_REQUIRED, True),
    ],
)
def test_modes_of_tls(mode: TlsMode, verifies: ssl.VerifyMode, host: bool) -> None:
    context = Target(CONNECTION, "u", tls=mode).tls_context()
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (verifies, host)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert Target(CONNECTION, "u", tls=TlsMode.disable).tls_context() is None


def test_require_with_an_authority_verifies_it_as_libpq_does(tls_postgres_server) -> None:
    context = Target(CONNECTION, "u", tls=TlsMode.require, ca=tls_postgres_server.ca).tls_context()
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, False)


def test_an_authority_is_read_once_and_again_when_it_was_rotated(tls_postgres_server, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(tls_postgres_server.ca.read_bytes())
    target = Target(CONNECTION, "u", ca=path)
    context = target.tls_context()
    assert context is not None
    assert target.tls_context() is context
    assert len(context.get_ca_certs()) == 1
    assert Target(CONNECTION, "u", ca=path, tls=TlsMode.verify_ca).tls_context() is not context
    path.write_bytes(tls_postgres_server.ca.read_bytes() + b"\n")
    assert target.tls_context() is not context
    path.unlink()
    with pytest.raises(Unavailable):
        target.tls_context()
    assert Target(CONNECTION, "u").tls_context() is Target(CONNECTION, "u").tls_context()


def test_an_authority_that_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("ca.pem", "none.pem"):
        with pytest.raises(Unavailable, match="the CA file of prod-db cannot be loaded"):
            Target(CONNECTION, "u", ca=tmp_path / name).tls_context()


@pytest.mark.parametrize(
    ("mode", "allowed", "methods"),
    [
        (TlsMode.disable, set(), "scram-sha-256"),
        (TlsMode.require, {"md5"}, "scram-sha-256,md5"),
        (TlsMode.disable, {"trust", "cleartext"}, "scram-sha-256,password,none"),
        (TlsMode.verify_full, set(), "scram-sha-256,none"),
    ],
)
def test_libpq_is_allowed_no_more_than_the_gateways_own_client(mode: TlsMode, allowed: set[str], methods: str) -> None:
    info = Target(CONNECTION, "u", tls=mode, allow_auth=frozenset(allowed)).conninfo()
    assert info["require_auth"] == methods
    assert info["sslmode"] == mode.value
    assert info["gssencmode"] == "disable"
