import { expect, test } from "bun:test"
import * as FastCheck from "effect/FastCheck"
import { parseInstant, parseSince } from "../../src/cli/time.ts"

test.each([
  ["2026-01-31T12:00:00Z", 1_769_860_800_000],
  ["2026-01-31t12:00:00.250z", 1_769_860_800_250],
  ["2026-01-31 13:30:00+01:30", 1_769_860_800_000],
  ["2026-01-31", 1_769_817_600_000],
  ["1769860800", 1_769_860_800_000],
  ["1769860800250", 1_769_860_800_250],
  ["0", 0],
] as const)("%s is an instant", (text, epochMs) => {
  expect(parseInstant(text)).toEqual({ ok: true, value: { kind: "instant", epochMs } })
})

test.each([
  ["90s", 90_000],
  ["15m", 900_000],
  ["1.5d", 129_600_000],
  ["250ms", 250],
  ["2w", 1_209_600_000],
] as const)("%s is a duration", (text, ms) => {
  expect(parseSince(text)).toEqual({ ok: true, value: { kind: "ago", ms } })
})

test.each([
  "",
  "now",
  "1h30m",
  "-1h",
  "2026-02-30",
  "2026-13-01",
  "2026-01-31T12:00",
  "2026-01-31T25:00:00Z",
  "9".repeat(16),
  "1e9",
  "99999999999999w",
])("%p is refused", (text) => {
  expect(parseSince(text).ok).toBe(false)
})

test("what a date prints is read back", () => {
  FastCheck.assert(
    FastCheck.property(
      FastCheck.date({ min: new Date(0), max: new Date("9999-12-31T23:59:59.999Z") }),
      (date) => {
        if (Number.isNaN(date.getTime())) return
        expect(parseInstant(date.toISOString())).toEqual({
          ok: true,
          value: { kind: "instant", epochMs: date.getTime() },
        })
      },
    ),
  )
})
