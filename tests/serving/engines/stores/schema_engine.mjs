// Stands in for Prisma's schema engine where its CLI deploys migrations: the CLI's JSON-RPC on
// stdin and stdout, and the same rows in `_prisma_migrations`. Whatever else the CLI can ask for is
// answered as unknown.
//
//   schema-engine --version
//   schema-engine cli --datasource URL can-connect-to-database
//   schema-engine -d SCHEMA

import pg from "pg";
import { createHash, randomUUID } from "node:crypto";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { settings, unreachable } from "./database.mjs";

const VERSION = "393aa359c9ad4a4bb28630fb5613f9c281cde053"; // of prisma 5.17.0, see package.json
const LOCK = 72707369; // Prisma's own number for its advisory lock
const HISTORY = `CREATE TABLE "_prisma_migrations" (
  id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMPTZ,
  migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ,
  started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0)`;

class Failure extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const directories = (folder) =>
  readdirSync(folder, { withFileTypes: true })
    .filter((each) => each.isDirectory() && existsSync(join(folder, each.name, "migration.sql")))
    .map((each) => each.name)
    .sort();
const scriptOf = (folder, name) => readFileSync(join(folder, name, "migration.sql"), "utf8");
const checksumOf = (script) => createHash("sha256").update(script).digest("hex");

async function connected(url, work) {
  const there = settings(url);
  const client = new pg.Client(there.client);
  try {
    await client.connect();
  } catch (error) {
    const known = unreachable(error, there);
    throw new Failure(known.error_code, known.message);
  }
  try {
    return await work(client, there.schema);
  } finally {
    await client.end();
  }
}

async function history(client) {
  const found = await client.query(`SELECT to_regclass('"_prisma_migrations"') AS there`);
  if (!found.rows[0].there) return undefined;
  const rows = await client.query(
    `SELECT id, checksum, migration_name, started_at, finished_at FROM "_prisma_migrations"
     WHERE rolled_back_at IS NULL ORDER BY started_at`,
  );
  return rows.rows;
}

async function begin(client, schema) {
  const held = await client.query("SELECT count(*)::int AS tables FROM pg_tables WHERE schemaname = $1", [schema]);
  if (held.rows[0].tables > 0) {
    throw new Failure("P3005", "The database schema is not empty. Read more about how to baseline an existing production database: https://pris.ly/d/migrate-baseline");
  }
  await client.query(HISTORY);
  return [];
}

async function applyOne(client, folder, name) {
  const script = scriptOf(folder, name);
  const id = randomUUID();
  await client.query(
    `INSERT INTO "_prisma_migrations" (id, checksum, migration_name) VALUES ($1, $2, $3)`,
    [id, checksumOf(script), name],
  );
  try {
    await client.query(script); // all its statements at once, as one implicit transaction
  } catch (error) {
    await client.query(`UPDATE "_prisma_migrations" SET logs = $2 WHERE id = $1`, [id, String(error)]);
    throw new Failure("P3018", `A migration failed to apply. New migrations cannot be applied before the error is recovered from. Read more about how to resolve migration issues in a production database: https://pris.ly/d/migrate-resolve\n\nMigration name: ${name}\n\nDatabase error code: ${error.code}\n\nDatabase error:\nERROR: ${error.message}\n`);
  }
  await client.query(`UPDATE "_prisma_migrations" SET finished_at = now(), applied_steps_count = 1 WHERE id = $1`, [id]);
}

async function applyMigrations(client, { migrationsDirectoryPath: folder }, schema) {
  await client.query("SELECT pg_advisory_lock($1)", [LOCK]); // until the connection ends
  const rows = (await history(client)) ?? (await begin(client, schema));
  const failed = rows.find((row) => !row.finished_at);
  if (failed) {
    throw new Failure("P3009", `migrate found failed migrations in the target database, new migrations will not be applied. Read more about how to resolve migration issues in a production database: https://pris.ly/d/migrate-resolve\nThe \`${failed.migration_name}\` migration started at ${failed.started_at.toISOString()} failed\n`);
  }
  const applied = new Set(rows.map((row) => row.migration_name));
  const pending = directories(folder).filter((name) => !applied.has(name));
  for (const name of pending) await applyOne(client, folder, name);
  return { appliedMigrationNames: pending };
}

async function diagnoseMigrationHistory(client, { migrationsDirectoryPath: folder }) {
  const rows = await history(client);
  const present = new Set(directories(folder));
  const changed = (rows ?? []).filter(
    (row) => present.has(row.migration_name) && row.checksum !== checksumOf(scriptOf(folder, row.migration_name)),
  );
  return {
    drift: null,
    history: null,
    failedMigrationNames: (rows ?? []).filter((row) => !row.finished_at).map((row) => row.migration_name),
    editedMigrationNames: changed.map((row) => row.migration_name),
    errorInUnappliedMigration: null,
    hasMigrationsTable: rows !== undefined,
  };
}

async function markMigrationApplied(client, { migrationsDirectoryPath: folder, migrationName: name }) {
  if ((await history(client)) === undefined) await client.query(HISTORY);
  await client.query(
    `INSERT INTO "_prisma_migrations" (id, checksum, migration_name, finished_at) VALUES ($1, $2, $3, now())`,
    [randomUUID(), checksumOf(scriptOf(folder, name)), name],
  );
  return {};
}

async function markMigrationRolledBack(client, { migrationName: name }) {
  const done = await client.query(
    `UPDATE "_prisma_migrations" SET rolled_back_at = now()
     WHERE migration_name = $1 AND finished_at IS NULL AND rolled_back_at IS NULL`,
    [name],
  );
  if (done.rowCount) return {};
  throw new Failure("P3012", `Migration \`${name}\` cannot be rolled back because it is not in a failed state.`);
}

const METHODS = { applyMigrations, diagnoseMigrationHistory, markMigrationApplied, markMigrationRolledBack };

async function result({ method, params }) {
  if (method === "listMigrationDirectories") return { migrations: directories(params.migrationsDirectoryPath) };
  if (!(method in METHODS)) throw new Failure(undefined, `this schema engine has no ${method}`);
  return connected(process.env.DATABASE_URL, (client, schema) => METHODS[method](client, params, schema));
}

async function serve() {
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    let answer;
    try {
      answer = { result: await result(request) };
    } catch (error) {
      const data = { is_panic: false, message: error.message, meta: null, error_code: error.code };
      answer = { error: { code: 4466, message: "An error happened. Check the data field for details.", data } };
    }
    process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id: request.id, ...answer })}\n`);
  }
}

async function reachable(url) {
  try {
    await connected(url, async () => undefined);
  } catch (error) {
    const fields = { error_code: error.code, message: error.message };
    console.error(`\n${JSON.stringify({ level: "ERROR", target: "schema_engine::logger", fields })}`);
    process.exitCode = 1;
  }
}

const words = process.argv.slice(2);
if (words[0] === "--version") console.log(`schema-engine-cli ${VERSION}`);
else if (words[0] === "cli") await reachable(words[words.indexOf("--datasource") + 1]);
else await serve();
