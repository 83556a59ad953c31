import { quoted } from "../../domain/violation.ts"
import type { Rule } from "../rule.ts"

/** `checks` selects among the operator's guards, by id or by their exact command; it never brings a command in. */
export const checksAllowed: Rule = ({ fields, policy }) => {
  const allowed = new Set(
    policy.guards.flatMap(({ id, command }) => [
      id,
      typeof command === "string" ? command : command.join(" "),
    ]),
  )
  const ids = policy.guards.map((guard) => guard.id)
  return (fields.checks ?? []).flatMap((check, index) =>
    allowed.has(check)
      ? []
      : [
          {
            code: "check_not_allowed",
            path: `checks[${index}]`,
            message: `${quoted(check)} is neither a guard id nor a guard's exact command`,
            hint:
              ids.length === 0
                ? "this policy has no guards: remove it, or let the operator add one to hyperion.json"
                : `use one of ${ids.join(", ")}, or let the operator add a guard to hyperion.json`,
          },
        ],
  )
}
