import type { JsonSchema } from "@valibot/to-json-schema"

/** One row of a document's table. `path` is relative to the document, like `guards[].id`. */
export interface Field {
  readonly path: string
  readonly type: string
  readonly required: boolean
  readonly default: string | null
  /** The node itself, so that its meaning can be written into it. */
  readonly node: JsonSchema
}

const isNode = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Every field of a document; objects that are no documents of their own are told field by field. */
export const fieldsOf = (schema: JsonSchema, prefix = ""): readonly Field[] =>
  Object.entries(schema.properties ?? {}).flatMap(([key, node]) => {
    if (!isNode(node)) return []
    const path = `${prefix}${key}`
    const item = isNode(node.items) ? node.items : undefined
    const nested = inline(node) ?? node
    const inner = nested.properties
      ? fieldsOf(nested, `${path}.`)
      : item?.properties
        ? fieldsOf(item, `${path}[].`)
        : []
    const field: Field = {
      path,
      type: typeOf(node),
      required: schema.required?.includes(key) ?? false,
      default: node.default === undefined ? null : JSON.stringify(node.default),
      node,
    }
    return [field, ...inner]
  })

/** The one object of `object or null`. */
const inline = (node: JsonSchema): JsonSchema | undefined =>
  node.anyOf?.filter(isNode).find((option) => option.properties !== undefined)

const typeOf = (node: JsonSchema): string => {
  if (node.$ref) return `[${name(node.$ref)}](#${name(node.$ref).toLowerCase()})`
  if (node.const !== undefined) return `\`${JSON.stringify(node.const)}\``
  if (node.enum) return node.enum.map((value) => `\`${String(value)}\``).join(" or ")
  if (node.anyOf)
    return node.anyOf
      .filter(isNode)
      .map(typeOf)
      .sort((a, b) => Number(a === "null") - Number(b === "null"))
      .join(" or ")
  if (node.type === "array") return `list of ${isNode(node.items) ? typeOf(node.items) : "anything"}`
  if (node.type === "object")
    return isNode(node.additionalProperties) ? `map to ${typeOf(node.additionalProperties)}` : "object"
  if (node.type === "integer" || node.type === "number") return `${node.type}${range(node)}`
  return typeof node.type === "string" ? node.type : "anything"
}

const name = (ref: string): string => ref.slice(ref.lastIndexOf("/") + 1)

const range = ({ minimum, maximum }: JsonSchema): string => {
  if (minimum === undefined) return ""
  // 1e9 only keeps counts within exact integers: it says nothing to a reader.
  return maximum === undefined || maximum >= 1e9 ? ` from ${minimum}` : ` ${minimum} to ${maximum}`
}

/** Cells are aligned by no one: a diff then shows only the rows that changed. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows]
    .map((row) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`)
    .join("\n")
