import type { Database } from "bun:sqlite"
import { type Millis, toTimestamp } from "../domain/time.ts"
import { auditAppender } from "../platform/audit-append.sql.ts"
import { DROP_META, GET_META, SET_META } from "../platform/meta.sql.ts"
import { META } from "../platform/meta-keys.ts"
import { CLEAR_FROZEN } from "./flags.sql.ts"

/** No landing begins in this workspace until it is thawed. */
export interface Freeze {
  readonly actor: string
  readonly reason: string
  readonly at: Millis
}

/** The freeze in force; null when landings may begin. One that cannot be read counts: nothing lands by accident. */
export const freezeOf = (db: Database): Freeze | null => {
  const value = db.query<{ value: string }, [string]>(GET_META).get(META.freeze)?.value
  if (value === undefined) return null
  try {
    const { actor, reason, at } = JSON.parse(value) as Freeze
    return { actor: String(actor), reason: String(reason), at: Number(at) || 0 }
  } catch {
    return { actor: "somebody", reason: "the stored freeze cannot be read", at: 0 }
  }
}

/** One line for whoever waits because of it. */
export const freezeText = ({ actor, reason, at }: Freeze): string =>
  `no landings: frozen by ${actor} at ${toTimestamp(at)}: ${reason}`

/** Gives back the freeze that was in force before, which then stays; null when this one took hold. */
export const freezeQueue = (
  db: Database,
  { actor, reason }: Omit<Freeze, "at">,
  at: Millis,
): Freeze | null => {
  const standing = freezeOf(db)
  if (standing) return standing
  db.query(SET_META).run(META.freeze, JSON.stringify({ actor, reason, at }))
  auditAppender(db, at).append({ event: "frozen", actor, subject: "queue", data: { reason } })
  return null
}

/** Gives back the freeze that it ended; null when there was none. */
export const thawQueue = (db: Database, actor: string, at: Millis): Freeze | null => {
  const standing = freezeOf(db)
  if (!standing) return null
  db.query(DROP_META).run(META.freeze)
  db.query(CLEAR_FROZEN).run()
  auditAppender(db, at).append({
    event: "thawed",
    actor,
    subject: "queue",
    data: { frozen_at: standing.at, frozen_by: standing.actor },
  })
  return standing
}
