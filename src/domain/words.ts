import type { Millis } from "./time.ts"

/** `1 entry`, `2 entries`: `many` where an s does not do. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`

/** A span of time in one number and one unit, as a person says it: `40 s`, `12 min`, `3 h`, `2 d`. */
export const spanText = (ms: Millis): string => {
  const seconds = Math.max(0, Math.round(ms / 1_000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} d`
}
