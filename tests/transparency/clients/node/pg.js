// node-postgres: the conversations on standard input, each on a client of its own, told as lines of JSON.
const { readFileSync } = require("node:fs");
const { Client, Pool } = require("pg");
const Cursor = require("pg-cursor");
const copyStreams = require("pg-copy-streams");
const { pipeline } = require("node:stream/promises");
const { Readable } = require("node:stream");

const config = { ssl: false };
const FIELDS = ["severity", "code", "detail", "hint", "position", "internalPosition", "internalQuery", "where",
  "schema", "table", "column", "dataType", "constraint", "file", "line", "routine"];
const plain = (value) => String(JSON.stringify(value, (_, found) => typeof found === "bigint" ? `${found}n` : found));
const words = (problem) => problem.message;
const failure = (problem) => `${problem.name}: ${words(problem)} ${plain(FIELDS.map((name) => problem[name]))}`;
const result = (found) => [found.command, found.rowCount, found.fields.map((field) => [field.name, field.dataTypeID,
  field.format]), ...found.rows];

async function on(told, body, more = {}) {
  const client = new Client({ ...config, ...more });
  client.on("notice", (notice) => told.push(`notice ${failure(notice)}`));
  client.on("notification", (one) => told.push(`notification ${one.channel} ${one.payload}`));
  client.on("error", (problem) => told.push(`connection: ${problem.message}`));
  try {
    await client.connect();
    await body(client, told);
  } catch (problem) {
    told.push(failure(problem));
  } finally {
    await client.end().catch(() => {});
  }
}

const WAYS = {
  simple: (step) => ({ text: step.sql, values: step.params.length ? step.params : undefined, rowMode: "array" }),
  extended: (step) => ({ text: step.sql, values: step.params, rowMode: "array", queryMode: "extended" }),
  named: (step, number) => ({ name: `s${number}`, text: step.sql, values: step.params, rowMode: "array" }),
  binary: (step) => ({ text: step.sql, values: step.params, rowMode: "array", binary: true, queryMode: "extended" }),
};

async function conversation(told, way, steps) {
  await on(told, async (client) => {
    for (const [number, step] of steps.entries()) {
      told.push(`> ${step.sql} ${plain(step.params)}`);
      try {
        const found = await client.query(WAYS[way](step, number));
        for (const one of Array.isArray(found) ? found : [found]) told.push(...result(one).map(plain));
      } catch (problem) {
        told.push(failure(problem));
      }
    }
  });
}

const FEATURES = {
  cursor: (told) => on(told, async (client) => {
    const cursor = client.query(new Cursor("select n, n * 2 as twice from generate_series(1, $1::int) n", [250]));
    for (let rows = await cursor.read(100); rows.length; rows = await cursor.read(100)) told.push(plain(rows));
    await cursor.close();
  }),
  "cursor-closed-early": (told) => on(told, async (client) => {
    const cursor = client.query(new Cursor("select n from generate_series(1, 100000) n"));
    told.push(plain(await cursor.read(5)));
    await cursor.close();
    told.push(plain((await client.query("select 'goes on'")).rows));
  }),
  copies: (told) => on(told, async (client) => {
    const into = client.query(copyStreams.from("copy scratch from stdin with (format csv)"));
    await pipeline(Readable.from(["900,from node,1\n", "901,,2\n"]), into);
    told.push(plain(into.rowCount));
    let text = "";
    for await (const part of client.query(copyStreams.to("copy (select * from scratch order by id) to stdout"))) text += part;
    told.push(text, plain((await client.query("delete from scratch")).rowCount));
  }),
  pool: async (told) => {
    const pool = new Pool({ ...config, max: 3 });
    const found = await Promise.all([...Array(20).keys()].map((n) => pool.query("select $1::int as n", [n])));
    told.push(...found.map((one) => plain(one.rows)));
    await pool.end();
  },
  "many-at-once": (told) => on(told, async (client) => {
    const asked = [...Array(30).keys()].map((n) => client.query(n % 7 ? `select ${n}` : "select 1/0").then(
      (found) => plain(found.rows), failure));
    told.push(...await Promise.all(asked));
  }),
  "statement-timeout": (told) => on(told, async (client) => {
    await client.query("select pg_sleep(5)");
  }, { statement_timeout: 100 }),
  "startup/options": (told) => on(told, async (client) => {
    for (const name of ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "application_name"])
      told.push(plain((await client.query(`show ${name}`)).rows));
  }, { statement_timeout: 1000, lock_timeout: 900, idle_in_transaction_session_timeout: 800, application_name: "node" }),
  "startup/search-path": (told) => on(told, async (client) => {
    told.push(plain((await client.query("show search_path")).rows));
  }, { options: "-c search_path=other" }),
  "startup/database": (told) => on(told, async () => {}, { database: "other" }),
  "startup/wrong-password": (told) => on(told, async () => {}, { password: "wrong" }),
};

(async () => {
  const { conversations, ways } = JSON.parse(readFileSync(0, "utf8"));
  for (const way of ways)
    for (const [name, steps] of Object.entries(conversations)) {
      const told = [];
      await conversation(told, way, steps.map(([sql, params]) => ({ sql, params })));
      console.log(JSON.stringify([`${way}/${name}`, told]));
    }
  for (const [name, feature] of Object.entries(FEATURES)) {
    const told = [];
    await feature(told);
    console.log(JSON.stringify([`features/${name}`, told]));
  }
})();
