"""The settings that `hoopctl connect` prints for Cursor, used as Cursor uses them: by the real MCP server and by the
client library of SQLTools.

Runs where Node.js is, and the packages are installed in the directory that HOOP_NODE_MODULES names:
`npm install --prefix DIR @bytebase/dbhub@VERSION pg`, then `HOOP_NODE_MODULES=DIR/node_modules`. Skipped elsewhere.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hoopctl.tunnel.local import DBHUB, LocalEnd
from tests.fixtures.stack import Person, Tunnel

CARDS = "select id, email, card_number from customers order by id limit 2"
MASKED = [("1", "o****@example.com", "****1606"), ("2", "z****@example.com", "****7281")]

# What the PostgreSQL driver of SQLTools does with the fields of a connection: they become those of a node-postgres
# pool, `pgOptions` among them but for `ssl`, and a text is sent as it is.
SQLTOOLS = """
const { Pool } = require(process.argv[1]);
const given = JSON.parse(process.env.SETTINGS)["sqltools.connections"][0];
const { ssl, ...options } = given.pgOptions || {};
const { database, port, password } = given;
const pool = new Pool({ ...options, database, port, password, host: given.server, user: given.username });
(async () => {
  const client = await pool.connect();
  for (const text of process.argv.slice(2)) {
    const answer = await client.query({ text, rowMode: "array" }).catch((e) => ({ error: e.message, code: e.code }));
    console.log(JSON.stringify({ rows: answer.rows, error: answer.error, code: answer.code }));
  }
  client.release();
  await pool.end();
})();
"""


NODE_MODULES = Path(os.environ.get("HOOP_NODE_MODULES") or "/nowhere")


def lacking() -> str | None:
    """What these tests need and is not here."""
    about = NODE_MODULES / "@bytebase/dbhub/package.json"
    if shutil.which("node") is None:
        return "there is no node"
    if not about.is_file():
        return f"HOOP_NODE_MODULES names no directory with @bytebase/dbhub@{DBHUB} and pg"
    found = json.loads(about.read_text(encoding="utf-8"))["version"]
    return None if found == DBHUB else f"HOOP_NODE_MODULES has @bytebase/dbhub {found}, and {DBHUB} is printed"


pytestmark = [
    pytest.mark.xdist_group("stack"),
    pytest.mark.skipif(lacking() is not None, reason=str(lacking())),
]


def local_end(tunnel: Tunnel) -> LocalEnd:
    ready = {name: value for name, value in tunnel.ready.items() if name not in ("event", "dsn")}
    return LocalEnd(**ready)


class McpServer:
    """An MCP server on its standard input and output: JSON-RPC 2.0, a message on each line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._numbers = itertools.count(1)

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self._process.stdin.flush()

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._send({"id": number, "method": method, "params": params})
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            if message.get("id") == number:
                found: dict[str, Any] = message["result"]
                return found
        raise AssertionError("the MCP server has ended")

    def start(self) -> None:
        about = {"name": "test", "version": "1"}
        self.ask("initialize", protocolVersion="2024-11-05", capabilities={}, clientInfo=about)
        self._send({"method": "notifications/initialized"})

    def sql(self, text: str) -> dict[str, Any]:
        """What the tool `execute_sql` answers."""
        found = self.ask("tools/call", name="execute_sql", arguments={"sql": text})
        answer: dict[str, Any] = json.loads(found["content"][0]["text"])
        return answer


@contextlib.contextmanager
def mcp_server(local: LocalEnd, errors: Path) -> Iterator[McpServer]:
    """The server of the printed mcp.json, with its arguments and environment; npx would find the same file."""
    (settings,) = json.loads(local.mcp_settings())["mcpServers"].values()
    command = [settings["command"], *settings["args"]]
    assert command[:3] == ["npx", "-y", f"@bytebase/dbhub@{DBHUB}"]
    program = NODE_MODULES / ".bin/dbhub"
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            ["node", str(program), *command[3:]],
            env={**os.environ, **settings["env"]},
            cwd=errors.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        try:
            server = McpServer(process)
            server.start()
            yield server
        finally:
            process.terminate()


def test_the_mcp_server_of_the_printed_settings_reads_masked_rows(tunnel: Tunnel, tmp_path: Path) -> None:
    with mcp_server(local_end(tunnel), tmp_path / "stderr") as server:
        tools = {tool["name"] for tool in server.ask("tools/list")["tools"]}
        assert {"execute_sql", "search_objects"} <= tools
        rows = server.sql(CARDS)["data"]["rows"]
        assert [(row["id"], row["email"], row["card_number"]) for row in rows] == MASKED
        refused = server.sql("drop table orders")
        assert (refused["success"], "use a migration" in refused["error"]) == (False, True)
        masked = server.sql("select upper(email) from customers")
        assert "public.customers.email is masked" in masked["error"]


def test_a_change_by_an_mcp_server_is_held_and_comes_back_when_it_is_approved(
    tunnel: Tunnel, bob: Person, tmp_path: Path
) -> None:
    with (
        mcp_server(local_end(tunnel), tmp_path / "stderr") as server,
        concurrent.futures.ThreadPoolExecutor(1) as pool,
    ):
        change = "update orders set status = 'paid' where id = 35 returning id, status"
        running = pool.submit(server.sql, change)
        bob.decide(tunnel.held())
        assert running.result(60)["data"]["rows"] == [{"id": "35", "status": "paid"}]


def test_the_client_of_sqltools_with_the_printed_settings_reads_masked_rows(tunnel: Tunnel) -> None:
    done = subprocess.run(
        ["node", "-e", SQLTOOLS, str(NODE_MODULES / "pg"), CARDS, "drop table orders"],
        env={**os.environ, "SETTINGS": local_end(tunnel).editor_settings()},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    read, refused = (json.loads(line) for line in done.stdout.splitlines())
    assert [tuple(row) for row in read["rows"]] == MASKED
    assert refused["code"] == "42501"
