"""Our own authority: what it signs is believed, what it made stays, keys are private."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from hoopd.dev.certificates import LOOPBACK, Authority, Issued

NOW = datetime.now(UTC)


def clock() -> datetime:
    return NOW


def handshake(issued: Issued, authority: Path, name: str) -> str | None:
    """The TLS version that a client with this authority gets from a server with this certificate."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(issued.certificate, issued.key)
    client = ssl.create_default_context(cafile=str(authority))
    near, far = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(far, server_side=True).close()
        except (ssl.SSLError, OSError):
            far.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(near, server_hostname=name) as connection:
            return connection.version()
    finally:
        near.close()
        thread.join()


@pytest.mark.parametrize("name", LOOPBACK)
def test_a_client_that_trusts_the_authority_believes_the_server(tmp_path: Path, name: str) -> None:
    authority = Authority.in_directory(tmp_path, clock)
    issued = authority.issue(tmp_path, "gateway", LOOPBACK, clock)
    assert handshake(issued, authority.path, name) == "TLSv1.3"


def test_no_other_name_is_believed(tmp_path: Path) -> None:
    authority = Authority.in_directory(tmp_path, clock)
    issued = authority.issue(tmp_path, "gateway", LOOPBACK, clock)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(issued, authority.path, "elsewhere.example.com")


def test_no_other_authority_is_believed(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    issued = Authority.in_directory(tmp_path / "one", clock).issue(tmp_path / "one", "gateway", LOOPBACK, clock)
    other = Authority.in_directory(tmp_path / "two", clock)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(issued, other.path, "localhost")


def test_keys_are_private(tmp_path: Path) -> None:
    Authority.in_directory(tmp_path, clock).issue(tmp_path, "gateway", LOOPBACK, clock)
    assert {stat.S_IMODE(key.stat().st_mode) for key in tmp_path.glob("*.key")} == {0o600}
    assert not list(tmp_path.glob(".*"))


def test_what_is_good_is_kept(tmp_path: Path) -> None:
    Authority.in_directory(tmp_path, clock).issue(tmp_path, "gateway", LOOPBACK, clock)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    Authority.in_directory(tmp_path, clock).issue(tmp_path, "gateway", LOOPBACK, clock)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_certificate_about_to_end_is_renewed_by_the_same_authority(tmp_path: Path) -> None:
    authority = Authority.in_directory(tmp_path, clock)
    first = authority.issue(tmp_path, "gateway", LOOPBACK, clock).certificate.read_bytes()
    kept = authority.path.read_bytes()

    def later() -> datetime:
        return NOW + timedelta(days=340)

    again = Authority.in_directory(tmp_path, later)
    second = again.issue(tmp_path, "gateway", LOOPBACK, later).certificate.read_bytes()
    assert second != first
    assert again.path.read_bytes() == kept
    assert x509.load_pem_x509_certificate(second).not_valid_after_utc > later()


@pytest.mark.parametrize("change", ["hosts", "authority"])
def test_a_certificate_that_does_not_fit_is_made_anew(tmp_path: Path, change: str) -> None:
    first = Authority.in_directory(tmp_path, clock).issue(tmp_path, "gateway", LOOPBACK, clock).certificate.read_bytes()
    if change == "authority":
        (tmp_path / "ca.pem").unlink()
    hosts = ("localhost",) if change == "hosts" else LOOPBACK
    second = Authority.in_directory(tmp_path, clock).issue(tmp_path, "gateway", hosts, clock).certificate.read_bytes()
    assert second != first
