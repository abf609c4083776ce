"""Files that only their owner may read: refused, not mended, when somebody else could have read or put them there.

Never follows a symbolic link in place of a file. Files are written beside and renamed, so that a reader sees the old
one or the new one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hoopctl.errors import HoopctlError

MAX_BYTES = 128 * 1024
"""Of a file that is read; anything larger is not ours."""

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH

_LOCK_PAUSE_SECONDS = 0.1
_LOCK_ATTEMPTS = 600


def read_private(path: Path) -> str | None:
    """The text of ``path``; None when there is no such file.

    Raises HoopctlError when it is a link or no file, is not ours, or others may read it.
    """
    try:
        # Without blocking, so that a pipe in its place does not hold us.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error) from None
    try:
        _check_file(path, os.fstat(descriptor))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MAX_BYTES:
        raise HoopctlError(f"{path} is larger than anything that hoopctl writes.", hint="Remove it and sign in again.")
    return content.decode("utf-8", errors="replace")


def write_private(path: Path, text: str) -> None:
    """Put ``text`` in ``path``, mode 0600, durably and at once; its directory is made, mode 0700.

    Raises HoopctlError where something is at ``path`` that is not a file of ours, or the disk refuses.
    """
    private_directory(path.parent)
    try:
        present = os.lstat(path)
    except FileNotFoundError:
        pass
    else:
        _check_file(path, present)
    try:
        _replace(path, text)
    except OSError as error:
        raise _unusable(path, error) from None


def remove_private(path: Path) -> bool:
    """Remove ``path`` (a link itself, never what it points at). False when there was none."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unusable(path, error) from None
    return True


def private_directory(path: Path) -> None:
    """Make ``path`` and what is missing above it, mode 0700. Raises HoopctlError when others own or may change it."""
    missing = [one for one in (path, *path.parents) if not one.exists()]
    try:
        for one in reversed(missing):
            one.mkdir(mode=0o700, exist_ok=True)
        found = path.stat()
    except OSError as error:
        raise _unusable(path, error) from None
    if not stat.S_ISDIR(found.st_mode):
        raise HoopctlError(f"{path} is not a directory.")
    if found.st_uid != os.geteuid():
        raise HoopctlError(f"{path} belongs to another user.", hint="Set HOOPCTL_HOME to a directory of your own.")
    if found.st_mode & _OTHERS_WRITE:
        raise HoopctlError(f"{path} can be changed by other users.", hint=f"Run: chmod 700 {path}")


@contextmanager
def locked(path: Path, sleep: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Hold the lock file ``path`` against other processes and threads; it is let go when its process ends.

    Raises HoopctlError when another holds it for a minute.
    """
    private_directory(path.parent)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(path, error) from None
    try:
        _acquire(descriptor, path, sleep)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, sleep: Callable[[float], None]) -> None:
    for _ in range(_LOCK_ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sleep(_LOCK_PAUSE_SECONDS)
        else:
            return
    raise HoopctlError(f"Another hoopctl holds {path} for too long.", hint="End it, then try again.")


def _replace(path: Path, text: str) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _check_file(path: Path, found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise _unusable(path, OSError(errno.ELOOP, ""))
    if not stat.S_ISREG(found.st_mode):
        raise HoopctlError(f"{path} is not a file.", hint="Remove it and sign in again.")
    if found.st_uid != os.geteuid():
        raise HoopctlError(f"{path} belongs to another user.", hint="Remove it and sign in again.")
    if found.st_mode & _OTHERS:
        raise HoopctlError(
            f"{path} can be read by other users (mode {stat.S_IMODE(found.st_mode):04o}), so it is not used.",
            hint="Somebody may know what is in it: remove it and sign in again.",
        )


def _unusable(path: Path, error: OSError) -> HoopctlError:
    if error.errno == errno.ELOOP:
        return HoopctlError(
            f"{path} is a symbolic link, so it is not used.", hint="Remove it and sign in again if you did not make it."
        )
    return HoopctlError(f"{path} cannot be used: {error.strerror}.", hint="Set HOOPCTL_HOME to another directory.")
