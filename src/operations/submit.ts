import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Assignment } from "../domain/assignment.ts"
import { CAST_VERSION, CastBundle, CastPayload, makeCast } from "../domain/cast.ts"
import type { Change, ValidatedChangeRequest } from "../domain/change-request.ts"
import { gitlinkContent } from "../domain/files.ts"
import { sha256Hex } from "../domain/hash.ts"
import type { RequestId } from "../domain/ids.ts"
import { parseDocument } from "../domain/parse-document.ts"
import { DEFAULT_PRIORITY } from "../domain/request.ts"
import type { Millis } from "../domain/time.ts"
import type { Violation } from "../domain/violation.ts"
import type { Document } from "../intake/documents.ts"
import { RequestStore } from "../intake/RequestStore.ts"
import { GitRepository } from "../platform/git/GitRepository.ts"
import { Operator } from "../platform/Operator.ts"
import { type EnqueueItem, type EnqueueOutcome, prepareItem, refusalOf } from "../queue/enqueue.ts"
import { QueueService } from "../queue/QueueService.ts"
import { resolveId } from "../queue/read.ts"
import { Exporter } from "../telemetry/Exporter.ts"
import type { SpanContext, Timespan } from "../telemetry/spans.ts"
import { withBase } from "../validator/base-hashes.ts"
import { ValidatorService } from "../validator/ValidatorService.ts"
import { type Base, currentBase, readFiles } from "../worker/base.ts"
import { indexOid } from "../worker/files.ts"

/** What became of one document. `where` names the file and line or element it came from. */
export interface Submission {
  readonly where: string
  readonly task_id: string | null
  readonly outcome: "queued" | "duplicate" | "rejected" | "valid"
  readonly entry_id: number | null
  readonly cast_id: string | null
  readonly superseded: readonly number[]
  readonly violations: readonly Violation[]
}

export interface SubmitOptions {
  /** The clock casts are made with; now when absent. */
  readonly at?: Millis | undefined
  readonly supersede: boolean
  /** Validate and make the casts, store nothing. */
  readonly dryRun: boolean
  /** The door's own default where the policy says nothing: `known` for agents, `open` for people. */
  readonly tasks: "known" | "open"
  /** Assignments that are not stored (a dry run's); the stored ones are found by task. */
  readonly assignments?: ReadonlyMap<string, Assignment>
  /** The span that this is a step of; without one each cast begins its own part of its trace. */
  readonly parent?: SpanContext
}

/** Casts in one transaction: long enough to be fast, short enough not to hold the write lock. */
const CHUNK = 200

interface Prepared {
  readonly where: string
  readonly item: EnqueueItem
}

const rejection = (where: string, taskId: string | null, violations: readonly Violation[]): Submission => ({
  where,
  task_id: taskId,
  outcome: "rejected",
  entry_id: null,
  cast_id: null,
  superseded: [],
  violations,
})

const isRejected = (made: Prepared | Submission): made is Submission => "violations" in made

/**
 * Validates documents, wraps change requests into casts and queues them: each is queued, a duplicate or rejected on its
 * own, in the order given. Nothing an agent says about approvals or guard runs is believed.
 */
export const submit = Effect.fn("operations.submit")(function* (
  documents: readonly Document[],
  options: SubmitOptions,
) {
  const queue = yield* QueueService
  const base = yield* currentBase()
  const at = options.at ?? (yield* Clock.currentTimeMillis)
  const { name: actor } = yield* Operator
  const results: Submission[] = []
  for (let from = 0; from < documents.length; from += CHUNK) {
    const made: (Prepared | Submission)[] = []
    const times: Timespan[] = []
    for (const document of documents.slice(from, from + CHUNK)) {
      const startNs = yield* Clock.currentTimeNanos
      made.push(...(yield* prepare(document, base, at, options)))
      const time = { startNs, endNs: yield* Clock.currentTimeNanos }
      while (times.length < made.length) times.push(time)
    }
    const ready = made.filter((one) => !isRejected(one)) as Prepared[]
    const outcomes = options.dryRun
      ? ready.map(({ item }): EnqueueOutcome | null => {
          const violation = refusalOf(prepareItem(item), at)
          return violation && { outcome: "rejected", violation }
        })
      : yield* queue.enqueue(
          ready.map(({ item }) => item),
          {
            actor,
            dedupWindowMs: base.policy.policy.queue.dedup_window_hours * 3_600_000,
            maxDepth: base.policy.policy.queue.max_depth,
          },
        )
    let next = 0
    const told = made.map((one) => (isRejected(one) ? one : submission(one, outcomes[next++] ?? null)))
    results.push(...told)
    const exporter = yield* Exporter
    if (!exporter.isOn || options.dryRun) continue
    // Loaded by those who want it: enqueue is a short command.
    const { sentSpans } = yield* Effect.promise(() => import("./submit-spans.ts"))
    const endNs = yield* Clock.currentTimeNanos
    for (const [index, one] of made.entries()) {
      const cast = isRejected(one) ? null : one.item.cast
      exporter.spans(sentSpans(cast, told[index]!, times[index]!, endNs, options))
    }
  }
  return results
})

/** The cast one document makes, or why it makes none. */
export const castOf = Effect.fn("operations.castOf")(function* (document: Document, options: SubmitOptions) {
  const base = yield* currentBase()
  const [made] = yield* prepare(document, base, options.at ?? (yield* Clock.currentTimeMillis), options)
  return isRejected(made!)
    ? { ok: false as const, submission: made }
    : { ok: true as const, cast: made!.item.cast }
})

const submission = ({ where, item }: Prepared, outcome: EnqueueOutcome | null): Submission => {
  const common = {
    where,
    task_id: item.cast.task_id,
    cast_id: item.cast.cast_id,
    superseded: [],
    violations: [],
  }
  if (outcome === null) return { ...common, outcome: "valid", entry_id: null }
  if (outcome.outcome === "rejected") return rejection(where, item.cast.task_id, [outcome.violation])
  return {
    ...common,
    outcome: outcome.outcome,
    entry_id: outcome.entryId,
    superseded: outcome.outcome === "queued" ? outcome.superseded : [],
  }
}

const prepare = Effect.fn("operations.prepare")(function* (
  document: Document,
  base: Base,
  at: Millis,
  options: SubmitOptions,
) {
  if (document.kind === "unreadable") return [rejection(document.where, null, [document.violation])]
  const { where, value } = document
  const taskId = typeof value["task_id"] === "string" ? value["task_id"] : null
  switch (document.kind) {
    case "request":
      return [
        rejection(where, null, [
          {
            code: "task_request",
            path: "",
            message: "this is a task request, not a change request",
            hint: "hyperion request FILE takes it through engineer, orchestrator and agent",
          },
        ]),
      ]
    case "change_request": {
      const validated = yield* validate(value, base, options)
      if (!validated.ok) return [rejection(where, taskId, validated.violations)]
      return [yield* fromChange(where, validated.change, validated.assignment, base, at, options)]
    }
    case "cast":
      return [yield* fromCast(where, value, base, options)]
    case "bundle": {
      const bundle = parseDocument(CastBundle, value)
      if (!bundle.ok) return [rejection(where, null, bundle.error)]
      if (bundle.value.casts.length === 0)
        return [
          rejection(where, null, [
            {
              code: "no_casts",
              path: "casts",
              message: "this bundle holds no casts",
              hint: "hyperion request FILE asks agents for them",
            },
          ]),
        ]
      return yield* Effect.forEach(bundle.value.casts, (cast, index) =>
        fromCast(`${where} casts[${index}]`, cast, base, options),
      )
    }
  }
})

const validate = Effect.fn("operations.validate")(function* (
  value: unknown,
  base: Base,
  options: SubmitOptions,
) {
  const validator = yield* ValidatorService
  const requests = yield* RequestStore
  const { policy } = base.policy
  const taskId = (value as { task_id?: unknown })?.task_id
  const assignment =
    typeof taskId === "string"
      ? (options.assignments?.get(taskId) ?? (yield* requests.assignment(taskId)))
      : null
  return yield* validator
    .validate({ document: value, policy, tasks: policy.tasks ?? options.tasks, assignment })
    .pipe(
      Effect.map((change) => ({ ok: true as const, change, assignment })),
      Effect.catchTag("ValidationRejected", ({ violations }) =>
        Effect.succeed({ ok: false as const, violations }),
      ),
    )
})

const fromChange = Effect.fn("operations.fromChange")(function* (
  where: string,
  change: ValidatedChangeRequest,
  assignment: Assignment | null,
  base: Base,
  at: Millis,
  options: SubmitOptions,
) {
  const queue = yield* QueueService
  const complete = yield* fillBaseHashes(change, assignment, base)
  const cast = makeCast(complete, {
    requestId: assignment?.parent_request_id ?? (change.task_id as string as RequestId),
    at,
    ttlSeconds: base.policy.policy.queue.default_ttl_seconds,
    auditHead: yield* queue.head(),
  })
  return { where, item: itemOf(cast, assignment, base, options) }
})

const fromCast = Effect.fn("operations.fromCast")(function* (
  where: string,
  value: unknown,
  base: Base,
  options: SubmitOptions,
) {
  const { version } = value as { version?: unknown }
  if (version !== undefined && version !== CAST_VERSION)
    return rejection(where, null, [
      {
        code: "cast_version_unsupported",
        path: "version",
        message: `this cast's version is not known here; known is ${CAST_VERSION}`,
        hint: "make it again with this version of hyperion, or use a newer one",
      },
    ])
  const parsed = parseDocument(CastPayload, value)
  if (!parsed.ok) return rejection(where, null, parsed.error)
  const cast = parsed.value
  const validated = yield* validate(cast.change_request, base, options)
  if (!validated.ok) return rejection(where, cast.task_id, validated.violations)
  return { where, item: itemOf(cast, validated.assignment, base, options) }
})

const itemOf = (
  cast: CastPayload,
  assignment: Assignment | null,
  base: Base,
  options: SubmitOptions,
): EnqueueItem => ({
  cast,
  priority: assignment?.priority ?? DEFAULT_PRIORITY,
  landing: "independent",
  maxAttempts: base.policy.policy.queue.max_attempts,
  supersede: options.supersede,
})

/**
 * Fills in the pre-image hashes an agent left out, so that a cast's base is known: from the patch's own `index` line,
 * `base_revision`, the assignment's base (for the first answer to it), else the current tip. What does not exist there stays open: an earlier entry
 * of the same chain may make it. The revision is kept with them: when the branch has moved, the pre-images are there.
 */
const fillBaseHashes = Effect.fn("operations.fillBaseHashes")(function* (
  change: ValidatedChangeRequest,
  assignment: Assignment | null,
  base: Base,
) {
  if (change.changes.every((one) => one.operation === "add")) return change
  // A second answer to a task (after a conflict, say) is made on the tree as it is now.
  const queue = yield* QueueService
  const isFirst = (yield* queue.read((db) => resolveId(db, change.task_id))).length === 0
  const revision = change.base_revision ?? (isFirst ? assignment?.base_revision : null) ?? base.commit
  const open = change.changes.filter((one) => one.operation !== "add" && one.base_hash === undefined)
  if (open.length === 0) return withBase(change, revision, () => undefined)
  const git = yield* GitRepository
  const known =
    revision !== null &&
    revision !== base.commit &&
    (yield* git.readObjects([revision]))[0]?.type === "commit"
  const tree = known ? yield* git.treeOf(revision) : base.tree
  const files = yield* readFiles(
    tree,
    open.map((one) => one.path),
  )
  const stated = new Map(open.map((one) => [one, indexOid(one)]))
  const named = yield* git.readObjects(
    [...stated.values()].flatMap((index) => (index === null ? [] : [index.oid])),
  )
  const byOid = new Map(
    named.flatMap((object) => (object?.type === "blob" ? [[object.oid, object.body] as const] : [])),
  )
  const hashes = new Map<Change, string>()
  for (const one of open) {
    const index = stated.get(one) ?? null
    const own =
      index === null ? undefined : index.mode === "160000" ? gitlinkContent(index.oid) : byOid.get(index.oid)
    const bytes = own ?? files.get(one.path)?.bytes
    if (bytes) hashes.set(one, sha256Hex(bytes))
  }
  return withBase(change, revision, (one) => hashes.get(one))
})
