import { fail, ok, type Result } from "../domain/result.ts"

/** A point in time, or a distance back from now that the operation measures with its own clock. Milliseconds. */
export type TimeArg =
  | { readonly kind: "instant"; readonly epochMs: number }
  | { readonly kind: "ago"; readonly ms: number }

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const
const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/
const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d))?$/
/** Epoch seconds reach this in the year 5138; anything larger was meant as milliseconds. */
const FIRST_MILLISECONDS = 100_000_000_000
/** The last instant a JavaScript date can hold. */
const LATEST_MS = 8_640_000_000_000_000

const realDay = (year: number, month: number, day: number): boolean => {
  const date = new Date(Date.UTC(year, month - 1, day))
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day
}

/** RFC 3339 (a date alone is its midnight UTC), epoch seconds or milliseconds. */
export const parseInstant = (text: string): Result<TimeArg & { kind: "instant" }, string> => {
  if (/^\d{1,16}$/.test(text)) {
    const number = Number(text)
    const epochMs = number >= FIRST_MILLISECONDS ? number : number * 1_000
    if (epochMs <= LATEST_MS) return ok({ kind: "instant", epochMs })
  }
  const [, year, month, day] = RFC_3339.exec(text) ?? []
  const epochMs = Date.parse(text.replace(" ", "T").toUpperCase())
  return year !== undefined && realDay(Number(year), Number(month), Number(day)) && Number.isFinite(epochMs)
    ? ok({ kind: "instant", epochMs })
    : fail("a time such as 2026-01-31T12:00:00Z, or epoch seconds")
}

/** {@link parseInstant}, or a duration back from now: `90s`, `15m`, `2h`, `1.5d`, `1w`. */
export const parseSince = (text: string): Result<TimeArg, string> => {
  const [, count, unit] = DURATION.exec(text) ?? []
  if (count !== undefined && unit !== undefined) {
    const ms = Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS]
    if (ms <= LATEST_MS) return ok({ kind: "ago", ms })
  }
  const instant = parseInstant(text)
  return instant.ok
    ? instant
    : fail("a time such as 2026-01-31T12:00:00Z, epoch seconds, or a duration such as 2h")
}
