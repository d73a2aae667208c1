// prisma-client-py speaks GraphQL with its engine, the WebAssembly build of the engine speaks JSON
// alone. The two protocols carry the same queries: this module translates one into the other. A JSON
// field's value is a string with JSON in GraphQL, which the other protocol has to be told, and so
// the models' fields have to be known.

import { parse } from "graphql";

const OPERATION =
  /^(findUnique|findFirst|findMany|createOne|createManyAndReturn|createMany|updateOne|updateMany|upsertOne|deleteOne|deleteMany|aggregate|groupBy)(.+?)(OrThrow)?$/;

const JSON_VALUES = new Set(["set", "equals", "not", "array_contains", "array_starts_with", "array_ends_with"]);

/** The models of a Prisma schema: name -> field -> its type without `?` and `[]`. */
export function modelsOf(datamodel) {
  const models = new Map();
  for (const [, name, body] of datamodel.matchAll(/^model\s+(\w+)\s*\{([\s\S]*?)^\}/gm)) {
    models.set(name, new Map([...body.matchAll(/^\s+(\w+)\s+(\w+)/gm)].map(([, field, type]) => [field, type])));
  }
  return models;
}

/** One GraphQL document with one field -> {name, alias, request} in the JSON protocol. */
export function toJson(document, models) {
  const [definition] = parse(document, { noLocation: true }).definitions;
  const fields = definition.selectionSet.selections;
  if (fields.length !== 1) {
    throw new Error(`a document of ${fields.length} operations; prisma-client-py sends one`);
  }
  const [field] = fields;
  const name = field.name.value;
  const to = target(name);
  const asked = query(field);
  if (to.modelName) asked.arguments = typed(asked.arguments, to.modelName, models);
  return { name, alias: field.alias?.value ?? name, request: { ...to, query: asked } };
}

/** The arguments with each value of a JSON field marked as one. */
function typed(node, model, models) {
  if (Array.isArray(node)) return node.map((each) => typed(each, model, models));
  if (node === null || typeof node !== "object" || "$type" in node) return node;
  const pairs = Object.entries(node).map(([key, inner]) => {
    const type = models.get(model).get(key);
    if (type === "Json") return [key, marked(inner)];
    return [key, typed(inner, models.has(type) ? type : model, models)];
  });
  return Object.fromEntries(pairs);
}

function marked(node) {
  if (typeof node === "string") return { $type: "Json", value: node };
  if (node === null || typeof node !== "object" || "$type" in node) return node;
  const pairs = Object.entries(node).map(([key, inner]) => [key, JSON_VALUES.has(key) ? marked(inner) : inner]);
  return Object.fromEntries(pairs);
}

function target(name) {
  if (name === "queryRaw" || name === "executeRaw") return { action: name };
  const found = OPERATION.exec(name);
  if (!found) throw new Error(`the operation ${name} is unknown`);
  return { modelName: found[2], action: found[1] + (found[3] ?? "") };
}

function query(field) {
  const given = field.arguments.map((argument) => [argument.name.value, value(argument.value)]);
  const chosen = (field.selectionSet?.selections ?? []).map((inner) => [
    inner.name.value,
    inner.selectionSet || inner.arguments.length ? query(inner) : true,
  ]);
  return { arguments: Object.fromEntries(given), selection: Object.fromEntries(chosen) };
}

function value(node) {
  switch (node.kind) {
    case "ObjectValue":
      return Object.fromEntries(node.fields.map((each) => [each.name.value, value(each.value)]));
    case "ListValue":
      return node.values.map(value);
    case "IntValue": {
      const number = Number(node.value);
      return Number.isSafeInteger(number) ? number : { $type: "BigInt", value: node.value };
    }
    case "FloatValue":
      return Number(node.value);
    case "EnumValue":
      return { $type: "Enum", value: node.value };
    case "NullValue":
      return null;
    default:
      return node.value; // StringValue, BooleanValue
  }
}

/** An answer in the JSON protocol -> as GraphQL would give it, under the alias that was asked for. */
export function toGraphql({ name, alias }, answer) {
  if (!answer.data) return answer;
  const result = answer.data[name];
  return { ...answer, data: { [alias]: name === "queryRaw" ? result : untagged(result) } };
}

/** JSON and DateTime are strings in GraphQL, big integers are numbers. */
function untagged(node) {
  if (Array.isArray(node)) return node.map(untagged);
  if (node === null || typeof node !== "object") return node;
  if ("$type" in node) {
    const number = Number(node.value);
    return node.$type === "BigInt" && Number.isSafeInteger(number) ? number : node.value;
  }
  return Object.fromEntries(Object.entries(node).map(([key, inner]) => [key, untagged(inner)]));
}
