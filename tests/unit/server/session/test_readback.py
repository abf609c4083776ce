"""Settings read back from the server, as transcripts."""

from __future__ import annotations

from hoopd.sql.facts import Effect
from tests.unit.server.session.play import Play, complete, facts, query, ready, verdict


def test_settings_are_read_back_after_what_may_change_them() -> None:
    """DESIGN section 4: by gateway-named statements in the extended protocol, before the next message is judged."""
    with Play() as play:
        play.client(query("set search_path = x")).skip()
        play.judged(verdict(facts("set search_path = x", "set", effects=frozenset({Effect.session}), barrier=True)))
        play.skip().server(complete("SET"), ready()).client(query("select 1"))
        said = play.said()
        assert said[:3] == ["record StatementFinished done", "client C SET", "client Z I"]
        assert "server P hoopd_show SHOW search_path" in said
        assert not [line for line in said if line.startswith("judge")]
        play.read_back(path="x").server(ready())
        assert play.said() == ["judge select 1"]
        assert play.machine.state.search_path == "x"
