"""Asking the identity provider over HTTP: bounded in time and size, no redirects, loopback never through a proxy."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from hoopd.domain.errors import InvalidInput, NotSignedIn, Unavailable
from hoopd.identity.settings import OidcSettings, is_loopback

HttpFactory = Callable[[], httpx.AsyncClient]

_SECONDS_PER_STEP = 5.0
_SECONDS_IN_ALL = 10.0
_MAX_BODY = 1024 * 1024

_NOT_FOR_THIS_TOKEN = (401, 403)


def client_factory(settings: OidcSettings) -> HttpFactory:
    """Makes clients for ``settings.issuer``. Raises InvalidInput when ``settings.ca`` cannot be read."""
    loopback = is_loopback(settings.issuer)
    verify = _trust(settings)

    def make() -> httpx.AsyncClient:
        return httpx.AsyncClient(
            verify=verify, trust_env=not loopback, follow_redirects=False, timeout=_SECONDS_PER_STEP
        )

    return make


def _trust(settings: OidcSettings) -> ssl.SSLContext:
    if settings.ca is None:
        return httpx.create_ssl_context()
    try:
        return ssl.create_default_context(cafile=settings.ca)
    except OSError as error:  # ssl.SSLError is one
        raise InvalidInput(f"oidc.ca cannot be read as certificates: {settings.ca}") from error


async def fetch_json(client: httpx.AsyncClient, url: str, *, token: str | None = None) -> Mapping[str, Any]:
    """The JSON object at ``url``; ``token`` goes along as a bearer.

    Raises Unavailable for anything but a good answer, and NotSignedIn when the provider refuses ``token``.
    """
    # Not compressed: what is counted is then what is kept in memory.
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    try:
        async with asyncio.timeout(_SECONDS_IN_ALL), client.stream("GET", url, headers=headers) as answer:
            if token is not None and answer.status_code in _NOT_FOR_THIS_TOKEN:
                raise NotSignedIn("the identity provider does not accept this token", hint="sign in again")
            _check_head(answer, url)
            body = await _bounded(answer, url)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise Unavailable(f"the identity provider does not answer at {url}: {type(error).__name__}") from error
    return _object(body, url)


def _check_head(answer: httpx.Response, url: str) -> None:
    if answer.status_code != httpx.codes.OK:
        raise Unavailable(f"the identity provider answers {answer.status_code} at {url}")
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise Unavailable(f"the identity provider answers compressed, unasked, at {url}")


async def _bounded(answer: httpx.Response, url: str) -> bytes:
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > _MAX_BODY:
            raise Unavailable(f"the identity provider answers more than {_MAX_BODY} bytes at {url}")
    return bytes(body)


def _object(body: bytes, url: str) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unavailable(f"the identity provider's answer at {url} is not JSON") from error
    if not isinstance(document, dict):
        raise Unavailable(f"the identity provider's answer at {url} is not a JSON object")
    return document
