// The query engine that prisma-client-py starts: its flags and its HTTP protocol, before the very
// same engine built as WebAssembly, which npm has and the binaries' host alone has otherwise.
//
//   query-engine --version
//   query-engine -p PORT --enable-metrics --enable-raw-queries

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { PrismaPg } from "@prisma/adapter-pg";
import { bindAdapter } from "@prisma/driver-adapter-utils";
import { pool, settings, unreachable } from "./database.mjs";
import { modelsOf, toGraphql, toJson } from "./translation.mjs";

const require = createRequire(import.meta.url);
const runtime = join(dirname(require.resolve("@prisma/client/package.json")), "runtime");
const glue = require(join(runtime, "query_engine_bg.postgresql.js"));

function load() {
  const module = new WebAssembly.Module(readFileSync(join(runtime, "query_engine_bg.postgresql.wasm")));
  const instance = new WebAssembly.Instance(module, { "./query_engine_bg.js": glue });
  glue.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start?.();
}

class Engine {
  constructor(url, datamodel) {
    this.there = settings(url);
    this.models = modelsOf(datamodel);
    this.pool = pool(this.there);
    this.adapter = bindAdapter(new PrismaPg(this.pool, { schema: this.there.schema }));
    const options = {
      datamodel,
      logLevel: "error",
      logQueries: false,
      env: { ...process.env, DATABASE_URL: url },
      configDir: process.cwd(),
      engineProtocol: "json",
      ignoreEnvVarErrors: false,
      overrideDatasources: {},
    };
    this.wasm = new glue.QueryEngine(options, (line) => console.error(line), this.adapter);
  }

  async connect() {
    (await this.pool.connect()).release(); // as the binary does: no engine without a database
    await this.wasm.connect("{}");
  }

  async ask(request, transaction) {
    const answer = JSON.parse(await this.wasm.query(JSON.stringify(request), "{}", transaction));
    return this.told(answer);
  }

  async change(method, ...args) {
    const answer = JSON.parse(await this.wasm[method](...args, "{}"));
    return answer.error_code ? { errors: [this.explained({ error: answer.message, user_facing_error: answer })] } : answer;
  }

  told(answer) {
    if (answer.batchResult) return { ...answer, batchResult: answer.batchResult.map((each) => this.told(each)) };
    return answer.errors ? { ...answer, errors: answer.errors.map((each) => this.explained(each)) } : answer;
  }

  // What the driver threw is kept beside the engine, which only has its number (P2036).
  explained(error) {
    const facing = error.user_facing_error;
    if (facing?.error_code !== "P2036") return error;
    const thrown = this.adapter.errorRegistry.consumeError(facing.meta.id)?.error;
    const known = unreachable(thrown, this.there);
    return { ...error, error: `${known.message} (${thrown})`, user_facing_error: known };
  }
}

async function answer(engine, method, path, text, transaction) {
  if (path === "/status") return { status: "ok" };
  const [, word, id, verb] = path.split("/");
  if (method !== "POST") return undefined;
  if (path === "/transaction/start") {
    const { timeout, max_wait, isolation_level } = JSON.parse(text);
    return engine.change("startTransaction", JSON.stringify({ timeout, max_wait, isolation_level }));
  }
  if (word === "transaction") return engine.change(`${verb}Transaction`, id);
  const body = JSON.parse(text);
  if (!body.batch) {
    const asked = toJson(body.query, engine.models);
    return toGraphql(asked, await engine.ask(asked.request, transaction));
  }
  const all = body.batch.map((each) => toJson(each.query, engine.models));
  const request = { batch: all.map((each) => each.request), transaction: body.transaction ? {} : undefined };
  const told = await engine.ask(request, transaction);
  if (!told.batchResult) return told;
  return { ...told, batchResult: told.batchResult.map((each, index) => toGraphql(all[index], each)) };
}

function serve(engine, port) {
  const server = createServer(async (request, response) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    let status = 200;
    let body;
    try {
      const text = Buffer.concat(pieces).toString();
      body = await answer(engine, request.method, request.url, text, request.headers["x-transaction-id"]);
      if (body === undefined) [status, body] = [404, {}];
    } catch (error) {
      console.error(error);
      [status, body] = [500, { is_panic: false, message: String(error), backtrace: null }];
    }
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(body));
  });
  server.keepAliveTimeout = 600_000; // the client keeps its connections: do not close one under it
  server.listen(port, "127.0.0.1");
}

const { values: flags } = parseArgs({
  options: {
    version: { type: "boolean" },
    port: { type: "string", short: "p" },
    "enable-metrics": { type: "boolean" },
    "enable-raw-queries": { type: "boolean" },
  },
});
process.title = "query-engine";
load();
if (flags.version) {
  console.log(`query-engine ${glue.getBuildTimeInfo().commit}`);
} else {
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(0));
  const override = process.env.OVERWRITE_DATASOURCES && JSON.parse(process.env.OVERWRITE_DATASOURCES)[0].url;
  const datamodel = readFileSync(process.env.PRISMA_DML_PATH, "utf8");
  const engine = new Engine(override || process.env.DATABASE_URL, datamodel);
  try {
    await engine.connect();
  } catch (error) {
    console.error(JSON.stringify(unreachable(error, engine.there)));
    process.exit(1);
  }
  serve(engine, Number(flags.port));
}
