import type { Oid } from "../platform/git/objects.ts"

/** What became of one entry in one turn of the worker. */
export interface Happening {
  readonly entry_id: number
  readonly task_id: string
  readonly outcome: "landed" | "waiting" | "conflict" | "failed" | "retry" | "blocked"
  readonly commit: Oid | null
  /** Stable code of the reason; null when it landed. */
  readonly code: string | null
  readonly message: string
}
