import * as v from "valibot"
import { fail, ok, type Result } from "./result.ts"
import { keyPath, schemaViolations, unknownKey, type Violation } from "./violation.ts"

/** Values after which only the first issue is told: a list of millions of wrong items would cost a second and 1 GB. */
const WIDE = 20_000

/** A document against its schema: the parsed value, or every issue at once, every unknown key of a strict object too. */
export const parseDocument = <S extends v.GenericSchema>(
  schema: S,
  value: unknown,
): Result<v.InferOutput<S>, readonly Violation[]> => {
  const wide = isWide(value)
  const parsed = v.safeParse(schema, value, { abortEarly: wide, abortPipeEarly: true })
  if (parsed.success) return ok(parsed.output)
  const violations = schemaViolations(parsed.issues)
  if (wide) return fail(violations)
  // Valibot names only the first unknown key of an object.
  const named = new Set(violations.map((violation) => violation.path))
  return fail([
    ...violations,
    ...unknownPaths(schema, value, "")
      .filter((path) => !named.has(path))
      .map(unknownKey),
  ])
}

/** The parts of valibot's schemas a walk over keys needs. */
interface Shape {
  readonly type: string
  readonly entries?: Readonly<Record<string, Shape>>
  readonly item?: Shape
  readonly wrapped?: Shape
}

const unknownPaths = (shape: Shape, value: unknown, path: string): readonly string[] => {
  if (shape.wrapped) return unknownPaths(shape.wrapped, value, path)
  if (shape.item && Array.isArray(value))
    return value.flatMap((item, index) => unknownPaths(shape.item!, item, `${path}[${index}]`))
  const entries = shape.entries
  if (!entries || typeof value !== "object" || value === null || Array.isArray(value)) return []
  return Object.entries(value).flatMap(([key, item]) => {
    if (Object.hasOwn(entries, key)) return unknownPaths(entries[key]!, item, keyPath(path, key))
    return shape.type === "strict_object" ? [keyPath(path, key)] : []
  })
}

const isWide = (value: unknown): boolean => {
  const open: unknown[] = [value]
  for (let seen = 0; open.length > 0; ) {
    const next = open.pop()
    if (typeof next !== "object" || next === null) continue
    if (Array.isArray(next) && next.length > WIDE) return true
    const items = Array.isArray(next) ? next : Object.values(next)
    seen += items.length
    if (seen > WIDE) return true
    for (const item of items) open.push(item)
  }
  return false
}
