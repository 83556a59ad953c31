import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { AuditService } from "../audit/AuditService.ts"
import { counted } from "../domain/words.ts"
import { cacheDir } from "../platform/cache-dir.ts"
import { Database, type DatabaseError } from "../platform/Database.ts"
import { GitRepository } from "../platform/git/GitRepository.ts"
import { Operator } from "../platform/Operator.ts"
import { PolicyStore } from "../platform/PolicyStore.ts"
import { CurrentWorkspace } from "../platform/Workspace.ts"
import { QueueService } from "../queue/QueueService.ts"
import { TelemetryService } from "../telemetry/TelemetryService.ts"
import { type Base, currentBase } from "../worker/base.ts"
import { archiveChecks } from "./doctor-archive.ts"
import { databaseChecks, schemaCheck, unusable, walSizeCheck } from "./doctor-database.ts"
import { type Diagnosis, diagnosisOf, healthy } from "./doctor-finding.ts"
import { mendAll } from "./doctor-fix.ts"
import { abandonedChecks, queueChecks, skewCheck } from "./doctor-queue.ts"
import { runtimeChecks } from "./doctor-runtime.ts"
import {
  agentChecks,
  environmentChecks,
  gitChecks,
  indexLockChecks,
  modesChecks,
} from "./doctor-surroundings.ts"
import { queueMetrics } from "./metrics.ts"
import { findingOf, policyFindings, sandboxFinding } from "./status-findings.ts"

export interface DoctorOptions {
  /** Reads every page and index entry, and recomputes the log. */
  readonly full: boolean
  /** Mends first what can be mended without asking. */
  readonly fix: boolean
}

export interface DoctorReport {
  /** Nothing is wrong; warnings may be there. */
  readonly ok: boolean
  readonly errors: number
  readonly warnings: number
  readonly fixed: readonly string[]
  readonly findings: readonly Diagnosis[]
}

/** How long a lock is waited for: somebody looks at the answer. */
const PATIENCE_MS = 1_000

type Queue = Database | PolicyStore | AuditService | QueueService | TelemetryService

/** Everything that needs the database; left as it is, whatever its schema. */
const openQueue = Effect.flatMap(CurrentWorkspace, ({ databaseFile: file }) =>
  Layer.build(
    Layer.mergeAll(PolicyStore.layer, AuditService.layer, QueueService.layer, TelemetryService.layer).pipe(
      Layer.provideMerge(Database.layer({ file, create: false, migrate: false, busyTimeoutMs: PATIENCE_MS })),
    ),
  ),
)

const openGit = Effect.gen(function* () {
  const { root } = yield* CurrentWorkspace
  const { env } = yield* Operator
  return yield* Layer.build(GitRepository.layer({ start: root, cacheDir: cacheDir(env), env }))
})

const within = <A, E, R, S>(
  effect: Effect.Effect<A, E, R>,
  built: Context.Context<S>,
): Effect.Effect<A, E, Exclude<R, S>> =>
  Effect.mapInputContext(
    effect,
    (given: Context.Context<Exclude<R, S>>) => Context.merge(given, built) as Context.Context<R>,
  )

/** A check must not stop the others, whatever it meets. */
const surviving = <R>(
  id: string,
  checks: Effect.Effect<readonly Diagnosis[], DatabaseError, R>,
): Effect.Effect<readonly Diagnosis[], never, R> =>
  checks.pipe(
    Effect.catchAll((error) => Effect.succeed([unusable(error)])),
    Effect.catchAllDefect((defect) =>
      Effect.succeed([
        {
          id,
          severity: "error",
          message: `the check met what it does not understand: ${defect instanceof Error ? defect.message : String(defect)}`,
          meaning: "something was changed by hand, or is damaged",
          mend: "hyperion doctor --full",
        } satisfies Diagnosis,
      ]),
    ),
  )

const structure = (full: boolean) =>
  Effect.flatMap(Database, (database) =>
    Effect.gen(function* () {
      const schema = schemaCheck(database.outdated, yield* database.workers)
      return [
        schema,
        ...(yield* database.read((db) => databaseChecks(db, database.file, full, database.outdated))),
      ]
    }),
  )

const standing = Effect.gen(function* () {
  const database = yield* Database
  const { stateDir } = yield* CurrentWorkspace
  const at = yield* Clock.currentTimeMillis
  const metrics = yield* queueMetrics()
  const workers = yield* database.workers
  const ended = yield* database.ended
  return yield* database.read((db) => [
    ...queueChecks(db, metrics, at),
    ...abandonedChecks(db, stateDir, at, workers, ended),
  ])
})

const auditCheck = Effect.gen(function* () {
  const { fault, rows, casts } = yield* (yield* AuditService).verify()
  return [
    fault === null
      ? healthy(
          "audit",
          `${counted(rows, "row")} of the log and ${counted(casts, "cast")} are as they were written`,
          "nothing was forged",
        )
      : ({
          id: "audit",
          severity: "error",
          message: fault.message,
          meaning: "the log or the queue was changed by hand; rows before it can still be trusted",
          mend: "hyperion audit verify; compare with a backup or the shipped segments",
        } satisfies Diagnosis),
  ]
})

/** Policy and sandbox, as the base has them. */
const judging = Effect.gen(function* () {
  const base = yield* Effect.either(currentBase())
  if (base._tag === "Left") {
    const { left } = base
    return {
      base: null,
      checks: [left._tag === "DatabaseError" ? unusable(left) : diagnosisOf(findingOf(left))],
    }
  }
  const { policy } = base.right
  const findings = [...(yield* policyFindings(policy)), ...(yield* sandboxFinding(policy.policy.sandbox))]
  const where = { base: "of the base commit", workspace: "trusted", default: "none: the defaults" }[
    policy.source
  ]
  return {
    base: base.right as Base | null,
    checks: [
      healthy(
        "policy",
        `policy ${where}, ${counted(policy.policy.guards.length, "guard")}`,
        "it can judge changes",
      ),
      ...findings.map(diagnosisOf),
    ] as readonly Diagnosis[],
  }
})

const surroundings = (queue: Context.Context<Queue> | null) =>
  Effect.gen(function* () {
    const git = yield* Effect.either(openGit)
    const repository =
      git._tag === "Right"
        ? healthy("repository", "the repository can be read", "landings know what they land on")
        : diagnosisOf(findingOf(git.left))
    const judged =
      git._tag === "Right" && queue !== null ? yield* within(within(judging, git.right), queue) : null
    return [
      yield* gitChecks,
      repository,
      ...(yield* indexLockChecks),
      ...(judged?.checks ?? []),
      ...(yield* agentChecks(judged?.base?.policy.policy.agent ?? null)),
      ...(yield* environmentChecks),
      ...(yield* modesChecks),
      ...(yield* runtimeChecks),
    ] satisfies readonly Diagnosis[]
  })

/** Looks at everything the workspace stands on. Works on what is damaged, foreign, newer, missing or locked: says so. */
export const doctor = Effect.fn("operations.doctor")(function* (options: DoctorOptions) {
  const opened = yield* Effect.either(openQueue)
  const queue = opened._tag === "Right" ? opened.right : null
  const fixed = options.fix ? yield* mendAll(queue, openGit, within) : []
  const inside: Effect.Effect<readonly Diagnosis[], never, CurrentWorkspace | Scope.Scope> =
    opened._tag === "Left"
      ? Effect.succeed([unusable(opened.left)])
      : within(
          Effect.map(
            Effect.all([
              surviving("structure", structure(options.full)),
              surviving("queue", standing),
              surviving("archive", archiveChecks(options.full)),
              ...(options.full ? [surviving("audit", auditCheck)] : []),
            ]),
            (checks) => checks.flat(),
          ),
          opened.right,
        )
  const findings = [...(yield* inside), ...(yield* surviving("surroundings", surroundings(queue)))]
  const count = (severity: Diagnosis["severity"]) =>
    findings.filter((finding) => finding.severity === severity).length
  return {
    ok: count("error") === 0,
    errors: count("error"),
    warnings: count("warn"),
    fixed,
    findings,
  } satisfies DoctorReport
})

/** What a worker should be told before it starts: little enough to be asked every time. */
export const quickDoctor = Effect.fn("operations.quickDoctor")(function* () {
  const database = yield* Database
  const { stateDir } = yield* CurrentWorkspace
  const at = yield* Clock.currentTimeMillis
  const workers = yield* database.workers
  const ended = yield* database.ended
  const inside = yield* database.read((db) => [
    skewCheck(db, at),
    ...walSizeCheck(database.file),
    ...abandonedChecks(db, stateDir, at, workers, ended),
  ])
  const around = [...(yield* environmentChecks), ...(yield* modesChecks), ...(yield* indexLockChecks)]
  return [...inside, ...around].filter(({ severity }) => severity === "warn" || severity === "error")
})
