"""COPY over the client's connection (PostgreSQL documentation, 54.2.6): streams that are hashed, counted and passed on.

Copy data goes to the server only after its CopyInResponse to a COPY that was decided (INV-1), and what comes in is not
seen by those who approved: it is bounded by what their request said. Where a stream is refused, a CopyFail of the
gateway's own ends it, so that PostgreSQL itself fails the statement; its error is replaced by ours (INV-8).
"""

from __future__ import annotations

from hoopd.pgwire import backend, frontend
from hoopd.pgwire.errors import ErrorFields
from hoopd.pgwire.framing import Frame
from hoopd.session import bounding
from hoopd.session.copy_data import APPROVED_BYTES, APPROVED_ROWS, BinaryTuples, Copied, Lines
from hoopd.session.core import Core
from hoopd.session.refusal import error
from hoopd.session.results import UnplannedResult
from hoopd.session.state import Move, Phase
from hoopd.session.tables import ExpectQuery, Running
from hoopd.sql.facts import Copying

BINARY_PIECE = 1024 * 1024
"""Counting its rows takes a while, in which no other session has its turn (INV-9)."""
_CUT = "the gateway refused the data"


def begun(core: Core, running: Running, frame: Frame) -> bool:
    """CopyInResponse or CopyOutResponse. False where the statement that runs is no such COPY."""
    incoming = frame.kind == "G"
    wanted = Copying.from_client if incoming else Copying.to_client
    if running.judged.facts.copies is not wanted or running.copied is not None:
        return False
    plan = running.judged.plan
    if plan.in_force and not plan.unmasked:
        raise UnplannedResult("COPY would carry values that are masked: it was withheld")
    binary = backend.read_copy_response(frame.body)
    bounded = incoming and running.request is not None
    counter = (BinaryTuples() if binary else Lines()) if bounded else None
    running.copied = Copied(incoming, binary, counter=counter)
    if not incoming:
        running.relay.describe_copy()
    core.to_client(frame.data)
    if incoming:
        core.go(Move.copy_in)
    return True


def outgoing(core: Core, running: Running, frame: Frame) -> bool:
    """CopyData or CopyDone from the server. False where nothing is being copied out."""
    copied = running.copied
    if copied is None or copied.incoming:
        return False
    if running.row_limited and frame.kind == "d" and bounding.cut(core, running, len(frame.body)):
        return True
    if running.over is not None:
        return True
    if frame.kind == "d":
        copied.take(frame.body)
        running.relay.copied_row(frame.body, binary=copied.binary)
        core.rows_due(running, last=False)
    core.to_client(frame.data)
    return True


def forward(core: Core, frame: Frame) -> None:
    """The client's next message while the server reads its data."""
    running = current(core)
    copied = running.copied
    assert copied is not None
    match frame.kind:
        case "d" if copied.counter is not None and copied.binary and len(frame.body) > BINARY_PIECE:
            text = f"a piece of a binary COPY that was approved has {BINARY_PIECE} bytes at most"
            _refuse(core, copied, error("54000", text))
        case "d":
            copied.take(frame.body)
            refusal = _over(running, copied)
            if refusal is not None:
                _refuse(core, copied, refusal)
            else:
                core.to_server(frame.data)
        case "c" | "f":
            core.to_server(frame.data)
            _over_to_the_server(core)
        case "H":
            return  # as the server does, for clients that send it behind the COPY itself
        case "S":
            # Likewise; but a COPY that fails before it reads anything leaves it for the server to answer.
            copied.synced = copied.synced or copied.size == 0
        case "X":
            core.end("client", "the client ended the session")
        case _:
            text = f"unexpected message type 0x{ord(frame.kind):02X} during COPY from stdin"
            _refuse(core, copied, error("08P01", text))


def current(core: Core) -> Running:
    """The COPY that is under way."""
    return next(one for one in core.under_way() if one.copied is not None and one.copied.incoming)


def failed(core: Core, running: Running) -> None:
    """The server has ended the COPY by an error: what still comes of its data is passed over."""
    if core.phase is not Phase.copying:
        return
    if isinstance(core.expected[0], ExpectQuery):
        core.go(Move.copied_in_query)
    elif running.copied is not None and running.copied.synced and running.copied.size == 0:
        core.put_back(Frame("S", b""))


def _over(running: Running, copied: Copied) -> ErrorFields | None:
    if running.request is None or (copied.rows <= APPROVED_ROWS and copied.size <= APPROVED_BYTES):
        return None
    text = f"COPY brings more than was approved: {APPROVED_ROWS} rows and {APPROVED_BYTES} bytes at most"
    return error("54000", text, hint="send the data in several COPY statements, each approved by itself")


def _refuse(core: Core, copied: Copied, refusal: ErrorFields) -> None:
    copied.refusal = refusal
    core.to_server(frontend.make_copy_fail(_CUT))
    _over_to_the_server(core)


def _over_to_the_server(core: Core) -> None:
    """No more data comes: the server's answer is next."""
    if isinstance(core.expected[0], ExpectQuery):
        core.go(Move.copied_in_query)
        return
    core.to_server(frontend.FLUSH)  # it would keep the answer until the client's Sync, which waits for it
    core.go(Move.copied_in_portal)
