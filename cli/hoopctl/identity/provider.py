"""Talking to the identity provider: where its endpoints are, and one bounded request at a time.

Loopback is never reached through a proxy, redirects are not followed, and what the provider says is made printable
before it is shown.
"""

from __future__ import annotations

import ipaddress
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx

from hoopctl.errors import HoopctlError, Unreachable, UsageProblem

HttpFactory = Callable[[], httpx.Client]

_SECONDS_PER_STEP = 10.0
_MAX_BODY = 1024 * 1024
_MAX_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What is used of a provider's discovery document (OpenID Connect Discovery 1.0, RFC 8628 section 4)."""

    device_authorization: str | None
    token: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON answer of an OAuth endpoint."""

    status: int
    body: Mapping[str, Any]

    @property
    def error(self) -> str:
        """The error code (RFC 6749 section 5.2), empty when there is none."""
        code = self.body.get("error")
        return code if isinstance(code, str) else ""

    def said(self) -> str:
        """The error in the provider's own words, made fit to show."""
        description = self.body.get("error_description")
        text = description if isinstance(description, str) and description else self.error or f"status {self.status}"
        return "".join(c if c.isprintable() else "?" for c in text[:_MAX_SHOWN])


def http_factory(issuer: str, ca: Path | None = None) -> HttpFactory:
    """Makes clients for the provider ``issuer``; ``ca`` takes the place of the usual authorities.

    Raises HoopctlError for an issuer that is neither https nor on loopback, UsageProblem for an unreadable ``ca``.
    """
    if not _may_call(issuer, issuer):
        raise HoopctlError(f"The identity provider {issuer!r} is not reached over https, so nobody signs in there.")
    try:
        context = httpx.create_ssl_context() if ca is None else ssl.create_default_context(cafile=ca)
    except OSError:
        raise UsageProblem(f"The CA file {ca} cannot be read as certificates.") from None
    loopback = _is_loopback(issuer)
    headers = {"User-Agent": "hoopctl", "Accept": "application/json", "Accept-Encoding": "identity"}

    def make() -> httpx.Client:
        return httpx.Client(
            verify=context,
            trust_env=not loopback,
            follow_redirects=False,
            timeout=_SECONDS_PER_STEP,
            headers=headers,
        )

    return make


def discover(http: HttpFactory, issuer: str) -> Endpoints:
    """Where the provider's endpoints are. Raises Unreachable, or HoopctlError when what it says cannot be used."""
    answer = request(http, "GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if answer.status != httpx.codes.OK:
        raise Unreachable(f"The identity provider answers {answer.status} at {issuer}.")
    if answer.body.get("issuer") != issuer:
        raise HoopctlError(f"What answers at {issuer} is another identity provider.", hint="Tell the gateway's admins.")
    token = _endpoint(answer, "token_endpoint", issuer)
    if token is None:
        raise HoopctlError(f"The identity provider {issuer} names no endpoint for tokens.")
    return Endpoints(_endpoint(answer, "device_authorization_endpoint", issuer), token)


def request(http: HttpFactory, method: str, url: str, form: Mapping[str, str] | None = None) -> Answer:
    """One request. Raises Unreachable when there is no answer, HoopctlError when it is not JSON."""
    try:
        with http() as client, client.stream(method, url, data=form) as answer:
            status, body = answer.status_code, _bounded(answer, url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable(
            f"The identity provider does not answer at {_origin(url)} ({type(error).__name__}).",
            hint="Is this machine on the right network?",
        ) from None
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return Answer(status, {})
        raise HoopctlError(f"What answers at {_origin(url)} (status {status}) is not an identity provider.")
    return Answer(status, document)


def _bounded(answer: httpx.Response, url: str) -> bytes:
    body = bytearray()
    for chunk in answer.iter_raw():
        body += chunk
        if len(body) > _MAX_BODY:
            raise HoopctlError(f"The identity provider answers without end at {_origin(url)}.")
    return bytes(body)


def _endpoint(answer: Answer, name: str, issuer: str) -> str | None:
    url = answer.body.get(name)
    if url is None:
        return None
    if not isinstance(url, str) or not _may_call(url, issuer):
        raise HoopctlError(f"The identity provider {issuer} names a {name} that is not safe to call.")
    return url


def _may_call(url: str, issuer: str) -> bool:
    parts = _split(url)
    if parts is None:
        return False
    return _is_loopback(url) if _is_loopback(issuer) else parts.scheme == "https" and not _is_loopback(url)


def _is_loopback(url: str) -> bool:
    parts = _split(url)
    if parts is None or parts.hostname is None:
        return False
    if parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return False


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    good = parts.scheme in ("http", "https") and parts.hostname and parts.username is None and url.isprintable()
    return parts if good else None


def _origin(url: str) -> str:
    parts = _split(url)
    return url if parts is None else f"{parts.scheme}://{parts.netloc}"
