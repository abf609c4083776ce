"""doctor, as a process: what is well, what is not, and what to do."""

from tests.fixtures.json_docs import documented
from tests.fixtures.scripted_gateway import ScriptedGateway
from tests.fixtures.started_hoopctl import RunHoopctl


async def test_all_is_well(run_hoopctl: RunHoopctl, signed_in_gateway: ScriptedGateway) -> None:
    done = await run_hoopctl("doctor", "--json")
    assert done.code == 0, done.out
    names = ["version", "psql", "secrets", "gateway", "certificate", "sign-in"]
    assert [line["name"] for line in done.lines] == names
    assert all(set(line) == documented("hoopctl doctor")["check"] for line in done.lines)
    assert all(line["ok"] for line in done.lines if line["needed"])


async def test_a_gateway_that_is_away_is_named_with_what_to_do(
    run_hoopctl: RunHoopctl, signed_in_gateway: ScriptedGateway
) -> None:
    await signed_in_gateway.stop()
    done = await run_hoopctl("doctor")
    assert done.code == 6
    assert f"FAIL  gateway: The gateway is out of reach at {signed_in_gateway.address}" in done.out


async def test_nobody_signed_in_is_told_without_asking(
    run_hoopctl: RunHoopctl, scripted_gateway: ScriptedGateway
) -> None:
    done = await run_hoopctl("doctor", HOOPCTL_SERVER=scripted_gateway.address)
    assert done.code == 3
    assert "FAIL  sign-in: Nobody is signed in" in done.out


async def test_a_missing_psql_is_a_note(run_hoopctl: RunHoopctl, signed_in_gateway: ScriptedGateway) -> None:
    done = await run_hoopctl("doctor", PATH="/nowhere")
    assert done.code == 0
    assert "note  psql: not found on PATH" in done.out
