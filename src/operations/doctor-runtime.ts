import * as Effect from "effect/Effect"
import { type BellReport, bellsFolder, clearBells, inspectBells } from "../platform/bells.ts"
import { inspectTurnstile, turnstileFile } from "../platform/turnstile.ts"
import { CurrentWorkspace } from "../platform/Workspace.ts"
import { type Diagnosis, healthy } from "./doctor-finding.ts"

const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`

const diagnosis = (folder: string, { live, stale, foreign, unreadable }: BellReport): Diagnosis => {
  if (unreadable !== null)
    return {
      id: "runtime",
      severity: "warn",
      message: `${folder} is no folder that can be read (${unreadable})`,
      meaning: "commits wake nobody: workers and waits find them when they look, every 3 to 250 ms",
      mend: `make room for it: mv ${folder} ${folder}.old`,
    }
  if (foreign.length > 0)
    return {
      id: "runtime",
      severity: "warn",
      message: `${folder} holds what is no pipe of a waiting process: ${foreign.join(", ")}`,
      meaning: "it is neither written to nor removed; nothing is lost",
      mend: `look at it, then remove it from ${folder}`,
    }
  if (stale.length > 0)
    return {
      id: "runtime",
      severity: "info",
      message: `${plural(stale.length, "pipe")} of processes that are gone: ${stale.join(", ")}`,
      meaning: "they were killed while they waited; the next commit clears them away",
      mend: "hyperion doctor --fix",
    }
  return healthy(
    "runtime",
    live.length === 0
      ? "no process waits for commits"
      : `${plural(live.length, "process waits", "processes wait")} for commits: ${live.map((name) => name.split(".")[0]).join(", ")}`,
    "whoever waits is woken at once",
  )
}

const turnstileDiagnosis = (databaseFile: string): Diagnosis =>
  inspectTurnstile(databaseFile) === "foreign"
    ? {
        id: "turnstile",
        severity: "warn",
        message: `${turnstileFile(databaseFile)} is not the turnstile of those who write, or cannot be used`,
        meaning: "under load some processes write much more than others; nothing is lost",
        mend: `look at it, then rm ${turnstileFile(databaseFile)}`,
      }
    : healthy("turnstile", "writers can take turns", "no process starves behind the others")

/** Who waits for commits, what lies among their pipes, and whether writers take turns. */
export const runtimeChecks = Effect.map(CurrentWorkspace, ({ databaseFile }): readonly Diagnosis[] => [
  diagnosis(bellsFolder(databaseFile), inspectBells(databaseFile)),
  turnstileDiagnosis(databaseFile),
])

export const mendRuntime = Effect.map(CurrentWorkspace, ({ databaseFile }): readonly string[] => {
  const cleared = clearBells(databaseFile)
  return cleared.length === 0 ? [] : [`removed ${plural(cleared.length, "pipe")} of processes that are gone`]
})
