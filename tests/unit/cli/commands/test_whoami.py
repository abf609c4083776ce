"""whoami, as a process."""

import pytest

from tests.fixtures.json_docs import documented
from tests.fixtures.scripted_gateway import ScriptedGateway
from tests.fixtures.started_hoopctl import RunHoopctl


async def test_it_says_who_the_gateway_takes_one_for(
    run_hoopctl: RunHoopctl, signed_in_gateway: ScriptedGateway
) -> None:
    done = await run_hoopctl("whoami")
    assert done.code == 0, done.err
    first, second, third = done.out.splitlines()
    assert (first, second) == (f"alice@example.com at {signed_in_gateway.address}", "groups: engineering")
    assert third.startswith("signed in until 2096-")


async def test_its_line_is_that_of_the_page(run_hoopctl: RunHoopctl, signed_in_gateway: ScriptedGateway) -> None:
    (line,) = (await run_hoopctl("whoami", "--json")).lines
    assert set(line) == documented("hoopctl whoami")["one object"]
    assert (line["subject"], line["groups"], line["profile"]) == ("alice", ["engineering"], "default")


@pytest.mark.parametrize("flags", [["--json"], ["--no-input"], []])
async def test_without_a_sign_in_and_a_terminal_it_exits_3(
    run_hoopctl: RunHoopctl, scripted_gateway: ScriptedGateway, flags: list[str]
) -> None:
    done = await run_hoopctl("whoami", *flags, HOOPCTL_SERVER=scripted_gateway.address)
    assert done.code == 3
    assert "Nobody is signed in" in done.out + done.err


async def test_a_token_that_is_no_longer_taken_exits_3(
    run_hoopctl: RunHoopctl, signed_in_gateway: ScriptedGateway
) -> None:
    signed_in_gateway.tokens.clear()
    done = await run_hoopctl("whoami", "--json")
    assert (done.code, done.lines[0]["code"]) == (3, "not_signed_in")
