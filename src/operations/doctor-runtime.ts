import * as Effect from "effect/Effect"
import { type BellReport, bellsFolder, clearBells, inspectBells } from "../platform/bells.ts"
import { CurrentWorkspace } from "../platform/Workspace.ts"
import { inspectLine, lineFile } from "../platform/write-line.ts"
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

const lineDiagnosis = (databaseFile: string): Diagnosis =>
  inspectLine(databaseFile) === "foreign"
    ? {
        id: "line",
        severity: "warn",
        message: `${lineFile(databaseFile)} is not the line in which writers wait, or cannot be used`,
        meaning: "under load some processes write much more than others; nothing is lost",
        mend: `look at it, then rm ${lineFile(databaseFile)}`,
      }
    : healthy("line", "writers can stand in line", "no process starves behind the others")

/** Who waits for commits, what lies among their pipes, and whether writers take turns. */
export const runtimeChecks = Effect.map(CurrentWorkspace, ({ databaseFile }): readonly Diagnosis[] => [
  diagnosis(bellsFolder(databaseFile), inspectBells(databaseFile)),
  lineDiagnosis(databaseFile),
])

export const mendRuntime = Effect.map(CurrentWorkspace, ({ databaseFile }): readonly string[] => {
  const cleared = clearBells(databaseFile)
  return cleared.length === 0 ? [] : [`removed ${plural(cleared.length, "pipe")} of processes that are gone`]
})
