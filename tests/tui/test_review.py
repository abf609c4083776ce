"""The real command on a pseudo-terminal: a key is pressed, and the one who waits is released."""

import asyncio
import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Callable

import pyte
import pytest

from hoopd.domain.request import RequestState
from tests.fixtures.oidc import confirm

SECONDS = 40
CODE = re.compile(r"\b[A-Z0-9]{4}-[A-Z0-9]{4}\b")


class Terminal:
    """`hoopctl` on a screen of its own."""

    def __init__(self, rows: int, columns: int, home: str, *arguments: str) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        environ = {**os.environ, "HOOPCTL_HOME": home, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self._end, terminal = os.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
        # Not by a fork of this process: the threads of its gRPC server do not survive one.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hoopctl", *arguments],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=environ,
            start_new_session=True,
        )
        os.close(terminal)

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    async def until(self, seen: Callable[[str], object]) -> str:
        """Wait until the screen shows what is asked for; what it shows."""
        async with asyncio.timeout(SECONDS):
            while not seen(self.text):
                if not await asyncio.to_thread(self._read):
                    pytest.fail(f"the inbox has ended with {self._process.wait(SECONDS)}:\n{self.text}")
        return self.text

    def _read(self) -> bool:
        """Show what has come, if something comes within a second; False at the end."""
        if not select.select([self._end], [], [], 1)[0]:
            return True
        try:
            data = os.read(self._end, 65536)
        except OSError:  # Linux's way to say that nobody has the other end any more
            return False
        self._stream.feed(data)
        return bool(data)

    def press(self, keys: str) -> None:
        os.write(self._end, keys.encode())

    async def ended(self) -> int:
        async with asyncio.timeout(SECONDS):
            while await asyncio.to_thread(self._read):
                pass
        return await asyncio.to_thread(self._process.wait, SECONDS)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._end)


@pytest.mark.parametrize(("rows", "columns"), [(24, 80), (60, 200)])
async def test_a_held_statement_is_released_from_the_inbox(review_gateway, hoopctl_home, rows, columns):
    await review_gateway.sign_in(hoopctl_home, "bob")
    terminal = Terminal(rows, columns, str(hoopctl_home), "review")
    try:
        await terminal.until(lambda text: "● live" in text)
        request = await review_gateway.raised(sql="DELETE FROM orders WHERE id = $1 -- \u202e\x1b[2J")
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(review_gateway.broker.wait(request.id))
            shown = await terminal.until(lambda text: "DELETE FROM orders" in text)
            assert "PRODUCTION" in shown
            assert "\\u202e\\x1b[2J" in shown
            terminal.press("a")
            await terminal.until(lambda text: "Approve delete" in text)
            terminal.press("fine\r")
            code = CODE.findall(await terminal.until(lambda text: CODE.search(text)))[-1]
            await asyncio.to_thread(confirm, review_gateway.provider, code, "bob")
            await terminal.until(lambda text: "delete on prod-db approved" in text)
        released = waiting.result()
        assert released.state is RequestState.approved
        assert [(word.by.email, word.comment) for word in released.words] == [("bob@example.com", "fine")]
        terminal.press("q")
        assert await terminal.ended() == 0
    finally:
        terminal.close()
