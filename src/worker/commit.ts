import type { LandingStep } from "../apply/plan.ts"
import { commitMessage } from "../apply/trailers.ts"
import type { CastPayload } from "../domain/cast.ts"
import type { Signature } from "../platform/git/objects.ts"
import { visibleLine, visibleText } from "../platform/sanitize.ts"

/** The operator's identity and the moment of landing, in git's own form. */
export type Committer = Signature

/** Author, committer and message of a landed cast: a proposed commit keeps its author, date and words. */
export const commitOf = (
  cast: CastPayload,
  committer: Committer,
  approvedBy: readonly string[],
): Pick<LandingStep, "author" | "committer" | "message"> => {
  const { provenance, metadata } = cast.change_request
  return {
    author: provenance
      ? { name: provenance.author_name, email: provenance.author_email, ...gitDate(provenance.author_date) }
      : { ...committer, name: identityText(cast.agent_id), email: "agent@hyperion.invalid" },
    committer,
    message: commitMessage(provenance?.message ?? visibleText(metadata.intent), {
      castId: cast.cast_id,
      taskId: cast.task_id,
      requestId: cast.request_id,
      castChecksum: cast.checksum,
      approvedBy,
    }),
  }
}

/** `<epoch seconds> <±hhmm>`, as the schema of provenance demands. */
const gitDate = (text: string): Pick<Signature, "seconds" | "offset"> => {
  const [seconds = "0", offset = "+0000"] = text.split(" ")
  return { seconds: Number(seconds), offset }
}

/** Git's identity line ends a name at `<`. */
const identityText = (name: string): string => visibleLine(name).replace(/[<>]/g, "").trim() || "agent"
