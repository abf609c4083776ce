"""What clients send: pipelines of every message there is, with names and texts that meet, mutated and cut at times."""

from __future__ import annotations

import random
import struct

from hoopd.pgwire import frontend
from hoopd.pgwire.framing import encode

TEXTS = (
    "select 1", "select name from things", "select $1::text", "insert into things values ($1, $2)",
    "delete from things",
    "update things set name = 'x'", "select 1/0", "select card from people", "", ";", "  -- nothing", "nonsense",
    "begin", "commit", "rollback", "savepoint a", "rollback to a", "begin", "commit",
    "set search_path = support", "set local search_path = hidden", "show search_path", "set application_name = 'x'",
    "do 'plant'", "select plant()", "do 'plant'", "deallocate s1", "deallocate all", "discard all", "close p1",
    "close all",
    "create table made (id int)", "create temp table things (id int)", "drop table things",
    "prepare s1 as select 2", "prepare s2 as delete from things", "execute s1", "execute s2",
    "declare p1 cursor for select name from things", "declare p2 cursor with hold for select name from things",
    "prepare s1 as select card from people", "declare p1 cursor with hold for select plant()", "fetch p1", "fetch p2",
    "prepare s1 as select 2; execute s1; deallocate s1", "begin; declare p1 cursor for select 1; fetch p1; close p1",
    "copy things from stdin", "copy things to stdout", "listen c", "notify c",
    "select 1; select 2", "begin; delete from things; commit", "set search_path = support; select name from things",
    "do 'plant'; execute s1",
)  # fmt: skip
LONG = "n" * 63
STATEMENTS = ("", "s1", "s1", "s2")
PORTALS = ("", "", "p1", "p2")
WILD = (LONG + "a", LONG + "b", LONG, "hoopd_show", "hoopd_refused", "hoopd_")
BEGIN = ("Q begin",)
PREPARED = ("P s1 select name from things", "S")
SCENES = (
    # a statement, code that could replace it, a pipeline that fails before it comes to it
    (*PREPARED, "Q do 'plant'", "P s2 select 1/0", "B - s2", "E -", "B - s1", "E -", "S", "B - s1", "E -", "S"),
    (*PREPARED, "Q begin", "Q do 'plant'", "B - s1", "E -", "S", "B p1 s1", "E p1", "S", "Q commit"),
    (*PREPARED, "P s2 select plant()", "S", "B - s2", "S", "B - s1", "E -", "S", "B - s1", "E -", "S"),
    # a portal, and what could be in its place
    (*BEGIN, *PREPARED, "B p1 s1", "E p1 1", "S", "Q do 'plant'", "E p1", "S", "Q rollback"),
    (*BEGIN, *PREPARED, "Q savepoint a", "B p1 s1", "E p1 1", "S", "Q rollback to a",
     "Q declare p1 cursor for select card from people", "E p1", "S", "Q commit"),
    (*BEGIN, *PREPARED, "B p1 s1", "E p1 1", "S", "E p1 1", "S", "E p1", "S", "Q commit"),
    # names that go, and come back
    (*PREPARED, "C s1", "B - s1", "E -", "S"),
    (*PREPARED, "P - deallocate s1", "B - -", "E -", "B - s1", "E -", "S",
     "P s1 delete from things", "B - s1", "E -", "S"),
    (*PREPARED, "Q deallocate s1", "Q prepare s1 as delete from things", "B - s1", "E -", "S", "Q execute s1"),
    (f"P {LONG}a select 1", f"P {LONG}b delete from things", "S", f"B - {LONG}b", "E -", "S",
     f"B - {LONG}a", "E -", "S"),
    ("P hoopd_show delete from things", "B hoopd_show hoopd_show", "E hoopd_show", "S", "Q set search_path = support"),
    # what changes the meaning of what follows
    ("P - set search_path = support", "B - -", "E -", "P - select name from things", "B - -", "E -", "S", "Q select 1"),
    ("P - set local search_path = hidden", "B - -", "E -", "P - select 1", "B - -", "E -", "S", "Q delete from things"),
    ("Q begin", "Q set local search_path = hidden", "Q select name from things", "Q commit",
     "Q select name from things"),
    ("P - begin", "B - -", "E -", "P s2 delete from things", "B - s2", "E -", "S", "P - commit", "B - -", "E -", "S"),
    # what SQL makes by name, and what it means by the time that it runs
    ("Q prepare s1 as select 2", "P s2 execute s1", "S", "B p1 s2", "C s1",
     "P - prepare s1 as delete from things", "B - -", "E -", "E p1", "S"),
    (*BEGIN, "Q prepare s1 as select 2", "P s2 execute s1", "S", "B p1 s2", "S", "Q deallocate s1",
     "Q prepare s1 as delete from things", "E p1", "S", "Q commit"),
    (*BEGIN, "Q declare p1 cursor for select name from things", "P s2 fetch p1", "S", "B p2 s2", "S", "Q close p1",
     "Q declare p1 cursor for select card from people", "E p2", "S", "Q commit"),
    (*BEGIN, "Q declare p1 cursor with hold for select plant()", "Q prepare s1 as select 2",
     "Q prepare s2 as select 2", "Q commit", "Q execute s1", "Q execute s2", "B - s1", "E -", "S"),
    (*BEGIN, "Q savepoint a", "Q declare p1 cursor for select 1", "Q rollback to a",
     "Q declare p1 cursor for select card from people", "Q fetch p1", "Q commit", "Q fetch p1"),
    ("P s1 do 'plant'", "S", "Q execute s1", "Q execute s2", "Q prepare s2 as select 2", "Q execute s2"),
    (*BEGIN, *PREPARED, "P s2 execute s1", "S", "B p1 s2", "S", "Q deallocate s1", "Q prepare s1 as select 2",
     "Q fetch p1", "Q commit"),
    ("Q copy things from stdin", "d", "d", "c", "Q select 1", "Q copy things to stdout"),
    # a portal that is closed, or replaced, while what was sent to it is not yet answered
    ("Q prepare s1 as select 2", "P - deallocate s1", "S", "K -", "B - -", "E -", "S",
     "P - prepare s1 as delete from things", "S", "K -", "B - -", "E -", "S", "Q execute s1"),
    (*PREPARED, "B - s1", "E -", "B - s1", "E -", "K -", "B - s1", "E -", "S"),
    (*BEGIN, *PREPARED, "B p1 s1", "E p1", "K p1", "B p1 s1", "E p1", "S", "Q commit"),
    ("P - select 1", "P - select name from things", "S", "P - select 1", "P - select name from things", "B - -", "E -",
     "S"),
)  # fmt: skip
FAVOURED = 0.7
"""How often a conversation takes a text of its own few, so that what it sends has to do with what it sent before."""


class Client:
    """One conversation's client: ``stream`` gives its bytes."""

    def __init__(self, choose: random.Random) -> None:
        self._choose = choose
        self._texts = choose.sample(TEXTS, 5)

    def stream(self) -> bytes:
        """The whole of what the client sends, its last Sync included."""
        choose = self._choose
        messages = self._scene() if choose.random() < 0.3 else []
        messages += [message for _ in range(choose.randint(1, 10 - bool(messages) * 7)) for message in self._turn()]
        if choose.random() < 0.15:
            messages = self._disordered(messages)
        if choose.random() < 0.15:
            at = choose.randrange(len(messages))
            messages[at] = self._mutated(messages[at])
        data = b"".join(messages)
        if choose.random() < 0.03:
            return data[: choose.randrange(len(data))]
        return data

    def _scene(self) -> list[bytes]:
        """A story that means something, told wrong now and then."""
        choose, lines = self._choose, list(self._choose.choice(SCENES))
        if choose.random() < 0.3:
            del lines[choose.randrange(len(lines))]
        made = [message_of(line) for line in lines]
        if choose.random() < 0.3:
            at = choose.randrange(len(made) + 1)
            made[at:at] = self._step()
        return made

    def _turn(self) -> list[bytes]:
        """What a driver sends without waiting: a Query, or a pipeline."""
        choose = self._choose
        if choose.random() < 0.35:
            return [frontend.make_query(self._text().encode())]
        steps = [step for _ in range(choose.randint(1, 4)) for step in self._step()]
        return [*steps, frontend.SYNC] if choose.random() < 0.7 else steps

    def _step(self) -> list[bytes]:
        choose, statement, portal = self._choose, self._name(STATEMENTS), self._name(PORTALS)
        match choose.randrange(16):
            case 0 | 1 | 2 | 12 | 13 | 14:
                text = self._text()
                values = text.count("$")
                parts = [self._parse(statement, text), bind(portal, statement, ["v"] * values, choose.randrange(2))]
                return [*parts, frontend.make_describe("P", portal), self._execute(portal)][: choose.randint(2, 4)]
            case 3:
                return [self._parse(statement, self._text())]
            case 4 | 5:
                return [bind(portal, statement, ["v"] * choose.choice((0, 0, 0, 1, 2)), 0), self._execute(portal)]
            case 6:
                return [self._execute(portal)]
            case 7:
                return [frontend.make_describe(choose.choice("SP"), choose.choice((statement, portal)))]
            case 8:
                return [frontend.make_close("S", statement)]
            case 9:
                return [frontend.make_close("P", portal)]
            case 10:
                return [choose.choice((frontend.FLUSH, frontend.SYNC))]
            case 15:  # a driver that prepares the same statement each time
                text = self._text()
                each = [self._parse("", text), bind("", "", ["v"] * text.count("$"), 0), self._execute("")]
                return [*each, frontend.SYNC] * choose.randint(2, 3)
            case _:
                return [self._odd()]

    def _odd(self) -> bytes:
        choose = self._choose
        match choose.randrange(7):
            case 0 | 1 | 2:
                return encode(choose.choice("dcf"), b"1\tx\n\0")
            case 3:
                return encode("F", struct.pack("!IHHH", 1598, 0, 0, 0))
            case 4:
                return frontend.TERMINATE if choose.random() < 0.3 else frontend.FLUSH
            case 5:
                kind = chr(choose.randrange(256)) if choose.random() < 0.1 else choose.choice("QPBDEC")
                return encode(kind, choose.randbytes(choose.randrange(20)))
            case _:
                return encode("d", b"x" * choose.randrange(300))

    def _name(self, usual: tuple[str, ...]) -> str:
        return self._choose.choice(WILD if self._choose.random() < 0.03 else usual)

    def _text(self) -> str:
        return self._choose.choice(self._texts if self._choose.random() < FAVOURED else TEXTS)

    def _parse(self, name: str, text: str) -> bytes:
        return frontend.make_parse(name, text.encode())

    def _execute(self, portal: str) -> bytes:
        rows = self._choose.choice((0, 0, 1, 2, 0xFFFFFFFF))
        return encode("E", portal.encode() + b"\0" + struct.pack("!I", rows))

    def _disordered(self, messages: list[bytes]) -> list[bytes]:
        choose, made = self._choose, list(messages)
        for _ in range(choose.randint(1, 3)):
            one, other = choose.randrange(len(made)), choose.randrange(len(made))
            made[one], made[other] = made[other], made[one]
        if choose.random() < 0.5:
            made.insert(choose.randrange(len(made)), choose.choice(made))
        return made

    def _mutated(self, message: bytes) -> bytes:
        """A byte changed (of the length too, which spoils the framing), or the body cut with the length kept true."""
        choose, made = self._choose, bytearray(message)
        if choose.random() < 0.5:
            return encode(chr(made[0]), bytes(made[5 : choose.randrange(5, len(made) + 1)]))
        made[choose.randrange(len(made))] = choose.randrange(256)
        return bytes(made)


def message_of(line: str) -> bytes:
    """A line of a scene: the kind of message, then names (``-`` is the empty one), then a text or a number of rows."""
    kind, *words = line.split(" ", 2)
    names = ["" if word == "-" else word for word in words]
    match kind:
        case "Q":
            return frontend.make_query(" ".join(words).encode())
        case "P":
            return frontend.make_parse(names[0], words[1].encode())
        case "B":
            return bind(names[0], names[1], [], 0)
        case "E":
            return encode("E", names[0].encode() + b"\0" + struct.pack("!I", int(words[1]) if words[1:] else 0))
        case "C":
            return frontend.make_close("S", names[0])
        case "K":
            return frontend.make_close("P", names[0])
        case _:
            return encode(kind, b"x\n" if kind == "d" else b"")


def bind(portal: str, statement: str, values: list[str], code: int) -> bytes:
    """A Bind with its values as text, and results in format ``code``."""
    body = portal.encode() + b"\0" + statement.encode() + b"\0" + struct.pack("!HH", 0, len(values))
    for value in values:
        body += struct.pack("!I", len(value.encode())) + value.encode()
    return encode("B", body + struct.pack("!HH", 1, code))
