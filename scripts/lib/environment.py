"""Makes `.venv`, the environment that the scripts of this repository run in.

`environment.py check ROOT` ends with 0 when `.venv` is what the lock, the project file and this module ask for, else
with 1. `environment.py build ROOT NAME` makes it so; NAME begins each line that people read. Only the standard library
is used, and nothing outside ROOT is written but pip's own cache.

What holds:

- The environment is built beside, as `.venv.XXXXXXXX`, and `.venv` is a symbolic link that is renamed into place when
  all of it is there. A build that is cut off leaves the old one in use, and its rest is removed by the next build.
- Console scripts hold the absolute path of the directory that they were built in, which is never renamed. A program
  that was started before a rebuild therefore goes on with the modules that it was started with: the environment
  before the present one is kept until the next build.
- Only what requirements.lock names is installed, by hash; then the project itself, without dependencies, with the build
  backend from the lock.
- Builds exclude each other by a lock that the kernel gives back when its holder dies.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

# Raised when this module makes environments in another way, so that those made before count as out of date.
LAYOUT = 1
STAMP = "hoop-stamp.json"
# pip's settings that say how the registry is reached; every other one would change what is installed or where.
PIP_KEPT = frozenset(
    f"PIP_{name}"
    for name in (
        *("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "NO_INDEX", "TRUSTED_HOST", "KEYRING_PROVIDER"),
        *("CERT", "CLIENT_CERT", "PROXY", "TIMEOUT", "DEFAULT_TIMEOUT", "RETRIES"),
        *("CACHE_DIR", "NO_CACHE_DIR", "CONFIG_FILE", "USE_FEATURE", "USE_DEPRECATED"),
    )
)
# The first pip that can install into an environment that has no pip.
PIP_WITH_PYTHON_OPTION = (22, 3)

UNREACHABLE = re.compile(
    r"Retrying \(Retry|NewConnectionError|ConnectTimeout|Read timed out|Max retries exceeded|ProxyError|"
    r"SSLError|Connection (?:refused|reset|aborted)|Name or service not known|Temporary failure in name resolution|"
    r"nodename nor servname|HTTPError|Network is unreachable|not a trusted or secure host"
)
REASONS = (
    (re.compile(r"not a trusted or secure host"), "its address is plain http, which pip does not use unless told to"),
    (re.compile(r"CERTIFICATE_VERIFY_FAILED|SSLError"), "its certificate was not accepted"),
    (re.compile(r"ProxyError"), "the proxy did not answer"),
    (
        re.compile(r"Name or service not known|name resolution|nodename nor servname|getaddrinfo"),
        "its name was not found",
    ),
    (re.compile(r"refused"), "the connection was refused"),
    (re.compile(r"timed out|Timeout"), "it did not answer in time"),
)


class BuildError(Exception):
    """The environment could not be made; the message is the sentence that a person reads."""


class Interrupted(BaseException):
    """A signal asked this process to end; the number is its exit code."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.code = 128 + signum


def stamp(root: Path) -> dict[str, object]:
    """What an environment must have been made from to be in use now: compared as a whole, explained to nobody."""
    return {
        "layout": LAYOUT,
        "root": str(root),
        "python": [platform.python_implementation(), platform.python_version(), platform.machine()],
        "lock": hashlib.sha256((root / "requirements.lock").read_bytes()).hexdigest(),
        "project": _project_digest(root / "pyproject.toml"),
    }


def _project_digest(pyproject: Path) -> str:
    """A digest of what the project file says about installing; settings of linters and tests do not count."""
    data = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    data["tool"] = {"hatch": data.get("tool", {}).get("hatch")}
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def is_ready(root: Path) -> bool:
    """Whether `.venv` is whole and up to date; asked of the interpreter inside it."""
    try:
        made = json.loads((root / ".venv" / STAMP).read_text(encoding="utf-8"))
        return bool(made == stamp(root))
    except (OSError, ValueError):
        return False


def pip_environment(environment: dict[str, str]) -> dict[str, str]:
    """The environment for pip: its settings reduced to how the registry is reached, and no questions asked."""
    kept = {
        name: value
        for name, value in environment.items()
        if name in PIP_KEPT or not (name.startswith("PIP_") or name in ("PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS"))
    }
    kept.setdefault("PIP_RETRIES", "2")
    kept |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    return kept


class Build:
    """One build of the environment of `root`; `tell` is called with each line of progress."""

    def __init__(self, root: Path, tell: Callable[[str], None]) -> None:
        self.root = root
        self.tell = tell
        self.environment = pip_environment(dict(os.environ))
        self.log = root / ".venv.log"

    def run(self) -> None:
        """Makes `.venv`, unless another build that was waited for has done so.

        Raises BuildError with one sentence.
        """
        try:
            with self._only_one():
                if self._is_ready_now():
                    return
                self._build()
        except PermissionError as error:
            raise BuildError(f"{error.filename or self.root} cannot be written ({error.strerror}).") from error
        except OSError as error:
            raise BuildError(f"the environment could not be made in {self.root}: {error}.") from error

    @contextlib.contextmanager
    def _only_one(self) -> Iterator[None]:
        # Never deleted: a second run must lock the same file as the first.
        with (self.root / ".venv.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.tell("waiting for another run that is making .venv")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _is_ready_now(self) -> bool:
        python = self.root / ".venv" / "bin" / "python"
        asked = [str(python), "-I", "-S", __file__, "check", str(self.root)]
        return python.exists() and subprocess.run(asked, stdin=subprocess.DEVNULL, check=False).returncode == 0

    def _build(self) -> None:
        began = time.monotonic()
        self._remove_older()
        target = Path(tempfile.mkdtemp(prefix=".venv.", dir=self.root))
        try:
            target.chmod(0o755)
            self.log.write_bytes(b"")
            self._make(target)
            self._install(target)
            (target / STAMP).write_text(json.dumps(stamp(self.root)), encoding="utf-8")
            self._switch_to(target)
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)
            raise
        self.log.unlink(missing_ok=True)
        self.tell(f".venv is ready after {time.monotonic() - began:.0f} s")

    def _remove_older(self) -> None:
        """Removes what builds that were cut off left, and environments older than the present one."""
        link = self.root / ".venv"
        present = link.resolve() if link.is_symlink() else None
        for path in self.root.glob(".venv.*"):
            if path.is_symlink():
                path.unlink()
            elif path.is_dir() and path != present:
                shutil.rmtree(path, ignore_errors=True)

    def _make(self, target: Path) -> None:
        # Without pip: ensurepip is a package of its own on some systems, and pip need not be inside to install.
        done = self._quiet([sys.executable, "-P", "-m", "venv", "--without-pip", str(target)])
        if done:
            raise BuildError(f"{sys.executable} -m venv failed: {self._last_line()}")

    def _install(self, target: Path) -> None:
        python = target / "bin" / "python"
        pip = self._pip_for(python)
        lock = self.root / "requirements.lock"
        total = len(re.findall(r"^[A-Za-z0-9]", lock.read_text(encoding="utf-8"), re.MULTILINE))
        self.tell(f"installing the {total} packages of requirements.lock (some are for other systems)")
        # The lock is whole, so nothing needs to be resolved; --no-user overrules a setting in pip's own files.
        locked = [*pip, "install", "--no-user", "--no-deps", "--require-hashes", "--requirement", str(lock)]
        if self._quiet(locked, self._progress(total)):
            raise BuildError(explain(self.log.read_text(encoding="utf-8", errors="replace")))
        here = {path.name for path in target.glob("lib/python*/site-packages/*.dist-info")}
        if not any(not name.startswith("pip-") for name in here):
            raise BuildError(
                "pip installed into another place than .venv; a setting in a file of its own, such as target or "
                "prefix, sends it there: see `pip config list`."
            )
        self.tell("installing the project itself")
        own = ["install", "--no-user", "--no-deps", "--no-index", "--no-build-isolation", "--editable", str(self.root)]
        if self._quiet([*pip, *own]):
            raise BuildError(f"the project itself could not be installed: {self._last_line()}")

    def _pip_for(self, python: Path) -> list[str]:
        """The words that run a pip which installs for `python`: the host's own if it can, else ensurepip's."""
        asked = [sys.executable, "-P", "-m", "pip", "--version"]
        answer = subprocess.run(asked, capture_output=True, text=True, env=self.environment, check=False).stdout
        version = re.match(r"pip (\d+)\.(\d+)", answer)
        if version and (int(version[1]), int(version[2])) >= PIP_WITH_PYTHON_OPTION:
            return [sys.executable, "-P", "-m", "pip", "--python", str(python)]
        if self._quiet([str(python), "-P", "-m", "ensurepip", "--default-pip"]) == 0:
            return [str(python), "-P", "-m", "pip"]
        version_words = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise BuildError(
            f"{sys.executable} has neither pip nor a working ensurepip; install the package python{version_words}-venv "
            "(Debian, Ubuntu) or a complete Python, and run again."
        )

    def _quiet(self, command: Sequence[str], on_line: Callable[[str], None] = lambda line: None) -> int:
        """Runs `command` with its output in the log; returns its exit code, and ends it when this process must end."""
        with (
            self.log.open("ab") as log,
            subprocess.Popen(
                command,
                cwd=self.root,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                # pip starts a second pip inside the environment; a group of their own, so that both are ended.
                process_group=0,
            ) as process,
        ):
            try:
                for line in _lines(process.stdout):
                    log.write(line)
                    on_line(line.decode(errors="replace"))
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return process.returncode

    def _progress(self, total: int) -> Callable[[str], None]:
        seen = 0

        def on_line(line: str) -> None:
            nonlocal seen
            if line.startswith("Collecting "):
                seen += 1
                if seen % 20 == 0:
                    self.tell(f"  {seen} of {total}: {line.split()[1].partition('==')[0]}")
            elif line.startswith("Installing collected packages"):
                self.tell("  all are here; unpacking")

        return on_line

    def _last_line(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return f"{said[-1] if said else 'it said nothing'} (all of it is in {self.log})"

    def _switch_to(self, target: Path) -> None:
        final = self.root / ".venv"
        if final.is_dir() and not final.is_symlink():
            # Made by hand or by another tool: kept aside, as the one before.
            final.rename(Path(tempfile.mkdtemp(prefix=".venv.", dir=self.root)) / "by-hand")
        link = target.with_name(f"{target.name}.link")
        link.symlink_to(target.name)
        link.replace(final)


def _lines(stream: IO[bytes] | None) -> Iterator[bytes]:
    return iter(()) if stream is None else iter(stream.readline, b"")


def explain(log: str) -> str:
    """One sentence for a pip that failed, from what it said."""
    python = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if mismatch := re.search(r"DO NOT MATCH THE HASHES.*?\n\s+(\S+)[^\n]*:\n", log, re.DOTALL):
        return f"{mismatch[1]} is not the file that requirements.lock names (its hash differs); nothing was installed."
    if "No space left on device" in log:
        return "there is no space left on the disk; the environment needs about 700 MB."
    if UNREACHABLE.search(log):
        reason = next((words for pattern, words in REASONS if pattern.search(log)), "the connection failed")
        return (
            f"the package registry is out of reach: {reason}; check the network, or pip's settings for an index of "
            "your own (PIP_INDEX_URL), and run again."
        )
    if missing := re.search(r"No matching distribution found for (\S+)", log):
        return f"the package registry has no {missing[1]} for {python}."
    said = [line.strip() for line in log.split("\n") if line.startswith("ERROR")]
    return f"pip failed: {said[-1] if said else log.strip()[-300:] or 'it said nothing'} (all of it is in .venv.log)"


def _end(signum: int, frame: FrameType | None) -> NoReturn:
    raise Interrupted(signum)


def main(arguments: Sequence[str]) -> int:
    """Runs `check ROOT` or `build ROOT NAME`; returns the exit code."""
    if arguments[0] == "check":
        return 0 if is_ready(Path(arguments[1])) else 1
    _, root, name = arguments

    def tell(line: str) -> None:
        sys.stderr.write(f"{name}: {line}\n")
        sys.stderr.flush()

    # Set by hand: a shell starts what it puts in the background with SIGINT ignored.
    for signum in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _end)
    try:
        Build(Path(root), tell).run()
    except BuildError as error:
        tell(str(error))
        return 1
    except Interrupted as interrupted:
        tell("interrupted; nothing was changed")
        return interrupted.code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
