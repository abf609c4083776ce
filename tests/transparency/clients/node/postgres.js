// postgres (postgres.js), which pipelines: the conversations on standard input, told as lines of JSON.
const { readFileSync } = require("node:fs");
const postgres = require("postgres");

const FIELDS = ["severity", "code", "detail", "hint", "position", "internal_position", "internal_query",
  "where", "schema_name", "table_name", "column_name", "type_name", "constraint_name", "file", "line", "routine"];
const plain = (value) => String(JSON.stringify(value, (_, found) => typeof found === "bigint" ? `${found}n` : found));
// It names its statements by chance.
const words = (problem) => problem.message.replace(/prepared statement "\w+"/, "prepared statement <name>");
const failure = (problem) => `${problem.name}: ${words(problem)} ${plain(FIELDS.map((name) => problem[name]))}`;
const result = (found) => [found.command, found.count, found.columns?.map((one) => [one.name, one.type]), ...found];

function connect(told, more = {}) {
  const { PGHOST: host, PGPORT: port, PGUSER: user, PGPASSWORD: password, PGDATABASE: database } = process.env;
  return postgres({ host, port, user, password, database, max: 1, ssl: false, idle_timeout: 0, max_lifetime: null,
    onnotice: (notice) => told.push(`notice ${failure(notice)}`), ...more });
}

const WAYS = {
  prepared: [{}, {}],
  unprepared: [{ prepare: false }, {}],
  simple: [{}, { simple: true }],
};

async function conversation(told, way, steps) {
  const [connecting, how] = WAYS[way];
  const sql = connect(told, connecting);
  for (const [text, params] of steps) {
    told.push(`> ${text} ${plain(params)}`);
    try {
      let asked = sql.unsafe(text, params.length ? params : [], { prepare: connecting.prepare !== false });
      if (how.simple && !params.length) asked = asked.simple();
      const found = await asked.values();
      for (const one of how.simple && Array.isArray(found[0]?.columns) ? found : [found]) told.push(...result(one).map(plain));
    } catch (problem) {
      told.push(failure(problem));
    }
  }
  await sql.end({ timeout: 5 });
}

const FEATURES = {
  types: async (sql, told) => told.push(...result(await sql`select * from everything order by id`).map(plain)),
  transactions: async (sql, told) => {
    await sql.begin("isolation level serializable", async (work) => {
      told.push(plain(await work`insert into scratch ${work([{ id: 1, note: "a" }, { id: 2, note: "b" }])} returning *`));
      await work.savepoint((inner) => inner`insert into scratch (id) values (1)`).catch((problem) => told.push(failure(problem)));
      told.push(plain(await work`delete from scratch returning id`));
    });
    await sql.begin((work) => work`select 1/0`).catch((problem) => told.push(failure(problem)));
  },
  cursor: async (sql, told) => {
    await sql`select n from generate_series(1, 500) n`.cursor(120, (rows) => { told.push(plain(rows)); });
    for await (const rows of sql`select n from generate_series(1, 10000) n`.cursor(10)) {
      told.push(plain(rows));
      break;
    }
    told.push(plain(await sql`select 'goes on' as it`));
  },
  pipelined: async (sql, told) => {
    const asked = [...Array(40).keys()].map((n) => (n % 9 ? sql`select ${n}::int as n` : sql`select 1/${0}::int`).then(plain, failure));
    told.push(...await Promise.all(asked));
  },
  describe: async (sql, told) => {
    const { types, columns } = await sql`select * from people where id = ${1}`.describe();
    told.push(plain([types, columns]));
  },
  cancelled: async (sql, told) => {
    const asked = sql`select pg_sleep(20)`;
    setTimeout(() => asked.cancel(), 300);
    await asked.catch((problem) => told.push(failure(problem)));
    told.push(plain(await sql`select 'goes on' as it`));
  },
  notifications: async (sql, told) => {
    const heard = [];
    const { unlisten } = await sql.listen("from_js", (payload) => heard.push(payload));
    await sql.notify("from_js", "one");
    while (!heard.length) await new Promise((next) => setImmediate(next));
    told.push(...heard);
    await unlisten();
  },
};

(async () => {
  const { conversations, ways } = JSON.parse(readFileSync(0, "utf8"));
  for (const way of ways)
    for (const [name, steps] of Object.entries(conversations)) {
      const told = [];
      await conversation(told, way, steps);
      console.log(JSON.stringify([`${way}/${name}`, told]));
    }
  for (const [name, feature] of Object.entries(FEATURES)) {
    const told = [];
    const sql = connect(told);
    try {
      await feature(sql, told);
    } catch (problem) {
      told.push(failure(problem));
    }
    await sql.end({ timeout: 5 });
    console.log(JSON.stringify([`features/${name}`, told]));
  }
  for (const [name, more] of [["search-path", { connection: { search_path: "other" } }], ["database", { database: "other" }],
    ["wrong-password", { password: "wrong" }]]) {
    const told = [];
    const sql = connect(told, more);
    await sql`show search_path`.then((found) => told.push(plain(found)), (problem) => told.push(failure(problem)));
    await sql.end({ timeout: 5 });
    console.log(JSON.stringify([`startup/${name}`, told]));
  }
})();
