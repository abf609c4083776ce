"""A certificate authority and server certificates of our own, for loopback and for tests.

A gateway that people reach over a network has a certificate from its company's authority; this one is for the
development stack. Keys are written with mode 0600 from the start. An authority and a certificate that are there and
still good are used again, so that a CA that a command has pinned stays the same.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hoopd.dev.files import write_private

AUTHORITY_DAYS = 3650
SERVER_DAYS = 365
RENEW_DAYS = 30
BACKDATED = timedelta(hours=1)
"""Certificates begin in the past, for clocks that differ."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key, as files in PEM."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority whose files are ``ca.pem`` and ``ca.key`` in a directory."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, path: Path) -> None:
        self._certificate = certificate
        self._key = key
        self.path = path

    @classmethod
    def in_directory(cls, directory: Path, clock: Clock) -> Authority:
        """The authority in ``directory``, made there where it is missing or about to end."""
        path, key_path = directory / "ca.pem", directory / "ca.key"
        if path.exists() and key_path.exists():
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
            key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
            if isinstance(key, ec.EllipticCurvePrivateKey) and _good(certificate, clock):
                return cls(certificate, key, path)
        fresh = ec.generate_private_key(ec.SECP256R1())
        certificate = _self_signed(fresh, clock())
        _write_key(key_path, fresh)
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return cls(certificate, fresh, path)

    def issue(self, directory: Path, name: str, hosts: Sequence[str], clock: Clock) -> Issued:
        """The certificate ``NAME.pem`` with key ``NAME.key`` for these host names and addresses.

        One that is in ``directory``, signed by this authority for the same hosts and not about to end, is used again.
        """
        issued = Issued(directory / f"{name}.pem", directory / f"{name}.key")
        if issued.certificate.exists() and issued.key.exists():
            certificate = x509.load_pem_x509_certificate(issued.certificate.read_bytes())
            if self._signed(certificate) and _good(certificate, clock) and _names(certificate) == _general(hosts):
                return issued
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(key, hosts, clock())
        _write_key(issued.key, key)
        issued.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return issued

    def _signed(self, certificate: x509.Certificate) -> bool:
        try:
            certificate.verify_directly_issued_by(self._certificate)
        except Exception:  # noqa: BLE001 (whatever is wrong with it, it is made anew)
            return False
        return True

    def _sign(self, key: ec.EllipticCurvePrivateKey, hosts: Sequence[str], now: datetime) -> x509.Certificate:
        builder = (
            _builder(hosts[0], now, SERVER_DAYS).issuer_name(self._certificate.subject).public_key(key.public_key())
        )
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            builder.add_extension(x509.SubjectAlternativeName(_general(hosts)), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _builder(name: str, now: datetime, days: int) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=days))
    )


def _self_signed(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    # The serial in the name keeps two authorities apart in a list of trusted ones.
    name = f"hoopd development CA {x509.random_serial_number() % 10**6:06d}"
    builder = _builder(name, now, AUTHORITY_DAYS).public_key(key.public_key())
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        builder.issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _general(hosts: Sequence[str]) -> list[x509.GeneralName]:
    return [_general_name(host) for host in hosts]


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _names(certificate: x509.Certificate) -> list[x509.GeneralName]:
    return list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def _good(certificate: x509.Certificate, clock: Clock) -> bool:
    now = clock()
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - timedelta(days=RENEW_DAYS)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_private(path, pem)
