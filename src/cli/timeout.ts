import type { Refusal, StringFlag } from "./command.ts"
import { parseSince } from "./time.ts"

export const TIMEOUT = {
  type: "string",
  value: "DURATION",
  description: "Give up after this long, such as 90s or 15m (exit 124); without it, wait as long as it takes",
} as const satisfies StringFlag

/** Refuses what is no duration. */
export const refuseTimeout = (timeout: string | undefined): Refusal | undefined => {
  if (timeout === undefined) return undefined
  const parsed = parseSince(timeout)
  return parsed.ok && parsed.value.kind === "ago"
    ? undefined
    : {
        message: `bad value "${timeout}" for --timeout: expected a duration such as 90s or 15m`,
        hint: "--timeout 15m",
      }
}
