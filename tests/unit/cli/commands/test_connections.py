"""connections, as a process."""

from tests.fixtures.json_docs import documented
from tests.fixtures.scripted_gateway import ScriptedGateway
from tests.fixtures.started_hoopctl import RunHoopctl


async def test_a_line_for_each_with_the_fields_of_the_page(
    run_hoopctl: RunHoopctl, signed_in_gateway: ScriptedGateway
) -> None:
    lines = (await run_hoopctl("connections", "--json")).lines
    assert [(line["name"], line["access"]) for line in lines] == [("audit-db", "review"), ("prod-db", "allow")]
    assert all(set(line) == documented("hoopctl connections")["one for each"] for line in lines)


async def test_a_table_for_people_without_escapes_of_others(
    run_hoopctl: RunHoopctl, signed_in_gateway: ScriptedGateway
) -> None:
    signed_in_gateway.connections = {"prod\x1b[31m-db": "allow"}
    done = await run_hoopctl("connections")
    assert "prod\\x1b[31m-db" in done.out
    assert "env=production" in done.out
    assert "\x1b" not in done.out


async def test_none_at_all_is_said_and_is_no_error(run_hoopctl: RunHoopctl, signed_in_gateway: ScriptedGateway) -> None:
    signed_in_gateway.connections = {}
    done = await run_hoopctl("connections")
    assert (done.code, done.out, done.err) == (0, "", "There is no connection that you may open.\n")
