import type { Database as Sqlite } from "bun:sqlite"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as TestClock from "effect/TestClock"
import * as TestContext from "effect/TestContext"
import * as v from "valibot"
import type { AgentHarness } from "../../src/agent/AgentHarness.ts"
import { intakeLayer } from "../../src/app-intake.ts"
import type { Runtime } from "../../src/app-runtime.ts"
import { ApplyService } from "../../src/apply/ApplyService.ts"
import type { LandingJournal } from "../../src/apply/LandingJournal.ts"
import { WorktreeFiles } from "../../src/apply/WorktreeFiles.ts"
import { AuditService } from "../../src/audit/AuditService.ts"
import { CandidateService } from "../../src/candidate/CandidateService.ts"
import { reviewText } from "../../src/cli/actions/review-text.ts"
import type { EntryState } from "../../src/domain/entry.ts"
import type { PolicyInput } from "../../src/domain/policy.ts"
import { Receipt } from "../../src/domain/receipt.ts"
import { GuardService } from "../../src/guard/GuardService.ts"
import { storedGuardMemory } from "../../src/guard/StoredGuardMemory.ts"
import { type ApproveOptions, approve } from "../../src/operations/approve.ts"
import { showEntry } from "../../src/operations/entries.ts"
import { type SubmitOptions, submit } from "../../src/operations/submit.ts"
import { cancel, requeueEntries } from "../../src/operations/withdraw.ts"
import { HumanPresence } from "../../src/platform/HumanPresence.ts"
import { LandingLock } from "../../src/platform/LandingLock.ts"
import { LineLock } from "../../src/platform/LineLock.ts"
import { PolicyStore } from "../../src/platform/PolicyStore.ts"
import { type ProcessOutcome, ProcessRunner, type RunOptions } from "../../src/platform/ProcessRunner.ts"
import { Sandbox } from "../../src/platform/Sandbox.ts"
import { workspaceAt } from "../../src/platform/Workspace.ts"
import { makeStateFolders, WorkspaceFiles } from "../../src/platform/WorkspaceFiles.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { historyOf } from "../../src/queue/read.ts"
import { entryRow } from "../../src/queue/transition.ts"
import { LandingBook } from "../../src/worker/LandingBook.ts"
import type { TurnOptions } from "../../src/worker/options.ts"
import type { Happening } from "../../src/worker/report.ts"
import { runWorker } from "../../src/worker/run.ts"
import { StageKeeper } from "../../src/worker/StageKeeper.ts"
import { START } from "../support/effect.ts"
import { makeRepository, OPEN_POLICY, type Repository } from "../support/workspace.ts"

export type GuardSays = "green" | "red" | "infra" | "timeout"

export interface GuardCall {
  readonly argv: readonly string[]
  /** A file of the tree the guard runs on. */
  readonly read: (path: string) => string | null
}

export interface WorkshopOptions {
  readonly policy?: Omit<PolicyInput, "version">
  readonly files?: Readonly<Record<string, string>>
  /** How a guard's process ends; an Effect can wait, fail to end, or act in the meantime. */
  readonly guard?: (call: GuardCall) => GuardSays | Effect.Effect<GuardSays>
  /** Happens each time when a landing is computed and about to begin. */
  readonly beforeLanding?: () => void | Promise<void>
  /** What the person types, given the screen: the right digits unless told otherwise. */
  readonly types?: (screen: string) => string
}

const ENDED: Record<GuardSays, Pick<ProcessOutcome, "exitCode" | "timedOut">> = {
  green: { exitCode: 0, timedOut: false },
  red: { exitCode: 1, timedOut: false },
  infra: { exitCode: 127, timedOut: false },
  timeout: { exitCode: null, timedOut: true },
}

const fileOf = (folder: string, path: string): string | null => {
  try {
    return readFileSync(join(folder, path), "utf8")
  } catch {
    return null
  }
}

const runnerOf = (guard: NonNullable<WorkshopOptions["guard"]>) =>
  Layer.succeed(ProcessRunner, {
    run: ({ argv, cwd }: RunOptions) =>
      Effect.gen(function* () {
        const said = guard({ argv, read: (path) => fileOf(cwd, path) })
        const ended = ENDED[typeof said === "string" ? said : yield* said]
        return {
          ...ended,
          signal: null,
          durationMs: 7,
          stdout: Buffer.from("out\n"),
          stderr: Buffer.from("err\n"),
          stdoutTruncated: false,
          stderrTruncated: false,
          logSha256: "e".repeat(64),
        }
      }),
  })

/** The live service, with something that happens before each landing. */
const interruptedBy = (act: WorkshopOptions["beforeLanding"] = () => {}) =>
  Layer.effect(
    ApplyService,
    Effect.map(ApplyService, (live) =>
      ApplyService.of({
        ...live,
        land: (plan, how) =>
          Effect.zipRight(
            Effect.promise(async () => act()),
            live.land(plan, how),
          ),
      }),
    ),
  )

/** Types the first digits of the digest that the screen shows last, as a person who has looked would. */
const typesDigest = (screen: string): string =>
  [...screen.matchAll(/\b[0-9a-f]{64}\b/g)].at(-1)![0].slice(0, 6)

/** The production graph over a real repository and a real database file; processes, sandbox and people are doubles. */
const graph = (repository: Repository, options: WorkshopOptions) =>
  Layer.mergeAll(
    CandidateService.layer,
    GuardService.layer,
    HumanPresence.layerOf({ terminal: true, agent: null }, options.types ?? typesDigest),
    WorkspaceFiles.layer,
    StageKeeper.layer,
  ).pipe(
    Layer.provideMerge(interruptedBy(options.beforeLanding)),
    Layer.provideMerge(ApplyService.layer),
    Layer.provideMerge(LandingBook.layer),
    Layer.provideMerge(LandingLock.layer),
    Layer.provideMerge(LineLock.layer),
    Layer.provide(WorktreeFiles.layer),
    Layer.provide(storedGuardMemory),
    Layer.provideMerge(Sandbox.layerOf({ available: false, reason: "not here", hint: "install it" })),
    Layer.provideMerge(runnerOf(options.guard ?? (() => "green"))),
    Layer.provideMerge(intakeLayer(workspaceAt(repository.root), repository.env, { create: true })),
  )

type Services = Exclude<Runtime, AgentHarness> | LandingJournal

/** One process's view of a workspace. Two of them on one repository are two processes' worth of services. */
export const openProcess = async (repository: Repository, options: WorkshopOptions = {}) => {
  const runtime = ManagedRuntime.make(Layer.provideMerge(graph(repository, options), TestContext.TestContext))
  const run = <A, E>(effect: Effect.Effect<A, E, Services>): Promise<A> => runtime.runPromise(effect)
  await run(TestClock.setTime(START))

  const turnOptions = (worker: string): TurnOptions => ({ worker, runChecks: false })
  const drain = async (
    more: Partial<TurnOptions> & { readonly mode?: "once" } = {},
  ): Promise<readonly Happening[]> => {
    const told: Happening[] = []
    await run(
      runWorker({
        ...turnOptions("worker-1"),
        mode: "drain",
        ...more,
        tell: (happening) => Effect.sync(() => void told.push(happening)),
      }),
    )
    return told
  }
  const query = <A>(body: (db: Sqlite) => A) => run(Effect.flatMap(QueueService, (queue) => queue.read(body)))
  const entry = async (id: number) => (await query((db) => entryRow(db, id)))!
  return {
    runtime,
    run,
    drain,
    query,
    entry,
    /** Starts a worker that ends when there is nothing left to do; interrupt or await the fiber. */
    forkDrain: (worker: string) =>
      runtime.runFork(runWorker({ ...turnOptions(worker), mode: "drain", tell: () => Effect.void })),
    /** Starts a worker that goes on until it is interrupted. */
    forkWorker: () =>
      runtime.runFork(runWorker({ ...turnOptions("worker-1"), mode: "forever", tell: () => Effect.void })),
    pass: (ms: number) => run(TestClock.adjust(ms)),
    /** Queues change requests through the door; ids in order. A refusal is a defect of the test. */
    enqueue: async (
      requests: readonly Record<string, unknown>[],
      more: Partial<SubmitOptions> = {},
    ): Promise<readonly number[]> => {
      const results = await run(
        submit(
          requests.map((value, index) => ({
            kind: "change_request" as const,
            index,
            where: `test:${index}`,
            value,
          })),
          { supersede: false, dryRun: false, tasks: "open", ...more },
        ),
      )
      return results.map((result) => {
        if (result.entry_id === null) throw new Error(`not queued: ${JSON.stringify(result)}`)
        return result.entry_id
      })
    },
    approve: (ids: readonly (number | string)[], more: Partial<ApproveOptions> = {}) =>
      run(
        approve(
          { ids: ids.map(String), as: "grace", note: undefined, acknowledge: [], yes: false, ...more },
          { render: reviewText, color: false, note: () => {} },
        ),
      ),
    requeue: (id: number, reason: string) => run(requeueEntries(String(id), reason)),
    cancel: (id: number) => run(cancel(String(id), "not needed any more")),
    state: async (id: number): Promise<EntryState> => (await entry(id)).state,
    show: (id: number) => run(showEntry(String(id))),
    receipt: async (id: number) => v.parse(Receipt, (await run(showEntry(String(id)))).receipt),
    events: (id: number) => query((db) => historyOf(db, entryRow(db, id)!).map((row) => row.event)),
    dispose: () => runtime.dispose(),
  }
}
export type Process = Awaited<ReturnType<typeof openProcess>>

/** What became of each entry, one line each: `3 blocked blocked_dirty`. */
export const outcomes = (told: readonly Pick<Happening, "entry_id" | "outcome" | "code">[]): string[] =>
  told.map(({ entry_id, outcome, code }) => `${entry_id} ${outcome}${code === null ? "" : ` ${code}`}`)

/** A repository with a trusted policy and one process at work in it. */
export const openWorkshop = async (options: WorkshopOptions = {}) => {
  const repository = makeRepository(options.files)
  const workspace = workspaceAt(repository.root)
  await Effect.runPromise(makeStateFolders(workspace.stateDir))
  repository.write({
    "hyperion.json": JSON.stringify({ version: 1, sandbox: "preferred", ...(options.policy ?? OPEN_POLICY) }),
    ".git/info/exclude": "/.hyperion/\n/hyperion.json\n",
  })
  const first = await openProcess(repository, options)
  const trust = () => first.run(Effect.flatMap(PolicyStore, (store) => store.trust("ada")))
  await trust()
  return { ...repository, ...first, repository, trust }
}
export type Workshop = Awaited<ReturnType<typeof openWorkshop>>

/**
 * What must hold of every workspace at all times: the log, the repository, the receipts, nothing left lying about.
 * Ends the process.
 */
export const findFaults = async (shop: Workshop): Promise<readonly string[]> => {
  const faults: string[] = []
  const verified = await shop.run(Effect.flatMap(AuditService, (audit) => audit.verify(undefined)))
  if (verified.fault !== null) faults.push(`audit: ${verified.fault.message}`)
  const fsck = shop.git("fsck", "--strict", "--no-dangling", "--no-progress")
  if (fsck !== "") faults.push(`git: ${fsck}`)
  const applied = await shop.query((db) =>
    db
      .query<{ id: number; body: string | null; event: string | null }, []>(
        `SELECT e.id, r.body, a.event FROM entry e LEFT JOIN receipt r ON r.entry_id = e.id
         LEFT JOIN audit a ON a.seq = json_extract(r.body, '$.audit_seq') AND a.entry_id = e.id
         WHERE e.state = 'applied'`,
      )
      .all(),
  )
  for (const { id, body, event } of applied) {
    const receipt = v.safeParse(Receipt, JSON.parse(body ?? "null"))
    if (!receipt.success) {
      faults.push(`entry ${id}: ${receipt.issues[0].message}`)
      continue
    }
    const { commit, result_tree } = receipt.output
    if (event !== "applied") faults.push(`entry ${id}: its receipt names audit row of ${event}`)
    if (commit === null) continue
    if (shop.git("rev-parse", `${commit}^{tree}`) !== result_tree) faults.push(`entry ${id}: another tree`)
    if (shop.git("merge-base", commit, "main") !== commit) faults.push(`entry ${id}: not on main`)
  }
  await shop.dispose()
  const stages = readdirSync(join(shop.root, ".hyperion/stage"))
  if (stages.length > 0) faults.push(`stage: ${stages.join(", ")}`)
  if (fileOf(shop.root, ".git/index.lock") !== null) faults.push("index.lock is left")
  return faults
}
