import type { Finding } from "./status-findings.ts"

/** One thing that was looked at. */
export interface Diagnosis {
  readonly id: string
  /** `error`: something does not work, or may be lost; `warn`: a person should look; `info`: good to know. */
  readonly severity: "ok" | "info" | "warn" | "error"
  readonly message: string
  /** What it means for the work. */
  readonly meaning: string
  /** The command, or the one thing to do, that mends it; null when there is nothing to mend. */
  readonly mend: string | null
}

export const healthy = (id: string, message: string, meaning: string): Diagnosis => ({
  id,
  severity: "ok",
  message,
  meaning,
  mend: null,
})

const SEVERITY = { error: "error", warning: "warn", info: "info" } as const

const MEANING: Readonly<Record<string, string>> = {
  policy_untrusted: "nothing lands under a policy that nobody has read",
  policy_invalid: "nothing lands under a policy that is only half understood",
  policy_unreadable: "without it nothing can be judged",
  no_policy: "the defaults ask for an approval, and run no guards",
  unguarded: "what lands was proven by no check",
  unattended: "nobody has to look at what lands",
  policy_differs: "edits to the working copy's policy do nothing until they are committed",
  sandbox_off: "guards can reach the network, secrets and the live tree",
  no_sandbox: "guards can reach the network, secrets and the live tree, or do not run at all",
  no_branch: "there is nothing to land on",
  unborn_branch: "the first landing begins the branch",
}

/** What `status` finds, with what it means. */
export const diagnosisOf = (finding: Finding): Diagnosis => ({
  id: finding.code,
  severity: SEVERITY[finding.level],
  message: finding.message,
  meaning: MEANING[finding.code] ?? "landings and reads of the repository may fail",
  mend: finding.next,
})
