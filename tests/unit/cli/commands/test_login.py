"""login, and the way in and out again, as processes, against a real provider and a gateway over TLS."""

import asyncio
import sys
from pathlib import Path

import pexpect
import pytest

from hoopd.dev.oidc import LOGIN_CLIENT, DevProvider
from tests.fixtures.json_docs import documented
from tests.fixtures.oidc import ALL_SCOPES, confirm, post
from tests.fixtures.scripted_gateway import ScriptedGateway, make_certificates
from tests.fixtures.started_hoopctl import Done, RunHoopctl, StartHoopctl


@pytest.fixture
def gateway(scripted_gateway: ScriptedGateway, oidc_provider: DevProvider) -> ScriptedGateway:
    scripted_gateway.takes_any_token = True
    scripted_gateway.hello = {
        "issuer": oidc_provider.issuer,
        "client_id": LOGIN_CLIENT,
        "scopes": ALL_SCOPES.split(),
    }
    return scripted_gateway


async def sign_in(hoopctl: StartHoopctl, gateway: ScriptedGateway, provider: DevProvider, *more: str) -> Done:
    async with hoopctl("login", "--server", gateway.address, "--json", *more) as running:
        verify = await running.until("verify")
        await asyncio.to_thread(confirm, provider, verify["user_code"], "alice")
        return await running.done()


async def test_the_whole_way_in_and_out(
    hoopctl: StartHoopctl, run_hoopctl: RunHoopctl, gateway: ScriptedGateway, oidc_provider: DevProvider
) -> None:
    done = await sign_in(hoopctl, gateway, oidc_provider)
    assert done.code == 0, done.err
    verify, signed_in = done.lines
    assert {line["event"]: set(line) for line in done.lines} == documented("hoopctl login")
    assert verify["verification_uri"] == oidc_provider.verification_uri
    assert signed_in == {
        "event": "signed_in",
        "subject": "alice",
        "email": "alice@example.com",
        "groups": ["engineering"],
    }
    assert "files in" in done.err

    (who,) = (await run_hoopctl("whoami", "--json")).lines
    assert (who["email"], who["server"], who["profile"]) == ("alice@example.com", gateway.address, "default")
    listed = await run_hoopctl("connections", "--json")
    assert [line["name"] for line in listed.lines] == ["audit-db", "prod-db"]
    assert "prod-db" in (await run_hoopctl("connections")).out

    checks = await run_hoopctl("doctor", "--json")
    assert checks.code == 0, checks.out
    assert {line["name"]: line["ok"] for line in checks.lines}.items() >= {"gateway": True, "sign-in": True}.items()

    assert (await run_hoopctl("logout", "--json")).lines == [
        {"event": "signed_out", "profile": "default", "sign_ins": 1}
    ]
    after = await run_hoopctl("whoami", "--json")
    assert (after.code, after.lines[-1]["code"]) == (3, "not_signed_in")


async def test_a_profile_keeps_to_itself(
    hoopctl: StartHoopctl, run_hoopctl: RunHoopctl, gateway: ScriptedGateway, oidc_provider: DevProvider
) -> None:
    await sign_in(hoopctl, gateway, oidc_provider, "--profile", "one")
    assert (await run_hoopctl("whoami", "--profile", "one")).code == 0
    other = await run_hoopctl("whoami", "--profile", "two", HOOPCTL_SERVER=gateway.address)
    assert other.code == 3
    assert "Nobody is signed in" in other.err


async def test_a_token_goes_to_no_other_ca(
    hoopctl: StartHoopctl, run_hoopctl: RunHoopctl, gateway: ScriptedGateway, oidc_provider: DevProvider, tmp_path: Path
) -> None:
    """INV-7: a rogue gateway at the same address, even one whose CA was accepted, gets no token."""
    await sign_in(hoopctl, gateway, oidc_provider)
    await gateway.stop()
    rogue = ScriptedGateway(make_certificates(), takes_any_token=True, hello=gateway.hello, port=gateway.port)
    await rogue.start()
    refused = await run_hoopctl("whoami", "--json")
    assert refused.code == 6
    assert "may be another server" in refused.lines[0]["message"]
    (tmp_path / "rogue.pem").write_text(rogue.certificates.ca)
    async with hoopctl("login", "--json", "--ca", str(tmp_path / "rogue.pem")) as running:
        await running.until("verify")
    assert (await run_hoopctl("whoami", "--json")).code == 3
    await rogue.stop()


async def test_a_denied_sign_in_exits_4(
    hoopctl: StartHoopctl, gateway: ScriptedGateway, oidc_provider: DevProvider
) -> None:
    async with hoopctl("login", "--server", gateway.address, "--json") as running:
        verify = await running.until("verify")
        form = {"user_code": verify["user_code"], "user": "alice", "action": "deny"}
        await asyncio.to_thread(lambda: post(oidc_provider.verification_uri, **form))
        done = await running.done()
    assert (done.code, done.lines[-1]["code"]) == (4, "denied")


async def test_the_code_is_shown_to_a_person_with_its_link(
    hoopctl: StartHoopctl, gateway: ScriptedGateway, oidc_provider: DevProvider
) -> None:
    async with hoopctl("login", "--server", gateway.address) as running:
        said = await running.stderr_until("Waiting for you")
    assert oidc_provider.verification_uri in said
    assert running.process.stdout is not None


async def test_a_gateway_that_does_not_take_the_token_leaves_nothing_kept(
    hoopctl: StartHoopctl, run_hoopctl: RunHoopctl, gateway: ScriptedGateway, oidc_provider: DevProvider
) -> None:
    gateway.takes_any_token = False
    done = await sign_in(hoopctl, gateway, oidc_provider)
    assert (done.code, done.lines[-1]["event"]) == (3, "error")
    gateway.takes_any_token = True
    assert (await run_hoopctl("whoami", HOOPCTL_SERVER=gateway.address)).code == 3


async def test_login_needs_a_server_once(run_hoopctl: RunHoopctl) -> None:
    done = await run_hoopctl("login", "--json")
    assert (done.code, done.lines[0]["code"]) == (2, "usage")
    assert "--server" in done.lines[0]["hint"]


async def test_on_a_terminal_a_command_that_needs_a_sign_in_starts_one(
    hoopctl_home: Path, gateway: ScriptedGateway, oidc_provider: DevProvider
) -> None:
    def play() -> tuple[str, int]:
        arguments = ["-m", "hoopctl", "whoami", "--server", gateway.address]
        terminal = pexpect.spawn(sys.executable, arguments, encoding="utf-8", timeout=30, dimensions=(40, 120))
        terminal.expect(r"enter the code")
        terminal.expect(r"[A-Z]{4}-[A-Z]{4}")
        confirm(oidc_provider, str(terminal.after), "alice")
        terminal.expect(pexpect.EOF)
        terminal.close()
        return str(terminal.before), terminal.exitstatus

    said, code = await asyncio.to_thread(play)
    assert code == 0, said
    assert f"alice@example.com at {gateway.address}" in said


async def test_on_a_terminal_with_no_input_it_does_not(hoopctl_home: Path, gateway: ScriptedGateway) -> None:
    def play() -> tuple[str, int]:
        arguments = ["-m", "hoopctl", "whoami", "--no-input", "--server", gateway.address]
        terminal = pexpect.spawn(sys.executable, arguments, encoding="utf-8", timeout=30)
        terminal.expect(pexpect.EOF)
        terminal.close()
        return str(terminal.before), terminal.exitstatus

    said, code = await asyncio.to_thread(play)
    assert (code, "Nobody is signed in" in said) == (3, True)
