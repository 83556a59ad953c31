import type { Millis } from "./time.ts"
import { spanText } from "./words.ts"

/** A stretch of work on one entry. */
export interface WorkSpan {
  readonly from: Millis
  readonly to: Millis
}

/** How fast entries were worked on, as far as the log tells. */
export interface Pace {
  /** Time that workers were busy, for each entry: less than one entry took, where several were worked on at once. */
  readonly ms_per_entry: number
  /** Standard deviation of one entry's time over its mean. */
  readonly spread: number
  /** Entries it was measured on. */
  readonly sample: number
}

/** A time to come, and the range that holds it in about eight of ten cases. */
export interface Eta {
  readonly ms: Millis
  readonly low_ms: Millis
  readonly high_ms: Millis
  readonly sample: number
}

/** Fewer than this say nothing about how much they differ: then 1 is taken, as for arrivals by chance. */
const ENOUGH = 5
const LEAST_SPREAD = 0.1
const MOST_SPREAD = 3
/** Half-width of the range in standard deviations: eight of ten. */
const WIDTH = 1.2816

const busyTime = (spans: readonly WorkSpan[]): Millis => {
  let busy = 0
  let end = Number.NEGATIVE_INFINITY
  for (const { from, to } of [...spans].sort((a, b) => a.from - b.from)) {
    if (to > end) busy += to - Math.max(from, end)
    end = Math.max(end, to)
  }
  return busy
}

/** Null when nothing was worked on. Pauses between spans do not count: an idle queue is not a slow one. */
export const paceOf = (measured: readonly WorkSpan[]): Pace | null => {
  if (measured.length === 0) return null
  // A clock has steps of a millisecond, and may have been set back.
  const spans = measured.map(({ from, to }) => ({ from, to: Math.max(to, from + 1) }))
  const times = spans.map(({ from, to }) => to - from)
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length
  const variance = times.reduce((sum, time) => sum + (time - mean) ** 2, 0) / Math.max(1, times.length - 1)
  const spread =
    times.length < ENOUGH ? 1 : Math.min(MOST_SPREAD, Math.max(LEAST_SPREAD, Math.sqrt(variance) / mean))
  return { ms_per_entry: busyTime(spans) / spans.length, spread, sample: spans.length }
}

/**
 * When `entries` will have been worked on, by the pace so far. The range is that of a sum of as many independent times
 * whose mean is known from the sample only; it is a ratio, so it never begins before now.
 */
export const etaOf = (pace: Pace | null, entries: number): Eta | null => {
  if (pace === null || entries <= 0) return null
  const ms = pace.ms_per_entry * entries
  const ratio = Math.exp(WIDTH * pace.spread * Math.sqrt(1 / entries + 1 / pace.sample))
  return {
    ms: Math.round(ms),
    low_ms: Math.round(ms / ratio),
    high_ms: Math.round(ms * ratio),
    sample: pace.sample,
  }
}

/** `about 12 min (8 min to 18 min)`. */
export const etaText = ({ ms, low_ms, high_ms }: Eta): string =>
  high_ms < 1_000
    ? "less than 1 s"
    : spanText(low_ms) === spanText(high_ms)
      ? `about ${spanText(ms)}`
      : `about ${spanText(ms)} (${spanText(low_ms)} to ${spanText(high_ms)})`
