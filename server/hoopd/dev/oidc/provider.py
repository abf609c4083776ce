"""The development provider as one object: start it, use its addresses, stop it.

It refuses any address but loopback. A key file and a fixed port make it the same provider after a restart.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hoopd.dev.oidc.accounts import ACCOUNTS, Account
from hoopd.dev.oidc.endpoints import Endpoints
from hoopd.dev.oidc.grants import DeviceGrants, RefreshFamilies
from hoopd.dev.oidc.http_server import LoopbackServer, netloc
from hoopd.dev.oidc.keys import SigningKey
from hoopd.dev.oidc.tokens import Lifetimes, TokenSigner
from hoopd.domain.errors import InvalidInput, Unavailable
from hoopd.runtime import clock as system_clock

_POLL_SECONDS = 0.05


class DevProvider:
    """A development OpenID Connect provider on ``http://host:port``.

    ``port`` 0 takes a free one at the first start and keeps it. ``key_file`` keeps the signing key over restarts (made
    when it is not there). ``interval`` and ``code_lifetime`` are those of RFC 8628, in whole seconds. ``accounts`` may
    be changed while it runs: what a person's groups are is read at each token.
    """

    def __init__(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        *,
        key_file: Path | None = None,
        algorithm: str = "ES256",
        interval: timedelta = timedelta(seconds=1),
        code_lifetime: timedelta = timedelta(minutes=10),
        lifetimes: Lifetimes = Lifetimes(),  # noqa: B008 - frozen
        max_codes: int = 200,
        clock: Callable[[], datetime] = system_clock.now,
    ) -> None:
        """Raises InvalidInput for a host that is not a loopback address, and for a key file that cannot be used."""
        self._host = _loopback(host)
        self._port = port
        self._algorithm = algorithm
        self._key = SigningKey.kept_in(key_file, algorithm) if key_file else SigningKey.generate(algorithm)
        self._lifetimes = lifetimes
        self._clock = clock
        self._devices = DeviceGrants(clock, code_lifetime, interval, max_codes)
        self._families = RefreshFamilies()
        self._signer: TokenSigner | None = None
        self._server: LoopbackServer | None = None
        self._thread: threading.Thread | None = None
        self.accounts: dict[str, Account] = dict(ACCOUNTS)

    @property
    def port(self) -> int:
        """The port; 0 before the first start when none was given."""
        return self._port

    @property
    def issuer(self) -> str:
        """The issuer's URL, known from the first start on."""
        if self._port == 0:
            raise InvalidInput("the development provider has no address before it is started")
        return f"http://{netloc(self._host, self._port)}"

    @property
    def verification_uri(self) -> str:
        """Where a person enters their code."""
        return f"{self.issuer}/device"

    def start(self) -> Self:
        """Listen and serve from a thread of its own. Raises Unavailable when the port is taken."""
        if self._server is not None:
            return self
        try:
            server = LoopbackServer(self._host, self._port)
        except OSError as error:
            raise Unavailable(
                f"port {self._port} on {self._host} cannot be had for the development provider: {error.strerror}",
                hint="give another port, or end what listens there",
            ) from error
        self._port = int(server.server_address[1])
        if self._signer is None:
            self._signer = TokenSigner(self.issuer, self._key, self._lifetimes, self._clock)
        server.endpoints = Endpoints(self.issuer, self._signer, self._devices, self._families, self.accounts)
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, args=(_POLL_SECONDS,), name="dev-oidc", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening and end open connections; ``start`` serves again at the same address."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.close()
        self._thread.join()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def rotate_key(self, *, keep_old: bool = True) -> None:
        """Sign with a new key, as providers do from time to time; without ``keep_old`` the old ones are withdrawn."""
        self._started().rotate(SigningKey.generate(self._algorithm), keep_old=keep_old)

    def mint(self, claims: Mapping[str, Any], headers: Mapping[str, Any] | None = None) -> str:
        """A token with just these claims, signed with the provider's key: for trying what a gateway accepts.

        There is no way to this over HTTP.
        """
        return self._started().key.sign(claims, headers or {})

    def _started(self) -> TokenSigner:
        if self._signer is None:
            raise InvalidInput("the development provider has not been started")
        return self._signer


def _loopback(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise InvalidInput(
            f"the development provider lets anybody sign in as anybody: it listens on loopback only, not on {host!r}",
            hint="use 127.0.0.1",
        )
    return str(address)
