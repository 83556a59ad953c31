import * as v from "valibot"

/** Epoch milliseconds, as stored. */
export type Millis = number

/** Ten years: beyond it a lifetime is a mistake, and its end would leave the range of exact integers. */
export const MAX_TTL_SECONDS = 315_360_000

/** `Date.parse` rolls 30 February over to March and takes 24:00: neither may stand in a document. */
const isCalendarTime = (text: string): boolean => {
  if (Number.isNaN(Date.parse(text)) || /T24/.test(text)) return false
  const day = text.slice(0, 10)
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day)
}

/** RFC 3339 in UTC with milliseconds, as written in documents. */
export const Timestamp = v.pipe(
  v.string(),
  v.regex(
    /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$/,
    "must be RFC 3339 in UTC, like 2026-01-31T12:00:00.000Z",
  ),
  v.check((text) => isCalendarTime(text), "is not a point in time of the calendar"),
)
export type Timestamp = v.InferOutput<typeof Timestamp>

export const toTimestamp = (millis: Millis): Timestamp => new Date(millis).toISOString()

const UNITS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/**
 * A point in time as people write it: RFC 3339 (any offset), epoch seconds or milliseconds, or a duration back from
 * `now` (`90s`, `15m`, `24h`, `7d`, `2w`). `null` when it is none of these.
 */
export const parsePointInTime = (text: string, now: Millis): Millis | null => {
  const duration = /^(\d{1,9})(s|m|h|d|w)$/.exec(text)
  if (duration) return now - Number(duration[1]) * (UNITS[duration[2]!] ?? 0)
  // 1e11 separates the two scales: as seconds it is the year 5138, as milliseconds it is 1973.
  if (/^\d{1,15}$/.test(text)) return Number(text) < 1e11 ? Number(text) * 1_000 : Number(text)
  if (!/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/.test(text)) return null
  return isCalendarTime(text) ? Date.parse(text) : null
}
