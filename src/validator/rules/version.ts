import type { Rule } from "../rule.ts"

/** A document of a later version may mean its fields differently: nothing may be guessed from them. */
export const version: Rule = ({ document, fields }) => {
  if (typeof document !== "object" || document === null || !Object.hasOwn(document, "schema_version"))
    return []
  if (fields.schema_version === 1) return []
  return [
    {
      code: "unsupported_version",
      path: "schema_version",
      message: "this schema_version is not known here; known is 1",
      hint: "write version 1, or use a newer Hyperion",
    },
  ]
}
