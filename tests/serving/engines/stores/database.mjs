// The database as DATABASE_URL names it: Prisma's own parameters of the URL, and its words for a
// server that does not answer.

import pg from "pg";
import Result from "pg/lib/result.js";
import { availableParallelism } from "node:os";

// The driver adapter does not know what Prisma's own binary reads as text: "char", name and lists of
// names, as the system tables have them.
const READ_AS = new Map([[18, 25], [19, 25], [1003, 1009]]); // object ids of types: text, text[]
const addFields = Result.prototype.addFields;
Result.prototype.addFields = function (fields) {
  for (const field of fields) field.dataTypeID = READ_AS.get(field.dataTypeID) ?? field.dataTypeID;
  return addFields.call(this, fields);
};

/** What Prisma's URL says, with its defaults. */
export function settings(text) {
  const url = new URL(text);
  const seconds = (name, otherwise) => Number(url.searchParams.get(name) ?? otherwise);
  const schema = url.searchParams.get("schema") ?? "public";
  const limit = Number(url.searchParams.get("connection_limit") ?? availableParallelism() * 2 + 1);
  return {
    address: `${url.hostname}:${url.port || 5432}`,
    schema,
    limit,
    poolSeconds: seconds("pool_timeout", 10),
    client: {
      host: url.hostname,
      port: Number(url.port || 5432),
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      database: decodeURIComponent(url.pathname.slice(1)),
      options: `-c search_path="${schema}"`,
      connectionTimeoutMillis: seconds("connect_timeout", 5) * 1000,
    },
  };
}

export function pool(there) {
  const made = new pg.Pool({
    ...there.client,
    max: there.limit,
    connectionTimeoutMillis: there.poolSeconds * 1000,
  });
  made.on("error", () => {}); // an idle connection was lost: the next query opens another
  return made;
}

/** The error that Prisma's engine gives where the driver only has one of JavaScript's. */
export function unreachable(error, there) {
  const text = String(error?.message ?? error);
  if (text.includes("timeout exceeded when trying to connect")) {
    const limits = `connection pool timeout: ${there.poolSeconds}, connection limit: ${there.limit}`;
    return known("P2024", `Timed out fetching a new connection from the connection pool. More info: http://pris.ly/d/connection-pool (Current ${limits})`);
  }
  if (text.includes("Connection terminated") || error?.code === "ECONNRESET") {
    return known("P1017", "Server has closed the connection.");
  }
  const [host, port] = there.address.split(":");
  return known("P1001", `Can't reach database server at \`${there.address}\`\n\nPlease make sure your database server is running at \`${there.address}\`.`, {
    database_host: host,
    database_port: Number(port),
  });
}

function known(code, message, meta = {}) {
  return { is_panic: false, message, meta, error_code: code };
}
