import { quoted } from "../../domain/violation.ts"
import type { Rule } from "../rule.ts"

const same = (name: string): string => name.normalize("NFKC").trim().toLowerCase()

/** Claims of approval are shown and never counted, but an agent that vouches for itself is refused outright. */
export const selfApproval: Rule = ({ fields }) => {
  const { agent, metadata } = fields
  if (agent === undefined) return []
  return (metadata?.approvals ?? []).flatMap((claim, index) =>
    same(claim.approver) === same(agent)
      ? [
          {
            code: "self_approval",
            path: `metadata.approvals[${index}].approver`,
            message: `${quoted(agent)} cannot approve its own change`,
            hint: "remove it; a person approves with: hyperion approve",
          },
        ]
      : [],
  )
}
