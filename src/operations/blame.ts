import * as Effect from "effect/Effect"
import type { Receipt } from "../domain/receipt.ts"
import { toTimestamp } from "../domain/time.ts"
import { GitRepository } from "../platform/git/GitRepository.ts"
import { payloadOf } from "../queue/lease.ts"
import { QueueService } from "../queue/QueueService.ts"
import type { EntryRow } from "../queue/queue.sql.ts"
import { receiptOf, resolveId } from "../queue/read.ts"
import { entryRow } from "../queue/transition.ts"
import { currentBase } from "../worker/base.ts"
import { type ArchivePlace, archiveOf } from "./archived.ts"
import { WrongState } from "./errors.ts"
import { RUNS_OF_TASK } from "./landed.sql.ts"

/** What the agent was asked when it made the change. */
export interface Prompt {
  readonly agent: string
  readonly model: string | null
  readonly outcome: string
  readonly prompt: string
  readonly started_at: string
}

/** Where one line of the landing branch comes from. `entry` is null for a commit that no landing made. */
export interface Blame {
  readonly path: string
  readonly line: number
  readonly text: string
  readonly commit: string
  readonly author: string
  readonly summary: string
  readonly entry: {
    readonly id: number
    readonly task_id: string
    readonly request_id: string
    readonly agent: string
    readonly intent: string | null
    readonly landed_at: string | null
    /** Only of an archived entry: where what is not said here is. */
    readonly archive?: ArchivePlace
    readonly flags: readonly string[]
    readonly prompt: Prompt | null
    readonly approvals: Receipt["approvals"]
    readonly guards: readonly {
      readonly guard_id: string
      readonly result: string
      /** Relative to the workspace's root. */
      readonly log: string | null
    }[]
  } | null
}

/** Asks git who last changed a line on the landing branch, then the queue how that came about. */
export const blame = Effect.fn("operations.blame")(function* (path: string, line: number) {
  const git = yield* GitRepository
  const { commit, ref } = yield* currentBase()
  if (commit === null)
    return yield* new WrongState({
      what: `the branch ${ref}`,
      state: "unborn: it has no lines",
      advice: "hyperion worker --drain",
    })
  if ((yield* git.lookup(commit, path)) === null)
    return yield* new WrongState({
      what: path,
      state: `no file of ${ref}`,
      advice: "name a path from the root of the repository, as the landing branch has it",
    })
  // In Hyperion's own git directory no textconv program and no ignore list of the operator's acts.
  const answer = yield* git
    .run({
      args: ["blame", "--porcelain", "-L", `${line},${line}`, commit, "--", path],
      gitDir: git.ownGitDir,
    })
    .pipe(
      Effect.mapError((error) =>
        /has only \d+ lines?/.test(error.stderr)
          ? new WrongState({
              what: `${path}:${line}`,
              state: "behind the end of the file",
              advice: "name a line that the file has on the landing branch",
            })
          : error,
      ),
    )
  const told = readPorcelain(answer.stdout.toString("utf8"))
  return { path, line, ...told, entry: yield* landingOf(told.commit) } satisfies Blame
})

const readPorcelain = (text: string) => {
  const [head = "", ...lines] = text.split("\n")
  const field = (name: string) =>
    lines.find((one) => one.startsWith(`${name} `))?.slice(name.length + 1) ?? ""
  return {
    commit: head.split(" ")[0]!,
    author: field("author"),
    summary: field("summary"),
    text: lines.find((one) => one.startsWith("\t"))?.slice(1) ?? "",
  }
}

const landingOf = Effect.fn("operations.landingOf")(function* (commit: string) {
  const queue = yield* QueueService
  return yield* queue.read((db): Blame["entry"] => {
    const [id] = resolveId(db, commit)
    const row = id === undefined ? null : entryRow(db, id)
    if (row === null) return null
    const receipt = receiptOf(db, row.id)
    const cast = payloadOf(db, row.id)
    const place = archiveOf(db, row)
    return {
      id: row.id,
      task_id: row.task_id,
      request_id: row.request_id,
      agent: row.agent,
      intent: cast?.change_request.metadata.intent ?? null,
      landed_at: receipt?.landed_at ?? (row.archived === null ? null : toTimestamp(row.updated_at)),
      ...(place !== null && { archive: place }),
      flags: receipt?.flags ?? [],
      prompt: promptOf(db, row),
      approvals: receipt?.approvals ?? [],
      guards: (receipt?.guard_outputs ?? []).map(({ guard_id, result, log_sha256 }) => ({
        guard_id,
        result,
        log: log_sha256 === null ? null : `.hyperion/logs/${log_sha256}.log`,
      })),
    }
  })
})

interface RunRow {
  readonly agent: string
  readonly model: string | null
  readonly outcome: string
  readonly prompt: string
  readonly started_at: number
}

/** The run that answered, as far as prompts were stored. */
const promptOf = (db: Parameters<typeof receiptOf>[0], row: EntryRow): Prompt | null => {
  const runs = db.query<RunRow, [string]>(RUNS_OF_TASK).all(row.task_id)
  // An empty one was swept, or archived with its entry.
  const before = runs.filter((run) => run.started_at <= row.created_at && run.prompt !== "")
  const run = before.find(({ outcome }) => outcome === "answered") ?? before[0]
  return run === undefined
    ? null
    : {
        agent: run.agent,
        model: run.model,
        outcome: run.outcome,
        prompt: run.prompt,
        started_at: toTimestamp(run.started_at),
      }
}
