"""What several worker processes of one gateway share, and what each has to itself.

A worker is a gateway of its own: with its own journal, lock and record key, in ``data_dir/workers/N``. They share the
store, through which approvals, policies and cancels reach all of them, and the secret, so that a masked value looks the
same through each. Each believes the seals of the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hoopd.domain.errors import Unavailable
from hoopd.keys import load_secret
from hoopd.recording.journal import journals
from hoopd.recording.keys import load_keys
from hoopd.recording.ports import RecordStore
from hoopd.recording.recorder import Recorder

CARRY_SECONDS = 30.0


def directory(data_dir: Path, number: int) -> Path:
    """The data directory of worker ``number``, from 1."""
    return data_dir / "workers" / str(number)


def existing(data_dir: Path) -> list[Path]:
    """The data directories of all workers that there ever were."""
    return sorted(path for path in (data_dir / "workers").glob("*") if path.name.isdigit() and path.is_dir())


def prepare(data_dir: Path, count: int) -> None:
    """Make the directories of ``count`` workers, and let every gateway of ``data_dir`` believe the others' seals.

    Raises:
        HoopError: a key cannot be read or made.
    """
    secret = load_secret(data_dir)
    try:
        for number in range(1, count + 1):
            path = directory(data_dir, number)
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(path / "secret.key", secret)
        homes = [data_dir, *existing(data_dir)]
        for home in homes:
            load_keys(home)
        trusted = {f"worker-{home.name}" if home != data_dir else "gateway": _public(home) for home in homes}
        others = {path.stem: path.read_text("ascii") for path in (data_dir / "record-keys").glob("*.pub")}
        for home in homes:
            (home / "record-keys").mkdir(mode=0o700, exist_ok=True)
            for name, public in {**others, **trusted}.items():
                _write(home / "record-keys" / f"{name}.pub", public.encode())
    except OSError as problem:
        raise Unavailable(f"{problem.filename} cannot be made: {problem.strerror}") from None


def _public(home: Path) -> str:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex((home / "record.key").read_text("ascii").strip()))
    return key.public_key().public_bytes_raw().hex() + "\n"


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, for the gateway's user alone."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    draft.replace(path)


async def carry_over(homes: Iterable[Path], store: RecordStore, now: Callable[[], datetime]) -> None:
    """Close the journals that gateways left in ``homes`` where none will run, and carry them into the store.

    Raises:
        Unavailable: another gateway runs there, or the store did not take all of it.
    """
    for home in homes:
        if not any(journals(home / "journal")):
            continue
        recorder = Recorder(home, store, load_keys(home), now)
        recorder.start()
        try:
            if not await recorder.shipper.drain(CARRY_SECONDS):
                raise Unavailable(f"what an earlier gateway recorded in {home} cannot be carried into the store")
        finally:
            recorder.close()
