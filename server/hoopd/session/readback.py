"""The session's settings, read back from the server after whatever could have changed them.

By gateway-named statements in the extended protocol: a simple Query would drop the client's unnamed statement, and a
SELECT would take the transaction's snapshot; SHOW does neither (DESIGN.md section 4).
"""

from __future__ import annotations

from hoopd.pgwire import backend, frontend
from hoopd.session.core import Core
from hoopd.session.state import Move, Phase
from hoopd.session.tables import OWN_PREFIX, ExpectSetting, ExpectSync

NOTICES = "client_min_messages"
SETTINGS = (NOTICES, "search_path", "role")
_NAME = OWN_PREFIX + "show"


def open_session(core: Core) -> None:
    """The first read-back, before the client is told that the session is ready."""
    _ask(core)
    _sync(core)


def when_due(core: Core) -> None:
    """Between transactions' messages: everything is answered, the server is idle or in a transaction."""
    if not core.read_back_due or core.state.transaction == "E":
        return
    core.go(Move.read_back)
    _ask(core)
    _sync(core)


def drained(core: Core) -> None:
    """In the middle of a pipeline: everything sent so far is answered, and no Sync of ours may come."""
    core.barrier_ahead = core.limited_ahead = False
    if not core.read_back_due or core.state.transaction == "E":
        core.go(Move.drained)
        return
    core.go(Move.read_back)
    _ask(core)
    core.to_server(frontend.FLUSH)


def learned(core: Core, expect: ExpectSetting) -> None:
    """One setting's value has come."""
    if expect.value is None:
        core.end("gateway", f"the session's {expect.setting} could not be read back", sqlstate="XX000")
        return
    if "\v" in expect.value:  # a blank to some versions of the server and part of a name to others
        core.end("gateway", f"a vertical tab in {expect.setting} is refused by the gateway", sqlstate="0A000")
        return
    if expect.setting == NOTICES:
        core.notice_level = expect.value
    else:
        core.set_state(**{expect.setting: expect.value})
    if not core.expected and core.phase is Phase.reading_back:
        _finished(core)


def done(core: Core) -> None:
    """The gateway's own Sync was answered."""
    if core.phase is Phase.opening:
        core.to_client(backend.make_ready(core.state.transaction))
        core.go(Move.opened)
        return
    _finished(core)


def _finished(core: Core) -> None:
    core.read_back_due = False
    if core.state.transaction == "I" and not core.unsynced:
        core.notice_level_local = False
    if core.state.transaction == "I" and not core.unsynced:
        core.set_state(settings_local=False)
    core.go(Move.was_read)


def _ask(core: Core) -> None:
    for setting in SETTINGS:
        core.expected.append(ExpectSetting(setting))
        core.to_server(
            frontend.make_parse(_NAME, f"SHOW {setting}".encode())
            + frontend.make_bind(_NAME, _NAME)
            + frontend.make_execute(_NAME)
            + frontend.make_close("P", _NAME)
            + frontend.make_close("S", _NAME)
        )


def _sync(core: Core) -> None:
    core.expected.append(ExpectSync(own=True))
    core.to_server(frontend.SYNC)
