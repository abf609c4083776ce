"""The fuzzer that coverage guides (atheris, libFuzzer), as a process of its own: it instruments what it imports.

    python -m tests.fuzz.guided conversations|messages DIRECTORY [libFuzzer's options, such as -runs=10000 -seed=1]

``conversations``: the bytes are the choices of a conversation (``tests.fuzz.conversation``). ``messages``: they are
what a peer sends, cut into messages and read. What is found is written to DIRECTORY, and ends the process with another
code than 0; the same command, with the file's name in place of the options, plays it again.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["hoopd.session", "hoopd.pgwire"]):
    from hoopd.pgwire import backend, errors, frontend, startup
    from hoopd.pgwire.framing import FrameReader, StartupReader
    from tests.fuzz.client_messages import Client
    from tests.fuzz.conversation import Conversation

LIMIT = 4_000
READERS: dict[str, Callable[[bytes], object]] = {
    "Q": frontend.read_query, "P": frontend.read_parse, "B": frontend.read_bind, "D": frontend.read_describe,
    "E": frontend.read_execute, "C": frontend.read_close, "T": backend.read_row_description,
    "t": backend.read_parameter_description, "d": backend.read_data_row, "Z": backend.read_ready,
    "S": backend.read_parameter_status, "A": backend.read_notification, "N": errors.parse_error,
    "c": backend.read_command_tag,
}  # fmt: skip


class Chosen(random.Random):
    """Choices out of bytes; when they are used up, those of a fixed seed."""

    def __init__(self, data: bytes) -> None:
        super().__init__(len(data))
        self._data = data
        self._at = 0

    def getrandbits(self, k: int, /) -> int:
        size = (k + 7) // 8
        part = self._data[self._at : self._at + size]
        self._at += size
        if len(part) < size:
            return super().getrandbits(k)
        return int.from_bytes(part, "big") >> (8 * size - k)

    def random(self) -> float:
        return self.getrandbits(16) / (1 << 16)


def conversations(data: bytes) -> None:
    Conversation(Chosen(data)).run()


def messages(data: bytes) -> None:
    """INV-9, THREATS 10: what a peer sends is read, or refused as the protocol has it; nothing else comes of it."""
    try:
        body = StartupReader().feed(data)
        if body is not None:
            startup.read_first_packet(body)
    except errors.WireError:
        pass
    reader = FrameReader(LIMIT)
    try:
        for frame in reader.feed(data):
            read = READERS.get(frame.kind)
            if read is not None:
                read(frame.body)
    except errors.WireError:
        return
    if reader.buffered > LIMIT + 5:
        raise AssertionError(f"the reader of frames holds {reader.buffered} bytes")


TARGETS = {"conversations": conversations, "messages": messages}


def _seeds(directory: Path) -> Path:
    """Whole streams to begin with: from nothing, no message would be hit upon."""
    made = directory / "seeds"
    made.mkdir()
    for seed in range(60):
        (made / f"client-{seed}").write_bytes(Client(random.Random(seed)).stream())
    answers = (
        backend.make_ready("T"),
        backend.make_data_row([b"a", None]),
        backend.make_notice(errors.ErrorFields("NOTICE", "00000", "a word", detail="more")),
        backend.make_parameter_status("search_path", "public"),
        backend.make_notification(7, "c", "payload"),
        startup.make_startup({"user": "a", "database": "b", "options": "-c search_path=x"}),
        startup.make_cancel(1, b"abcd"),
    )
    for number, answer in enumerate(answers):
        (made / f"other-{number}").write_bytes(answer)
    return made


def main() -> None:
    target, directory, *options = sys.argv[1:]
    corpus = [str(_seeds(Path(directory)))] if target == "messages" else []
    atheris.Setup([sys.argv[0], f"-artifact_prefix={directory}/", *options, *corpus], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
