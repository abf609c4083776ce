"""Files and directories of the development stack: private from the first byte, put in place in one step, held by one.

Nothing here follows a link in the last part of a path, and nothing changes the mode of what was there before.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from hoopd.domain.errors import Unavailable

SECRET_FILE = 0o600
PRIVATE = 0o700
# Root's own directories can be walked through by a server's account, and not listed.
WALKABLE = 0o711


def write_private(path: Path, content: str | bytes, owner: tuple[int, int] | None = None) -> None:
    """Put a file of mode 0600 in place of whatever is at ``path``; ``owner`` is a user and a group id."""
    data = content.encode() if isinstance(content, str) else content
    fresh = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, SECRET_FILE)
    with os.fdopen(descriptor, "wb") as stream:
        if owner is not None:
            os.fchown(descriptor, *owner)
        stream.write(data)
    fresh.replace(path)


def open_log(path: Path) -> int:
    """A descriptor that appends to a log of mode 0600; the caller closes it."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, SECRET_FILE)


def make_directory(path: Path) -> None:
    """Make ``path`` where it is not there: for this user alone, or, as root, so that a server's account can pass.

    Raises ``Unavailable`` where it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=PRIVATE)
            path.chmod(WALKABLE if os.geteuid() == 0 else PRIVATE)
    except OSError as error:
        raise Unavailable(f"the directory {path} cannot be made: {error.strerror}") from error
    if not path.is_dir():
        raise Unavailable(f"{path} is not a directory")


@contextlib.contextmanager
def held(directory: Path, what: str) -> Iterator[None]:
    """Hold ``directory`` for this process; the kernel lets go of it when the process ends in any way.

    Raises ``Unavailable`` where another process holds it; ``what`` is what that process would be.
    """
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, SECRET_FILE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unavailable(
                f"{what} is already running in {directory}", hint="stop that one, or choose another directory"
            ) from error
        yield
    finally:
        os.close(descriptor)
