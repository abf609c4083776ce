"""The story, step by step. Each step runs the real thing, shows what it said, and holds it against the truth."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hoopctl.demo.processes import AtTerminal, Command, at_terminal, command
from hoopctl.demo.stage import Actor, Options, Stage, shown
from hoopctl.errors import HoopctlError

READ = "select id, full_name, email, card_number from customers order by id limit 3"
DELETE = "delete from orders where id in (1001, 1002)"
UPDATE = "update orders set status = 'refunded' where id = 1003"
DROP = "drop table orders"


class StepFailed(HoopctlError):
    """A step did not show what it should."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One command of a step, as it was typed, and what it said. ``by`` is who typed it."""

    by: str
    command: str
    output: str


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was told: its title, and what was shown."""

    number: int
    title: str
    shown: tuple[Shown, ...]


class Story:
    """Tells itself to ``tell``, one step at a time."""

    def __init__(self, stage: Stage, options: Options, tell: Callable[[Step], None]) -> None:
        self._stage = stage
        self._reviewer = options.reviewer
        self._tell = tell
        self._shown: list[Shown] = []
        self._session = ""
        self._number = 0

    def run(self) -> None:
        """All of it. Raises StepFailed, with the step's number and title, at the first that fails."""
        for title, step in (
            ("Three people sign in, each with a code on another screen", self._sign_in),
            ("Alice reads customers: what is personal comes masked", self._masked),
            ("Alice deletes two orders: held, shown to a reviewer, approved, run", self._held),
            ("Inside a transaction a reviewer says no, and PostgreSQL aborts it", self._rejected),
            ("Nobody drops a table", self._denied),
            ("Dave finds it all again, and replays the session", self._audited),
            ("And the record proves to be whole", self._verified),
        ):
            self._number += 1
            self._shown = []
            try:
                step()
            except StepFailed as problem:
                raise self._at(title, problem.message) from None
            except HoopctlError as problem:
                raise self._at(title, problem.message) from None
            self._tell(Step(self._number, title, tuple(self._shown)))

    def _at(self, title: str, message: str) -> StepFailed:
        said = "\n".join(f"$ {each.command}\n{each.output}" for each in self._shown)
        return StepFailed(f"step {self._number} ({title}) did not show what it should: {message}", hint=said or None)

    # The steps

    def _sign_in(self) -> None:
        for name in ("alice", self._reviewer, "dave"):
            if name not in self._stage.actors:
                self._stage.sign_in(name)
            said = self._run(name, "hoopctl", "whoami")
            _expect(f"{name}@" in said, f"the gateway does not take {name} for {name}")

    def _masked(self) -> None:
        said = self._run("alice", "hoopctl", "connect", "prod-db", "--", "psql", "-c", READ)
        truth = self._stage.truth("select card_number, email from customers order by id limit 3")
        _expect(len(truth) == 3, "the sample database has no customers")
        for row in truth:
            card, email = row.split("|")
            _expect(card not in said, "a card number came out unmasked")
            _expect(email not in said, "an e-mail address came out unmasked")
            _expect(card[-4:] in said, "the rows are not those that were asked for")

    def _held(self) -> None:
        count = "select count(*) from orders where id in (1001, 1002)"
        _expect(self._stage.truth(count) == ["2"], "the orders to be deleted are not there")
        with self._in_background("alice", "hoopctl", "connect", "prod-db", "--", "psql", "-c", DELETE) as psql:
            request = _request(psql)
            _expect(self._stage.truth(count) == ["2"], "the statement ran before anybody approved it")
            self._approve(request)
            _expect(psql.wait() == 0, f"psql failed: {psql.text.strip()}")
            self._show("alice", psql, "hoopctl", "connect", "prod-db", "--", "psql", "-c", DELETE)
        _expect("DELETE 2" in psql.text, "psql was not told what it deleted")
        _expect(self._stage.truth(count) == ["0"], "the approved statement did not run")

    def _approve(self, request: str) -> None:
        bob = self._stage.actors[self._reviewer]
        (row,) = [row for row in self._json(bob.name, "requests", "list") if row["id"] == request]
        _expect(bool(row["can_decide"]), f"{bob.name} cannot decide on it: {row['cannot_decide_because']}")
        with at_terminal(bob.argv("review"), bob.environ) as inbox:
            screen = inbox.until(request)
            self._shown.append(Shown(bob.name, "hoopctl review", screen))
            inbox.press("a")
            inbox.until("Enter confirms")
            inbox.press("two test orders, fine\r")
            code = _code(inbox)
            self._stage.confirm_code(code, bob.name)
            self._shown.append(Shown(bob.name, "hoopctl review", inbox.until("approved")))

    def _rejected(self) -> None:
        status = "select status from orders where id = 1003"
        before = self._stage.truth(status)
        statements = ("begin", UPDATE, "select 1", "rollback")
        words = [word for sql in statements for word in ("-c", sql)]
        with self._in_background("alice", "hoopctl", "connect", "prod-db", "--", "psql", *words) as psql:
            request = _request(psql)
            said = self._decide("reject", request, "ask finance first")
            _expect('"rejected"' in said, f"the rejection was not taken: {said}")
            psql.wait()
            self._show("alice", psql, "hoopctl", "connect", "prod-db", "--", "psql", *words)
        _expect("ask finance first" in psql.text, "the reviewer's words did not reach the client")
        _expect("current transaction is aborted" in psql.text, "PostgreSQL did not abort the transaction")
        _expect(self._stage.truth(status) == before, "the rejected statement ran")

    def _denied(self) -> None:
        said = self._run("alice", "hoopctl", "connect", "prod-db", "--", "psql", "-c", DROP, fails=True)
        _expect("migration" in said, "the policy's words did not reach the client")
        _expect(self._stage.truth("select count(*) > 0 from orders") == ["t"], "the table is gone")

    def _audited(self) -> None:
        rows = self._json("dave", "audit", "search", "orders", "--user", "alice@example.com", "--limit", "50")
        outcomes = {row["sql"]: row["outcome"] for row in rows}
        wanted = {DELETE: "done", UPDATE: "rejected", DROP: "denied"}
        _expect({sql: outcomes.get(sql) for sql in wanted} == wanted, f"the record tells another story: {outcomes}")
        self._run("dave", "hoopctl", "audit", "search", "orders")
        self._session = next(row["session"] for row in rows if row["sql"] == DELETE)
        said = self._run("dave", "hoopctl", "audit", "replay", self._session, "--no-wait")
        _expect(DELETE in said and "DELETE 2" in said, "the replayed session does not show the statement")

    def _verified(self) -> None:
        said = self._run("dave", "hoopctl", "audit", "verify")
        whole = re.search(rf"^ok +{re.escape(self._session)} ", said, re.MULTILINE)
        _expect(whole is not None, f"the session {self._session} was not found whole")

    # Doing things

    def _run(self, name: str, *words: str, fails: bool = False) -> str:
        actor = self._actor(name)
        with command(actor.argv(*words[1:]), actor.environ) as running:
            code = running.wait()
            self._show(name, running, *words)
        _expect((code != 0) == fails, f"`{shown(words)}` ended with exit code {code}")
        return running.text

    def _json(self, name: str, *words: str) -> list[dict[str, Any]]:
        actor = self._actor(name)
        with command(actor.argv("--json", *words), actor.environ, merged=False) as running:
            code = running.wait()
        _expect(code == 0, f"`hoopctl {shown(words)}` ended with exit code {code}: {running.text.strip()}")
        return [json.loads(line) for line in running.text.splitlines()]

    def _decide(self, verdict: str, request: str, comment: str) -> str:
        actor = self._actor(self._reviewer)
        words = ("--json", "requests", verdict, request, "--comment", comment)
        with command(actor.argv(*words), actor.environ, merged=False) as deciding:
            self._stage.confirm(deciding.event("verify"), actor.name)
            deciding.wait()
            self._show(actor.name, deciding, "hoopctl", *words)
        return deciding.text

    @contextlib.contextmanager
    def _in_background(self, name: str, *words: str) -> Iterator[Command]:
        actor = self._actor(name)
        with command(actor.argv(*words[1:]), actor.environ) as running:
            yield running

    def _show(self, name: str, running: Command, *words: str) -> None:
        self._shown.append(Shown(name, shown(words), running.text.rstrip("\n")))

    def _actor(self, name: str) -> Actor:
        return self._stage.actors[name]


def _request(psql: Command) -> str:
    found = re.search(r"\br-[a-z2-7]{8}\b", psql.until("held as"))
    if found is None:
        raise StepFailed("the statement was held without a request")
    return found.group()


def _code(inbox: AtTerminal) -> str:
    found = re.search(r"user_code=([A-Z0-9]{4}-[A-Z0-9]{4})", inbox.until("user_code="))
    if found is None:
        raise StepFailed("the inbox shows no code to sign in with")
    return found.group(1)


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise StepFailed(otherwise)
