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

/** One turn: everything that happened, and whether another turn may find more to do. */
export interface Turn {
  readonly happenings: readonly Happening[]
  /** Something was leased or claimed: ask again at once. */
  readonly busy: boolean
}

export const IDLE: Turn = { happenings: [], busy: false }
