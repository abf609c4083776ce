"""The account that a PostgreSQL server runs under, and the files made for it.

PostgreSQL refuses to run as root. As root the server is ``nobody``, with its programs and data in directories of its
own; otherwise it is whoever started it. No mode of a directory that existed before is ever changed.
"""

from __future__ import annotations

import os
import pwd
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hoopd.dev.files import write_private
from hoopd.domain.errors import Unavailable

UNPRIVILEGED = "nobody"


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group id to run a server as; ``changed`` where that is another than this process's own."""

    uid: int
    gid: int
    changed: bool

    @classmethod
    def for_server(cls) -> Account:
        """``nobody`` when this process is root, else this process's own account."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid(), changed=False)
        try:
            entry = pwd.getpwnam(UNPRIVILEGED)
        except KeyError as error:
            raise Unavailable(
                f"PostgreSQL does not run as root and this machine has no user {UNPRIVILEGED}",
                hint="start hoopd as an ordinary user",
            ) from error
        return cls(entry.pw_uid, entry.pw_gid, changed=True)

    def reaches(self, directory: Path) -> bool:
        """Whether this account may walk to ``directory``: the search bit of it and of every parent."""
        resolved = directory.resolve()
        return all(self._may_search(path) for path in (resolved, *resolved.parents))

    def _may_search(self, directory: Path) -> bool:
        status = directory.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)

    def own(self, path: Path) -> None:
        """Give ``path``, and all below it, to this account. For directories made by this process only."""
        if not self.changed:
            return
        os.chown(path, self.uid, self.gid, follow_symlinks=False)
        for parent, directories, files in os.walk(path):
            for name in (*directories, *files):
                os.chown(os.path.join(parent, name), self.uid, self.gid, follow_symlinks=False)

    def private_directory(self, prefix: str) -> Path:
        """A fresh directory that this account owns and can reach, below the system's directory for such.

        Raises ``Unavailable`` where no such directory can be reached.
        """
        tried = dict.fromkeys([tempfile.gettempdir(), "/tmp", "/var/tmp"])  # noqa: S108 (a fresh name is made below)
        for parent in map(Path, tried):
            if parent.is_dir() and self.reaches(parent):
                fresh = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
                self.own(fresh)
                return fresh
        raise Unavailable(
            f"the user {UNPRIVILEGED} reaches none of the directories for temporary files: {', '.join(tried)}",
            hint="set TMPDIR to a directory that every user may enter",
        )

    def write(self, path: Path, content: str | bytes) -> None:
        """Put a file of mode 0600 that this account owns in place, in one step and following no link."""
        write_private(path, content, (self.uid, self.gid) if self.changed else None)
