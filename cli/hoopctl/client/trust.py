"""Who the gateway is: the TLS handshake that settles which CA is trusted for it, before gRPC speaks.

A handshake of our own says in one sentence what gRPC would bury: nobody there, no TLS there, another CA, a name that
does not fit. Rules (DESIGN.md section 3): a CA that was given or pinned is the only one trusted for that gateway;
else the system's; else, on loopback alone, the CA that is shown is pinned and told; elsewhere it is refused with its
fingerprint.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import ssl
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from hoopctl import narration
from hoopctl.errors import HoopctlError, Unreachable, UsageProblem
from hoopctl.profiles import Profile, ServerAddress

HANDSHAKE_SECONDS = 10.0
# OpenSSL's X509_V_ERR_*: the chain does not end in what is trusted; the name or address is not in the certificate.
_UNTRUSTED = frozenset({2, 7, 18, 19, 20, 21, 24, 27})
_OTHER_NAME = frozenset({62, 64})


@dataclass(frozen=True, slots=True)
class Trust:
    """What was settled: ``pem`` are the certificates to trust, ``fingerprint`` names them where there is one only.

    ``fingerprint`` is ``system`` for the system's own CAs. A token is kept under it: it goes to no other CA.
    """

    pem: str
    fingerprint: str


def fingerprint(certificate: bytes) -> str:
    """The SHA-256 fingerprint of a DER certificate, as ``openssl x509 -fingerprint -sha256`` writes it."""
    return hashlib.sha256(certificate).digest().hex(":").upper()


def read_ca(path: Path) -> str:
    """The certificates (PEM) of the file ``path``. Raises UsageProblem when it has none."""
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise UsageProblem(f"The CA file {path} cannot be read: {error.strerror}.") from None
    try:
        _context(text)
    except (ssl.SSLError, ValueError):
        raise UsageProblem(f"The CA file {path} holds no certificate in PEM form.") from None
    return text


def _first_certificate(pem: str) -> bytes:
    start = pem.index("-----BEGIN CERTIFICATE-----")
    end = pem.index("-----END CERTIFICATE-----", start) + len("-----END CERTIFICATE-----")
    return ssl.PEM_cert_to_DER_cert(pem[start:end])


def _context(pem: str | None) -> ssl.SSLContext:
    """A context that trusts ``pem`` alone, or the system's CAs when it is None."""
    if pem is None:
        context = ssl.create_default_context()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=pem)
        # A pin may be a certificate that is no root: a gateway need not show its root.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    return context


async def _shake_hands(server: ServerAddress, context: ssl.SSLContext) -> ssl.SSLObject:
    """Make one TLS connection, close it, and give what was agreed. Raises what asyncio and ssl raise."""
    async with asyncio.timeout(HANDSHAKE_SECONDS):
        _, writer = await asyncio.open_connection(server.host, server.port, ssl=context, server_hostname=server.host)
    agreed: ssl.SSLObject = writer.get_extra_info("ssl_object")
    writer.transport.abort()
    return agreed


def _no_gateway(server: ServerAddress, what: str) -> Unreachable:
    return Unreachable(f"{what} at {server} is not a hoopd gateway.", hint="Check the address: --server HOST:PORT.")


def _reason(error: OSError) -> str:
    """The system's own words; asyncio puts its own in their place."""
    if error.errno is not None and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno).lower()
    return (error.strerror or "it cannot be connected to").lower()


async def _reach(server: ServerAddress, context: ssl.SSLContext) -> ssl.SSLObject:
    """A handshake whose failures are ours to read, but for ``SSLCertVerificationError``, which says who is there."""
    try:
        agreed = await _shake_hands(server, context)
    except ssl.SSLCertVerificationError:
        raise
    except (ssl.SSLError, ConnectionResetError, ConnectionAbortedError):
        raise _no_gateway(server, "What listens") from None
    except TimeoutError:
        raise Unreachable(
            f"The gateway at {server} does not answer.", hint="Is it up, and is the address right?"
        ) from None
    except OSError as error:
        raise Unreachable(
            f"The gateway is out of reach at {server}: {_reason(error)}.", hint="Is it up, and is the address right?"
        ) from None
    if agreed.selected_alpn_protocol() != "h2":
        raise _no_gateway(server, "The server")
    return agreed


async def _shown_ca(server: ServerAddress) -> bytes:
    """The last certificate (DER) of the chain that the server shows. Nothing is sent to it and nothing is trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    agreed = await _reach(server, context)
    if hasattr(agreed, "get_unverified_chain"):  # Python 3.13
        return bytes(agreed.get_unverified_chain()[-1])
    # Python 3.11 and 3.12 have it in this place only.
    chain = agreed._sslobj.get_unverified_chain()  # type: ignore[attr-defined] # noqa: SLF001
    return ssl.PEM_cert_to_DER_cert(chain[-1].public_bytes())


def _misfit(server: ServerAddress, error: ssl.SSLCertVerificationError) -> HoopctlError:
    """What is wrong with a certificate whose CA is not the question."""
    if error.verify_code in _OTHER_NAME:
        return Unreachable(
            f"The certificate of the gateway at {server} is for another name than {server.host!r}.",
            hint="Use the name that the certificate is for.",
        )
    return Unreachable(f"The certificate of the gateway at {server} is not valid: {error.verify_message}.")


async def _refuse_other_ca(server: ServerAddress, trusted: str, *, pinned: bool) -> HoopctlError:
    shown = fingerprint(await _shown_ca(server))
    ours = fingerprint(_first_certificate(trusted))
    if not pinned:
        return Unreachable(
            f"The gateway at {server} shows the CA {shown}, which is not the one in the CA file.",
            hint="Get the gateway's CA file from whoever runs it.",
        )
    return Unreachable(
        f"The gateway at {server} shows the CA {shown}, but {ours} is trusted for it: it may be another server.",
        hint=f"If the change is meant, trust the new one: hoopctl login --server {server} --ca FILE",
    )


async def _verify_against(server: ServerAddress, pem: str, *, pinned: bool) -> Trust:
    try:
        await _reach(server, _context(pem))
    except ssl.SSLCertVerificationError as error:
        if error.verify_code not in _UNTRUSTED:
            raise _misfit(server, error) from None
        raise await _refuse_other_ca(server, pem, pinned=pinned) from None
    return Trust(pem, fingerprint(_first_certificate(pem)))


async def _meet(profile: Profile, server: ServerAddress) -> Trust:
    """Settle the trust in a gateway that this profile has not met."""
    system = _context(None)
    try:
        await _reach(server, system)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code not in _UNTRUSTED:
            raise _misfit(server, error) from None
    else:
        return _system_trust(system)
    shown = await _shown_ca(server)
    if not server.is_loopback:
        raise Unreachable(
            f"The gateway at {server} shows a CA that is not known here: {fingerprint(shown)}.",
            hint=f"Get its CA file from whoever runs it, then: hoopctl login --server {server} --ca FILE",
        )
    pem = ssl.DER_cert_to_PEM_cert(shown)
    trust = await _verify_against(server, pem, pinned=False)
    profile.trust_ca(server, pem)
    narration.aside(f"Trusting the gateway at {server} from now on, by its CA {trust.fingerprint}.")
    return trust


def _system_trust(context: ssl.SSLContext) -> Trust:
    certificates = context.get_ca_certs(binary_form=True)
    return Trust("".join(ssl.DER_cert_to_PEM_cert(each) for each in certificates), "system")


def proxy_for(server: ServerAddress) -> str | None:
    """The proxy that gRPC will go through to ``server``, None for none. Loopback never goes through one."""
    if server.is_loopback or urllib.request.proxy_bypass(server.host):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get("grpc") or proxies.get("https") or proxies.get("http")


async def settle(profile: Profile, server: ServerAddress, ca: Path | None = None) -> Trust:
    """Settle which CA is trusted for ``server``: that of the file ``ca``, else the kept one, else as the rules above
    say.

    ``ca`` is kept for the profile once the gateway has shown a chain that ends in it. Raises UsageProblem for a file
    that holds no certificate, Unreachable when nobody is there or the one who is there is not the gateway.
    """
    given = None if ca is None else read_ca(ca)
    kept = profile.trusted_ca(server)
    trusted = given or kept
    if proxy_for(server) is not None:
        # Behind a proxy there is no handshake of our own; gRPC's verifies the same, and says less.
        trust = Trust(trusted, fingerprint(_first_certificate(trusted))) if trusted else _loaded_system_trust()
    elif trusted is None:
        trust = await _meet(profile, server)
    else:
        trust = await _verify_against(server, trusted, pinned=given is None)
    if given is not None and given != kept:
        profile.trust_ca(server, given)
    return trust


def _loaded_system_trust() -> Trust:
    return _system_trust(_context(None))
