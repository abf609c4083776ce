"""One session's interpreter: carries out the machine's commands, in order, and feeds it what happens.

It owns the tasks of the session and both ends of its bytes. Each side is read and handled in turn, and not read further
while the other does not take what came of it, so a slow reader stops its own database connection and nothing else
(INV-9). What was recorded is written to the journal before anything goes out to anybody, in one write; a record that
cannot be written ends the session, and nothing of what depends on it goes out (INV-3).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from hoopd.domain.errors import HoopError, LimitExceeded, Unavailable
from hoopd.domain.events import Event, SessionEnded, StatementFinished, StatementStarted
from hoopd.domain.ids import PolicyVersion, StatementNo
from hoopd.pgwire import backend
from hoopd.pgwire.errors import ErrorFields, WireError
from hoopd.pgwire.framing import FrameReader
from hoopd.recording.session import SessionRecord
from hoopd.runtime import clock, upstream
from hoopd.runtime.bounds import Bounds
from hoopd.runtime.holds import Holds
from hoopd.runtime.metrics import Metrics
from hoopd.runtime.pipe import ClientPipe, SideBand
from hoopd.runtime.target import Target
from hoopd.session import commands, events
from hoopd.session.judgement import Verdict
from hoopd.session.machine import SessionMachine

log = logging.getLogger("hoopd.session")

WRITE_AT = 64 * 1024
GRACE_SECONDS = 5.0
TURN_SECONDS = 0.002
"""How long one session's statements keep the event loop before the others have their turn."""

_What = TypeVar("_What")
JudgeNow = Callable[[commands.Judge], Verdict | None]
JudgeLater = Callable[[commands.Judge], Awaitable[Verdict]]


class SessionOver(Exception):
    """The machine has said End; unwinds the session's task group."""


@dataclass(slots=True)
class Parts:
    """What one session is made of."""

    pipe: ClientPipe
    frames: FrameReader
    database: upstream.Upstream
    target: Target
    machine: SessionMachine
    record: SessionRecord
    holds: Holds
    policy_now: Callable[[], tuple[PolicyVersion, int]]
    """The version of the policy in force, and the minute where it hangs on the time, else 0."""
    judge_now: JudgeNow
    judge_later: JudgeLater
    catalog_changed: Callable[[], None]
    metrics: Metrics
    bounds: Bounds = Bounds()  # noqa: RUF009 - frozen


class SessionRunner:
    """Runs one session to its end. ``post`` takes events from outside (cancel, end)."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._metrics = parts.metrics
        self._posted: asyncio.Queue[events.Event] = asyncio.Queue()
        self._turn = asyncio.Lock()
        self._turn_began = 0.0
        self._room = asyncio.Event()
        self._to_client = bytearray()
        self._to_server = bytearray()
        self._started: dict[StatementNo, float] = {}
        self._timers: dict[StatementNo, asyncio.TimerHandle] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._cancelling = False
        self._cancel_again = False
        self._writing: asyncio.Task[Any] | None = None
        self._patience: float | None = None
        self._out_of_patience = False
        self._deaf = False
        self._active = clock.monotonic()
        self.cause = "gateway"
        self.message = "the gateway failed inside; its log has more"

    def post(self, event: events.Event) -> None:
        """Feed one event, from any part of the gateway's event loop.

        What ends the session does not wait for a client that does not read: it gets ``GRACE_SECONDS`` more.
        """
        self._posted.put_nowait(event)
        if isinstance(event, events.EndAsked | events.ClientGone) and self._patience is None:
            loop = asyncio.get_running_loop()
            self._patience = loop.time() + GRACE_SECONDS
            if self._writing is not None:
                loop.call_at(self._patience, self._lose_patience, self._writing)

    def _lose_patience(self, writing: asyncio.Task[Any]) -> None:
        """With a write that was under way when the end was asked for; later ones have their time from the start."""
        if self._writing is writing:
            self._out_of_patience = True
            writing.cancel()

    async def run(self) -> None:
        """Return when the session is over; both sides are closed and the record has its end."""
        over = False
        try:
            await self._tasks_of_session()
            over = True
        except asyncio.CancelledError:
            self._abandoned()
            raise
        finally:
            if not over and not self._deaf:
                self._to_client += backend.make_error(ErrorFields("FATAL", "XX000", self.message))
            self._parts.database.close()
            self._end_record()
            for number in list(self._timers):
                self._stop_timer(number)
            await self._parts.holds.abandon(self.message)
            await self._say_goodbye()

    async def _tasks_of_session(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await self._carry_out(self._parts.machine.open())
                await self._flush()
                tasks.create_task(self._read_client())
                tasks.create_task(self._read_server())
                tasks.create_task(self._handle_posted())
                if self._parts.bounds.idle is not None:
                    tasks.create_task(self._watch_idle(self._parts.bounds.idle))
        except* SessionOver:
            log.debug("session over: %s", self.message)
        except* ConnectionResetError:
            self._abandoned()

    async def _say_goodbye(self) -> None:
        """What the client has still to be told, if it takes it."""
        if self._to_client and not self._deaf:
            data, self._to_client = bytes(self._to_client), bytearray()
            with suppress(TimeoutError, ConnectionResetError):
                async with asyncio.timeout(GRACE_SECONDS):
                    await self._parts.pipe.write(data)

    def _abandoned(self) -> None:
        """The client's stream broke: nobody reads any more, but the record still gets its end."""
        self._deaf = True
        self.cause, self.message = "client", "the client went away"
        for command in self._parts.machine.receive(events.ClientGone()):
            if isinstance(command, commands.Record) and self._parts.record.usable:
                with suppress(SessionOver):
                    self._record(command.event)

    def _end_record(self) -> None:
        if self._parts.record.usable:
            try:
                self._parts.record.append(SessionEnded(self.cause, self.message))
            except HoopError as problem:
                log.warning("the end of a session could not be recorded: %s", problem.message)
                self._to_client = bytearray(_not_recorded(problem))  # what it would have been told is not recorded
        self._parts.record.close()

    # Reading

    async def _read_client(self) -> None:
        pipe = self._parts.pipe
        while True:
            await self._room_for_more()
            try:
                data = await pipe.read()
            except ConnectionResetError:
                self.post(events.ClientGone())
                return
            if not data:
                await self._handle(self._parts.machine.receive, events.ClientClosed())
                continue  # it goes on being read for what tells that nobody reads the answers any more
            self._metrics.moved("from_client", len(data))
            try:
                frames = list(self._parts.frames.feed(data))
            except WireError as problem:
                self.post(events.EndAsked("client", problem.sqlstate, problem.message))
                return
            if frames:
                await self._handle(self._parts.machine.client_sent, frames)

    async def _room_for_more(self) -> None:
        """Read no further ahead than the session's inbox and the database take."""
        most = self._parts.bounds.held
        while self._parts.machine.inbox_bytes > most or len(self._to_server) > most:
            self._room.clear()
            await self._room.wait()
        try:
            await self._parts.database.drained()
        except OSError:
            log.debug("the connection to the database is lost, which its reader tells")

    async def _read_server(self) -> None:
        database = self._parts.database
        counted = 0
        while True:
            try:
                frames = await database.read()
            except OSError as problem:
                why = problem.strerror or "the connection was lost"
                self.post(events.ServerGone(f"the connection to the database was lost: {why}"))
                return
            except WireError as problem:
                self.post(events.EndAsked("database", problem.sqlstate, f"from the database: {problem.message}"))
                return
            if not frames:
                self.post(events.ServerGone("the database closed the connection"))
                return
            self._metrics.moved("from_database", database.received - counted)
            counted = database.received
            await self._handle(self._parts.machine.server_sent, frames)

    async def _watch_idle(self, seconds: float) -> None:
        """End a session that waits for its client's next message for that long."""
        left = seconds
        while left > 0:
            await asyncio.sleep(left)
            if not self._parts.machine.idle:
                self._active = clock.monotonic()
            left = self._active + seconds - clock.monotonic()
        self.post(events.EndAsked("limit", "57P05", "terminating connection due to idle-session timeout"))

    # Carrying out

    async def _handle_posted(self) -> None:
        while True:
            event = await self._posted.get()
            await self._handle(self._parts.machine.receive, event)

    async def _handle(self, receive: Callable[[_What], list[commands.Command]], what: _What) -> None:
        """Let the machine take something, and carry out what follows from it: one at a time, in the order of asking."""
        async with self._turn:
            self._turn_began = self._active = clock.monotonic()
            self._parts.machine.note_policy(*self._parts.policy_now())
            await self._carry_out(receive(what))
            await self._flush()
            if self._parts.machine.inbox_bytes <= self._parts.bounds.held:
                self._room.set()

    async def _flush(self) -> None:
        """To the database without waiting: its answers must go on being read, or both would wait for each other."""
        self._send()
        if self._to_client:
            self._commit()
            data, self._to_client = bytes(self._to_client), bytearray()
            self._metrics.moved("to_client", len(data))
            await self._patiently(self._parts.pipe.write(data))

    def _send(self) -> None:
        if self._to_server and not self._cancelling:
            self._commit()
            data, self._to_server = bytes(self._to_server), bytearray()
            self._parts.database.send(data)
            self._metrics.moved("to_database", len(data))

    async def _patiently(self, writing: Coroutine[Any, Any, None]) -> None:
        """Wait for a client that reads slowly, but not for ever once the session has to end (INV-10)."""
        if self._deaf:
            writing.close()
        elif self._patience is not None:
            try:
                async with asyncio.timeout_at(self._patience):
                    await writing
            except TimeoutError:
                self._deaf = True
        else:
            await self._until_impatient(writing)

    async def _until_impatient(self, writing: Coroutine[Any, Any, None]) -> None:
        self._writing = task = asyncio.current_task()
        try:
            await writing
        except asyncio.CancelledError:
            if not self._out_of_patience or task is None or task.uncancel() > 0:
                raise
            self._deaf = True
        finally:
            self._writing = None

    async def _carry_out(self, todo: list[commands.Command]) -> None:
        todo.reverse()
        while todo:
            command = todo.pop()
            match command:
                case commands.ToClient():
                    self._to_client += command.data
                    if len(self._to_client) >= WRITE_AT:
                        await self._flush()
                case commands.ToServer():
                    self._to_server += command.data
                case commands.Record():
                    self._record(command.event)
                case commands.Judge():
                    todo += reversed(self._judge(command))
                    await self._let_others()
                case commands.Tell():
                    await self._tell(command)
                case commands.End():
                    self._end(command.cause, command.message)
                case _:
                    self._ask(command)

    async def _let_others(self) -> None:
        """Between two statements of a long pipeline other sessions have their turn."""
        if clock.monotonic() - self._turn_began > TURN_SECONDS:
            await asyncio.sleep(0)
            self._turn_began = clock.monotonic()
            self._parts.machine.note_policy(*self._parts.policy_now())

    def _ask(self, command: commands.Command) -> None:
        """Commands whose answer, if any, comes later."""
        self._commit()
        holds, tasks = self._parts.holds, self._group
        match command:
            case commands.Raise():
                tasks.create_task(self._hold(command))
            case commands.Withdraw(why=why):
                tasks.create_task(holds.withdraw(why))
            case commands.Consume():
                tasks.create_task(holds.consume(command, self.post))
            case commands.Finish(request=request):
                tasks.create_task(holds.finish(request))
            case commands.CancelServer():
                self._send()  # what it is meant for
                self._cancel_again = self._cancelling
                if not self._cancelling:
                    self._cancelling = True
                    tasks.create_task(self._cancel())
            case commands.CatalogChanged():
                self._parts.catalog_changed()
            case commands.Time(statement=number, seconds=seconds):
                self._stop_timer(number)
                loop = asyncio.get_running_loop()
                self._timers[number] = loop.call_later(seconds, self.post, events.TimeUp(number))
            case _:
                raise AssertionError(command)

    @property
    def _group(self) -> asyncio.TaskGroup:
        assert self._tasks is not None
        return self._tasks

    async def _hold(self, command: commands.Raise) -> None:
        with self._metrics.holding():
            await self._parts.holds.hold(command, self.post)

    async def _cancel(self) -> None:
        """Cancel what runs; nothing more is sent until the database has closed the cancel's connection.

        A cancel that is late would hit what comes next: another statement of the client's, or the gateway's own
        (THREATS 11). One at a time: a client that cancels over and over opens no more than one connection (INV-9).
        """
        database = self._parts.database
        while self._cancelling:
            self._cancel_again = False
            await upstream.cancel(self._parts.target, database.pid, database.secret)
            self._cancelling = False
            self._send()  # what another cancel that came meanwhile is meant for, too
            self._cancelling = self._cancel_again
        self._room.set()

    def _judge(self, command: commands.Judge) -> list[commands.Command]:
        began = clock.monotonic()
        try:
            verdict = self._parts.judge_now(command)
        except HoopError as problem:
            self._metrics.unjudged()
            return self._parts.machine.receive(_failed(command, problem))
        if verdict is None:
            self._group.create_task(self._judge_later(command, began))
            return []
        self._metrics.judged(clock.monotonic() - began)
        return self._parts.machine.receive(events.Judged(command.ticket, verdict))

    async def _judge_later(self, command: commands.Judge, began: float) -> None:
        try:
            verdict = await self._parts.judge_later(command)
        except HoopError as problem:
            self._metrics.unjudged()
            self.post(_failed(command, problem))
        else:
            self._metrics.judged(clock.monotonic() - began)
            self.post(events.Judged(command.ticket, verdict))

    def _record(self, event: Event) -> None:
        """Note the event; ``_commit`` writes it before anything goes out."""
        match event:
            case StatementStarted():
                self._started[event.statement] = clock.monotonic()
            case StatementFinished():
                self._stop_timer(event.statement)
                event = self._timed(event)
        try:
            self._parts.record.note(event)
        except (Unavailable, LimitExceeded) as problem:
            self._refuse_unrecorded(problem)
        self._metrics.saw(event)

    def _stop_timer(self, number: StatementNo) -> None:
        timer = self._timers.pop(number, None)
        if timer is not None:
            timer.cancel()

    def _timed(self, event: StatementFinished) -> StatementFinished:
        began = self._started.pop(event.statement, None)
        if began is None:
            return event
        took = (clock.monotonic() - began) * 1000
        return StatementFinished(
            event.statement, event.outcome, event.tag, event.rows, took, event.sqlstate, event.message, event.masked
        )

    def _commit(self) -> None:
        try:
            self._parts.record.commit()
        except Unavailable as problem:
            self._to_client.clear()  # it tells of what is not recorded
            self._refuse_unrecorded(problem)

    def _refuse_unrecorded(self, problem: HoopError) -> None:
        """What cannot be recorded does not run: nothing that was asked for after it is carried out."""
        self._to_server.clear()
        log.error("a session ends: its record cannot be written: %s", problem.message)
        self.cause, self.message = "gateway", problem.message
        self._to_client += _not_recorded(problem)
        raise SessionOver from None

    async def _tell(self, told: commands.Tell) -> None:
        self._commit()
        until = self._parts.holds.until if told.event == "held" else None
        line = SideBand(told.event, told.request, told.message, told.sql, told.waiting_for, until)
        await self._patiently(self._parts.pipe.tell(line))

    def _end(self, cause: str, message: str) -> None:
        self.cause, self.message = cause, message
        raise SessionOver


def _failed(command: commands.Judge, problem: HoopError) -> events.JudgingFailed:
    return events.JudgingFailed(command.ticket, problem.sqlstate, problem.message)


def _not_recorded(problem: HoopError) -> bytes:
    text = f"the session cannot be recorded and was ended: {problem.message}"
    return backend.make_error(ErrorFields("FATAL", "58030", text))
