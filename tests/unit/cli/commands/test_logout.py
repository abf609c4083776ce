"""logout, as a process."""

from pathlib import Path

from tests.fixtures.json_docs import documented
from tests.fixtures.scripted_gateway import TOKEN, ScriptedGateway
from tests.fixtures.started_hoopctl import RunHoopctl


async def test_it_forgets_the_tokens_though_the_gateway_is_away(
    run_hoopctl: RunHoopctl, signed_in_gateway: ScriptedGateway, hoopctl_home: Path
) -> None:
    await signed_in_gateway.stop()
    (line,) = (await run_hoopctl("logout", "--json")).lines
    assert line == {"event": "signed_out", "profile": "default", "sign_ins": 1}
    assert set(line) == documented("hoopctl logout")["signed_out"]
    kept = [path for path in hoopctl_home.rglob("*") if path.is_file() and TOKEN in path.read_text(errors="replace")]
    assert kept == []


async def test_another_gateways_sign_in_stays(run_hoopctl: RunHoopctl, signed_in_gateway: ScriptedGateway) -> None:
    assert (await run_hoopctl("logout", "--server", "elsewhere:1")).out == "Nobody was signed in.\n"
    assert (await run_hoopctl("whoami")).code == 0
    assert (await run_hoopctl("logout", "--server", signed_in_gateway.address)).out == "Signed out.\n"
    assert (await run_hoopctl("logout")).out == "Nobody was signed in.\n"
