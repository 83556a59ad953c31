import type { Rule } from "../rule.ts"

/** Author, date and message of a landing come from a commit of the repository, never from an agent's word. */
export const provenance: Rule = ({ assignment, document }) =>
  assignment !== null &&
  typeof document === "object" &&
  document !== null &&
  Object.hasOwn(document, "provenance")
    ? [
        {
          code: "provenance_not_allowed",
          path: "provenance",
          message: "the answer to an assignment cannot name another author",
          hint: "remove provenance; it belongs to changes made from commits",
        },
      ]
    : []
