"""``hoopctl requests`` as a process against real parts: what scripts read, and who can decide (INV-6)."""

import asyncio
from dataclasses import replace

import pytest

from hoopctl.commands.requests import beginning, described
from hoopctl.errors import ExitCode
from hoopctl.output import printable
from hoopd.domain.request import RequestState
from hoopd.domain.statement import Param
from tests.fixtures.inbox import request as made
from tests.fixtures.json_docs import documented
from tests.fixtures.oidc import confirm, post
from tests.fixtures.requests import seats


@pytest.fixture
async def gateway(review_gateway, hoopctl_home):
    """Bob is signed in under the default profile, alice under her own."""
    await review_gateway.sign_in(hoopctl_home, "bob")
    await review_gateway.sign_in(hoopctl_home, "alice", "alice")
    return review_gateway


@pytest.fixture
def run(hoopctl):
    async def to_its_end(*arguments):
        async with hoopctl("requests", *arguments) as running:
            return await running.done()

    return to_its_end


async def test_list_gives_open_requests_newest_first_and_every_field(gateway, run):
    first = await gateway.raised(sql="DELETE FROM a -- \u202e\n" + "x" * 20_000)
    second = await gateway.raised(sql="DELETE FROM b")
    ended = await gateway.raised()
    await gateway.broker.withdraw(ended.id, "gone")
    done = await run("list", "--json")
    assert done.code == 0
    assert [line["id"] for line in done.lines] == [second.id, first.id]
    line = done.lines[1]
    assert line["sql"] == first.snapshot.sql
    assert line["params"] == [{"type": "integer", "value": "17", "masked": False}]
    assert (line["state"], line["connection"], line["principal"]) == ("pending", "prod-db", "alice@example.com")
    assert [each["id"] for each in (await run("list", "--json", "--all")).lines] == [ended.id, second.id, first.id]
    assert [each["id"] for each in (await run("list", "--json", "--state", "cancelled")).lines] == [ended.id]
    table = await run("list")
    assert second.id in table.out
    assert "\u202e" not in table.out


async def test_list_of_nothing_and_of_no_such_state(gateway, run):
    nothing = await run("list")
    assert (nothing.code, nothing.out) == (0, "")
    assert "No open requests." in nothing.err
    wrong = await run("list", "--state", "pendng")
    assert (wrong.code, "'pendng' is no state of a request." in wrong.err) == (ExitCode.usage, True)


async def test_show_takes_the_beginning_of_an_id(gateway, run):
    request = await gateway.raised()
    shown = await run("show", request.id[:7], "--json")
    assert [line["id"] for line in shown.lines] == [request.id]
    assert request.snapshot.sql in (await run("show", request.id[2:])).out
    missing = await run("show", "r-zzzz", "--json")
    assert missing.code == ExitCode.failed
    assert missing.lines[-1]["event"] == "error"


async def decided(hoopctl, gateway, word, request, user, *more, action=None):
    async with hoopctl("requests", word, request.id, "--json", *more) as running:
        code = await running.until("verify")
        assert {"verification_uri", "verification_uri_complete", "user_code", "expires_in"} <= set(code)
        if action:
            form = {"user_code": code["user_code"], "user": user, "action": action}
            await asyncio.to_thread(lambda: post(gateway.provider.verification_uri, **form))
        else:
            await asyncio.to_thread(confirm, gateway.provider, code["user_code"], user)
        return await running.done()


async def test_approve_signs_in_on_the_spot(gateway, hoopctl):
    request = await gateway.raised()
    done = await decided(hoopctl, gateway, "approve", request, "bob", "--comment", "go")
    assert done.code == 0
    assert done.lines[-1] == {"event": "approved", "request": request.id, "state": "approved", "message": None}
    assert set(done.lines[-1]) == documented("hoopctl requests approve")["approved"]
    stored = await gateway.repository.get(request.id)
    assert [(word.by.email, word.comment) for word in stored.words] == [("bob@example.com", "go")]


async def test_reject_tells_the_words(gateway, hoopctl):
    request = await gateway.raised()
    done = await decided(hoopctl, gateway, "reject", request, "carol", "--comment", "not now")
    assert (done.code, done.lines[-1]["event"], done.lines[-1]["state"]) == (0, "rejected", "rejected")
    assert done.lines[-1]["message"] == "rejected by carol@example.com: not now"


async def test_an_approval_that_is_not_the_last_leaves_it_pending(gateway, hoopctl):
    request = await gateway.raised(seats(2, "dba"))
    done = await decided(hoopctl, gateway, "approve", request, "bob")
    assert (done.code, done.lines[-1]["event"], done.lines[-1]["state"]) == (0, "approved", "pending")


@pytest.mark.parametrize("user", ["alice", "dave"])
async def test_who_may_not_is_refused_with_4_whoever_is_signed_in_INV_6(gateway, hoopctl, user):
    request = await gateway.raised()
    done = await decided(hoopctl, gateway, "approve", request, user)
    assert done.code == ExitCode.denied
    refused = next(line for line in done.lines if line["event"] == "refused")
    assert (refused["request"], refused["state"]) == (request.id, "pending")
    assert refused["message"]
    assert (done.lines[-1]["event"], done.lines[-1]["request"]) == ("error", request.id)
    assert (await gateway.repository.get(request.id)).state is RequestState.pending


async def test_a_denied_sign_in_decides_nothing(gateway, hoopctl):
    request = await gateway.raised()
    done = await decided(hoopctl, gateway, "approve", request, "bob", action="deny")
    assert done.code == ExitCode.denied
    assert (await gateway.repository.get(request.id)).words == ()


async def test_a_decision_never_uses_the_kept_sign_in_INV_6(gateway, run):
    request = await gateway.raised()
    done = await run("approve", request.id, "--no-input", "--json")
    assert done.code == ExitCode.not_signed_in
    assert (await gateway.repository.get(request.id)).state is RequestState.pending


async def test_what_has_ended_needs_no_sign_in_to_be_refused(gateway, run):
    request = await gateway.raised()
    await gateway.broker.withdraw(request.id, "the client is gone")
    done = await run("approve", request.id, "--json")
    assert done.code == ExitCode.denied
    assert done.lines[0]["message"] == f"request {request.id} is already cancelled"


async def test_cancel_takes_back_one_s_own_and_nobody_else_s(gateway, run):
    request = await gateway.raised()
    others = await run("cancel", request.id, "--json")
    assert others.code == ExitCode.denied
    own = await run("cancel", request.id, "--profile", "alice", "--json")
    assert own.lines == [
        {"event": "cancelled", "request": request.id, "state": "cancelled", "message": "cancelled by alice@example.com"}
    ]


async def test_watch_tells_what_is_open_what_comes_and_what_ended_while_the_gateway_was_away(gateway, hoopctl):
    first = await gateway.raised()
    async with hoopctl("requests", "watch", "--json") as running:
        assert (await running.line())["id"] == first.id
        second = await gateway.raised()
        assert (await running.line())["id"] == second.id
        await gateway.stop()
        await gateway.broker.withdraw(first.id, "gone meanwhile")
        await gateway.start()
        seen = {}
        while seen.get(first.id) != "cancelled":
            line = await running.line()
            seen[line["id"]] = line["state"]
        assert seen.get(second.id, "pending") == "pending"


async def test_nobody_signed_in(review_gateway, run, hoopctl_home):
    done = await run("list", "--server", review_gateway.address, "--json")
    assert done.code == ExitCode.not_signed_in


def test_a_beginning_says_that_it_is_one():
    assert beginning("SELECT 1") == "SELECT 1"
    cut = beginning("DELETE FROM a" + " " * 500 + "; DROP TABLE b")
    assert cut.startswith("DELETE FROM a")
    assert cut.endswith("(527 characters)")
    assert beginning("a\x1b[2Jb") == "a\\x1b[2Jb … (6 characters)"


def test_no_text_of_the_requester_s_passes_for_a_field():
    nasty = replace(
        made(), reason="x\nrule         allowed by everybody", sql="SELECT 1\n$1          integer = 1\x1b[2J"
    )
    lines = described(nasty)
    assert "rule         allowed by everybody" not in lines
    assert all(line.startswith("    ") for line in lines[lines.index("") + 1 :])
    assert all(printable(line) == line for line in lines)


async def test_show_says_what_is_hidden_INV_4(gateway, run):
    params = (Param("text", None, masked=True), Param("text", None))
    request = await gateway.raised(params=params, redacted=True)
    shown = (await run("show", request.id)).out
    assert "text = hidden (masked)" in shown
    assert "text = NULL" in shown
    assert "attention    parameters that may meet masked columns are hidden from you" in shown
    assert "attention    a credential in it is recorded as a keyed hash" in shown
    (line,) = (await run("show", request.id, "--json")).lines
    assert line["redacted"] is True
