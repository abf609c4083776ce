"""A small PostgreSQL: prepared statements, portals, transactions, errors that skip to Sync, and now and then a lie.

It knows what the messages of a conversation do to its tables and nothing of a gateway. Every message comes with the
authority that the oracle gave it when it went out; the server calls the oracle when it comes to run something, with
what it has under that name by then. Names are cut at 63 bytes, as the real one does.
"""

from __future__ import annotations

import random
import re
import struct
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from hoopd.pgwire import backend, frontend
from hoopd.pgwire.errors import ErrorFields, WireError
from hoopd.pgwire.framing import Frame, encode

SECRET = "5555-SECRET"
PLANTED = "delete from planted"
ROWS = 3
LEFT_OUT = {
    "late cancel": "a cancel that hits the gateway's own SHOW ends the session; the interpreter holds back what "
    "follows a cancel until it is over, so that none does",
}
"""What the machine does not withstand by itself. Conversations leave it out unless it is among their ``tricks``."""

_TEXT = 25
_PATH = "public"


class Witness(Protocol):
    """What the server reports to: raises when something runs that must not. It alone can read authorities."""

    def is_own(self, authority: object) -> bool: ...
    def query_runs(self, authority: object, path: str) -> None: ...
    def bind_runs(self, authority: object, text: str, path: str) -> None: ...
    def execute_runs(self, authority: object, bound: object) -> None: ...
    def named_runs(self, authority: object, what: str, text: str) -> None: ...
    def committed(self, authority: object, text: str, rows: int) -> None: ...


@dataclass(slots=True)
class Entry:
    """A prepared statement as the server has it."""

    text: str

    @property
    def parameters(self) -> int:
        return len(set(re.findall(r"\$\d+", self.text)))


@dataclass(slots=True)
class Cursor:
    """A portal. ``authority``: of the Bind that made it, None for one that code or DECLARE made."""

    entry: Entry
    authority: object
    left: int = ROWS
    holds: bool = False
    outlived: bool = False


class Failed(Exception):
    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


@dataclass
class ModelServer:
    """``receive`` takes what was sent to the database, ``work`` does one message of it, ``out`` is what comes back.

    ``tricks``: of ``LEFT_OUT``, what is done all the same.
    """

    choose: random.Random
    witness: Witness
    tricks: frozenset[str] = frozenset()
    lying: bool = False
    status: str = "I"
    path: str = _PATH
    local: str | None = None
    start_path: str = _PATH
    implicit: bool = False
    skipping: bool = False
    cancelled: bool = False
    active: str = ""
    to_cancel: object = None
    copying: bool = False
    copy_ends_query: bool = False
    statements: dict[str, Entry] = field(default_factory=dict)
    portals: dict[str, Cursor] = field(default_factory=dict)
    savepoints: list[tuple[str, str, str | None, frozenset[str], int]] = field(default_factory=list)
    changes: list[tuple[object, str, int]] = field(default_factory=list)
    """What the transaction has changed so far, and how many rows."""
    todo: deque[tuple[Frame, object]] = field(default_factory=deque)
    held: list[bytes] = field(default_factory=list)
    out: deque[bytes] = field(default_factory=deque)

    def receive(self, frame: Frame, authority: object) -> None:
        self.todo.append((frame, authority))

    def cancel(self) -> None:
        """A CancelRequest has come: it hits what the client has under way or, as a late one may, whatever runs next."""
        if "late cancel" in self.tricks:
            self.cancelled = True
            return
        running = [one for one in self.todo if one[0].kind in "QE"]
        self.to_cancel = next((one for one in running if not self.witness.is_own(one[1])), None)

    def work(self) -> None:
        """Do one message."""
        job = self.todo.popleft()
        self.active = ""
        self.cancelled = self.cancelled or job is self.to_cancel
        frame, authority = job
        if self.copying:
            self._copy_data(frame)
        elif frame.kind in "QPBDECSH" and (not self.skipping or frame.kind == "S"):
            try:
                getattr(self, f"_{frame.kind}")(frame, authority)
            except Failed as problem:
                self._fail(problem, frame.kind)
        if "late cancel" not in self.tricks:
            self.cancelled = False
        if frame.kind in "QSH" or self.choose.random() < 0.2:
            self.flush()

    def flush(self) -> None:
        self.out.extend(self.held)
        self.held.clear()

    def say(self, *messages: bytes) -> None:
        for message in messages:
            self.held.append(self._perhaps_a_lie(message) if self.lying else message)
        if self.choose.random() < 0.03:
            self.held.append(self._aside())

    @property
    def effective_path(self) -> str:
        return self.local or self.path

    # Lies, and what comes between messages

    def _perhaps_a_lie(self, message: bytes) -> bytes:
        if self.choose.random() > 0.1:
            return message
        match self.choose.randrange(6):
            case 0:
                return b""
            case 1:
                return message + message
            case 2:
                kind = self.choose.choice("12379ACDEGHIKNRSTVWZcdnstv?")
                return encode(kind, self.choose.randbytes(self.choose.randrange(12)))
            case 3:
                body = bytearray(message[5:])
                if body:
                    body[self.choose.randrange(len(body))] ^= 1 << self.choose.randrange(8)
                return encode(chr(message[0]), bytes(body))
            case 4:
                return encode(chr(message[0]), message[5 : self.choose.randrange(5, len(message) + 1)])
            case _:
                rows = [b"\0\1\0\0\0\1x", b"\0\2\xff\xff\xff\xff", b"\0\0"]
                return encode("D", self.choose.choice(rows))

    def _aside(self) -> bytes:
        match self.choose.randrange(3):
            case 0:
                return backend.make_notice(ErrorFields("NOTICE", "00000", "a word"))
            case 1:
                return backend.make_notification(7, "c", "payload")
            case _:
                return backend.make_parameter_status("TimeZone", "UTC")

    # Messages

    def _columns(self, text: str) -> list[str]:
        """The names of what a statement answers with; none where it gives no rows."""
        verb, _, name = text.partition(" ")
        if verb == "fetch" and name in self.portals:
            verb, _, name = (text := self.portals[name].entry.text).partition(" ")
        if verb == "execute" and name in self.statements:
            text = self.statements[name].text
        if text.startswith("select card"):
            return ["card"]
        return ["x"] if text.startswith(("select", "show")) else []

    def _Q(self, frame: Frame, authority: object) -> None:
        self.statements.pop("", None)
        self.witness.query_runs(authority, self.effective_path)
        self.copy_ends_query = True
        self._begin()
        parts = [normal(part) for part in frontend.read_query(frame.body).decode().split(";")]
        for text in [part for part in parts if part] or [""]:
            self._aborted(text)
            self._interrupted()
            columns = self._columns(text)
            if columns:
                self.say(_described(columns))
            self._run(text, Cursor(Entry(text), authority), 0)
            if self.copying:
                return
        self._ready()

    def _P(self, frame: Frame, authority: object) -> None:
        parse = frontend.read_parse(frame.body)
        name, text = _cut(parse.name), normal(parse.sql.decode())
        self._begin()
        if name == "":
            self.statements.pop("", None)
        if text.startswith(("nonsense", "hoopd refused")):
            raise Failed("42601", "syntax error")
        if ";" in text:
            raise Failed("42601", "cannot insert multiple commands into a prepared statement")
        self._aborted(text)
        if name in self.statements:
            raise Failed("42P05", "prepared statement already exists")
        if "plant()" in text:
            self._plant()
        self.statements[name] = Entry(text)
        self.say(encode("1"))

    def _B(self, frame: Frame, authority: object) -> None:
        bind = frontend.read_bind(frame.body)
        portal, entry = _cut(bind.portal), self.statements.get(_cut(bind.statement))
        self._begin()
        if entry is None:
            raise Failed("26000", "prepared statement does not exist")
        self._aborted(entry.text)
        if len(bind.values) != entry.parameters:
            raise Failed("08P01", "another number of parameters")
        if portal and portal in self.portals:
            raise Failed("42P03", "cursor already exists")
        self.witness.bind_runs(authority, entry.text, self.effective_path)
        if "plant()" in entry.text:
            self._plant()
        self.portals[portal] = Cursor(entry, authority)
        self.say(encode("2"))

    def _D(self, frame: Frame, authority: object) -> None:
        asked = frontend.read_describe(frame.body)
        name = _cut(asked.name)
        if asked.kind == "S":
            entry = self.statements.get(name)
            if entry is None:
                raise Failed("26000", "prepared statement does not exist")
            self.say(encode("t", struct.pack(f"!H{entry.parameters}I", entry.parameters, *[_TEXT] * entry.parameters)))
        else:
            cursor = self.portals.get(name)
            if cursor is None:
                raise Failed("34000", "portal does not exist")
            entry = cursor.entry
        columns = self._columns(entry.text)
        self.say(_described(columns) if columns else encode("n"))

    def _E(self, frame: Frame, authority: object) -> None:
        asked = frontend.read_execute(frame.body)
        cursor = self.portals.get(_cut(asked.portal))
        self._begin()
        if cursor is None:
            raise Failed("34000", "portal does not exist")
        self._aborted(cursor.entry.text)
        self.witness.execute_runs(authority, cursor.authority)
        self._interrupted()
        self.copy_ends_query = False
        self.active = _cut(asked.portal)
        self._run(cursor.entry.text, cursor, asked.max_rows)

    def _C(self, frame: Frame, authority: object) -> None:
        asked = frontend.read_close(frame.body)
        (self.statements if asked.kind == "S" else self.portals).pop(_cut(asked.name), None)
        self.say(encode("3"))

    def _S(self, frame: Frame, authority: object) -> None:
        self.skipping = False
        self._ready()

    def _H(self, frame: Frame, authority: object) -> None:
        pass

    # Running

    def _run(self, text: str, cursor: Cursor, limit: int) -> None:
        """One statement, down to its CommandComplete."""
        verb, _, rest = text.partition(" ")
        if verb == "":
            self.say(encode("I"))
        elif verb in ("execute", "fetch"):
            self._by_name(verb, rest, cursor, limit)
        elif verb in ("select", "show"):
            self._rows(text, cursor, limit)
        elif verb == "copy":
            self._copy(text, cursor)
        elif verb in ("insert", "update", "delete"):
            rows = self.choose.randrange(10)
            self.changes.append((cursor.authority, text, rows))
            self.say(_complete(f"{verb} {'0 ' if verb == 'insert' else ''}{rows}"))
        else:
            getattr(self, f"_run_{verb}", self._run_nothing)(rest)
            self.say(_complete(text))

    def _rows(self, text: str, cursor: Cursor, limit: int) -> None:
        if "1/0" in text:
            raise Failed("22012", "division by zero")
        if "plant()" in text:
            self._plant()
        value = SECRET if text.startswith("select card") else self.effective_path if text.startswith("show") else "v"
        if text == "show client_min_messages":
            value = "notice"
        if text == "show role":
            value = "none"
        one = text.startswith("show") or "from" not in text
        count = min(1 if one else ROWS, cursor.left, limit if limit > 0 else ROWS)
        cursor.left -= count
        self.say(*[backend.make_data_row([value.encode()])] * count)
        suspended = 0 < limit <= count
        self.say(encode("s") if suspended else _complete(f"{text.split()[0]} {count}"))

    def _by_name(self, verb: str, name: str, cursor: Cursor, limit: int) -> None:
        """What stands behind the name by now is what runs."""
        if verb == "fetch":
            named = self.portals.get(name)
            if named is None:
                raise Failed("34000", "cursor does not exist")
            text = named.entry.text
        else:
            entry = self.statements.get(name)
            if entry is None:
                raise Failed("26000", "prepared statement does not exist")
            text, named = entry.text, cursor
        if verb == "fetch" and text.startswith("execute"):  # it begins to run now, and looks its name up
            text = self.statements.get(text.split()[1], Entry("")).text
        self.witness.named_runs(cursor.authority, f"{verb} {name}", text)
        first = text.partition(" ")[0]
        if verb == "fetch" and first != "select":
            raise Failed("55000", "not a portal to fetch from")
        if first in ("execute", "fetch", "copy", ""):
            raise Failed("54001", "stack depth limit exceeded")
        self._run(text, named, limit)

    def _run_nothing(self, rest: str) -> None:
        """Whatever has no part in what is looked at here."""

    def _run_do(self, rest: str) -> None:
        self._plant()

    def _plant(self) -> None:
        """What code of the database can do to names: other statements and cursors under them."""
        self.statements[self.choose.choice(["s1", "s2"])] = Entry(PLANTED)
        portal = self.choose.choice(["p1", "p2"])
        if portal != self.active:  # the server refuses to drop a portal that runs
            self.portals[portal] = Cursor(Entry(PLANTED), None)

    def _run_begin(self, rest: str) -> None:
        self.status = "T"

    def _run_commit(self, rest: str) -> None:
        failed = self.status == "E"
        if failed:
            self._back()
        self._end(kept=not failed)

    def _run_rollback(self, rest: str) -> None:
        if not rest:
            self._back()
            self._end()
            return
        at = next((i for i, kept in enumerate(self.savepoints) if kept[0] == rest.split()[-1]), None)
        if at is None:
            raise Failed("3B001", "savepoint does not exist")
        del self.savepoints[at + 1 :]
        _, self.path, self.local, portals, changes = self.savepoints[at]
        del self.changes[changes:]
        self.portals = {name: cursor for name, cursor in self.portals.items() if name in portals}
        self.status = "T"

    def _run_savepoint(self, rest: str) -> None:
        if self.status != "T":
            raise Failed("25P01", "SAVEPOINT can only be used in transaction blocks")
        self.savepoints.append((rest, self.path, self.local, frozenset(self.portals), len(self.changes)))

    def _run_set(self, rest: str) -> None:
        value = rest.rpartition("=")[2].strip()
        if "search_path" not in rest:
            return
        if rest.startswith("local"):
            self.local = value
        else:
            self.path, self.local = value, None

    def _run_deallocate(self, rest: str) -> None:
        if rest == "all":
            self.statements.clear()
        elif self.statements.pop(rest, None) is None:
            raise Failed("26000", "prepared statement does not exist")

    def _run_discard(self, rest: str) -> None:
        if self.status != "I":
            raise Failed("25001", "DISCARD ALL cannot run inside a transaction block")
        self.statements.clear()
        self.portals.clear()
        self.path, self.local = _PATH, None

    def _run_close(self, rest: str) -> None:
        if rest == "all":
            self.portals.clear()
        elif self.portals.pop(rest, None) is None:
            raise Failed("34000", "cursor does not exist")

    def _run_prepare(self, rest: str) -> None:
        name, _, text = rest.partition(" as ")
        if name in self.statements:
            raise Failed("42P05", "prepared statement already exists")
        self.statements[name] = Entry(text)

    def _run_declare(self, rest: str) -> None:
        head, _, text = rest.partition(" for ")
        name, holds = head.split()[0], head.endswith("with hold")
        if self.status != "T" and not holds:
            raise Failed("25P01", "DECLARE CURSOR can only be used in transaction blocks")
        if name in self.portals:
            raise Failed("42P03", "cursor already exists")
        self.portals[name] = Cursor(Entry(text), None, holds=holds)

    # COPY

    def _copy(self, text: str, cursor: Cursor) -> None:
        if text.endswith("stdin"):
            self.changes.append((cursor.authority, text, 1))
            self.copying = True
            self.say(encode("G", b"\0\0\1\0\0"))
            self.flush()
            return
        self.say(encode("H", b"\0\0\1\0\0"), encode("d", b"v\n"), encode("c"), _complete("COPY 1"))

    def _copy_data(self, frame: Frame) -> None:
        if frame.kind in "dHS":
            return
        self.copying = False
        ends_query = self.copy_ends_query
        if frame.kind == "c":
            self.say(_complete("COPY 1"))
        else:
            self._fail(Failed("57014", "COPY from stdin failed"), "E")
            self.skipping = not ends_query
        if ends_query:
            self._ready()
        self.flush()

    # Transactions

    def _begin(self) -> None:
        if self.status == "I" and not self.implicit:
            self.implicit = True
            self.start_path = self.path

    def _end(self, *, kept: bool = False) -> None:
        """The end of a transaction, whichever way: what is local to it is gone. ``kept``: it is committed."""
        self.status, self.implicit, self.local = "I", False, None
        if kept:
            for change in self.changes:
                self.witness.committed(*change)
        self.changes.clear()
        runs = [one for one in self.portals.values() if kept and one.holds and not one.outlived]
        self.portals = {n: one for n, one in self.portals.items() if one.outlived or (kept and one.holds)}
        for cursor in runs:  # its query runs to its end now
            cursor.outlived = True
            if "plant()" in cursor.entry.text:
                self._plant()
        self.savepoints.clear()

    def _back(self) -> None:
        self.path, self.local = self.start_path, None

    def _ready(self) -> None:
        if self.status == "I":
            self._end(kept=True)
        self.say(backend.make_ready(self.status))

    def _aborted(self, text: str) -> None:
        if self.status == "E" and not text.startswith(("commit", "rollback")):
            raise Failed("25P02", "current transaction is aborted")
        if text.startswith(("nonsense", "hoopd refused")):
            raise Failed("42601", "syntax error")

    def _interrupted(self) -> None:
        if self.cancelled:
            self.cancelled = False
            raise Failed("57014", "canceling statement due to user request")

    def _fail(self, problem: Failed, kind: str) -> None:
        self.say(backend.make_error(ErrorFields("ERROR", problem.sqlstate, str(problem), detail=f"Key is {SECRET}")))
        if self.status == "T":
            self.status = "E"
        elif self.status == "I":
            self._back()
            self._end()
        if kind == "Q":
            self._ready()
        else:
            self.skipping = True


def normal(text: str) -> str:
    """A text as this server reads it: without case, end or remark."""
    text = text.removesuffix("/* hoopd */").strip().rstrip(";").lower()
    return "" if text.startswith("--") else text


def frames_of(data: bytes) -> list[Frame]:
    """Cut whole messages, by another way than the gateway's own reader."""
    found = []
    while data:
        (length,) = struct.unpack_from("!I", data, 1)
        if length < 4 or len(data) < length + 1:
            raise WireError("08P01", "not whole messages")
        found.append(Frame(chr(data[0]), data[5 : length + 1]))
        data = data[length + 1 :]
    return found


def _cut(name: str) -> str:
    return name.encode()[:63].decode("utf-8", "ignore")


def _described(columns: list[str]) -> bytes:
    body = struct.pack("!H", len(columns))
    for name in columns:
        body += name.encode() + b"\0" + struct.pack("!IhIhih", 0, 0, _TEXT, -1, -1, 0)
    return encode("T", body)


def _complete(text: str) -> bytes:
    return encode("C", text.upper().encode() + b"\0")
