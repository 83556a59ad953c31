import * as Effect from "effect/Effect"
import type { Assignment } from "../domain/assignment.ts"
import type { CastPayload } from "../domain/cast.ts"
import type { Change } from "../domain/change-request.ts"
import { isLive } from "../domain/entry.ts"
import { DEFAULT_PRIORITY } from "../domain/request.ts"
import type { Document } from "../intake/documents.ts"
import { RequestStore } from "../intake/RequestStore.ts"
import { Database } from "../platform/Database.ts"
import { existingFolder } from "../platform/empty-folder.ts"
import { GitRepository } from "../platform/git/GitRepository.ts"
import { EMPTY_TREE } from "../platform/git/objects.ts"
import { scratchIndex } from "../platform/git/scratch-index.ts"
import { HumanPresence } from "../platform/HumanPresence.ts"
import { Operator } from "../platform/Operator.ts"
import { payloadOf } from "../queue/lease.ts"
import { QueueService } from "../queue/QueueService.ts"
import { CHECKOUT, type CheckoutRow } from "./checkout.sql.ts"
import { oneEntry } from "./checkout.ts"
import { WrongState } from "./errors.ts"
import { refuseAgent } from "./presence.ts"
import { type Submission, submit } from "./submit.ts"
import { treeChanges } from "./tree-changes.ts"

export interface Amended {
  /** The entry that is superseded. */
  readonly entry_id: number
  readonly co_author: string
  readonly changes: readonly Pick<Change, "path" | "operation">[]
  readonly submission: Submission
}

/**
 * Makes a new answer to an entry's task from a folder that `checkout` filled and a person edited: everything that
 * differs from the entry's base. It supersedes the entry, names the person as co-author, and needs its own approval.
 */
export const amend = Effect.fn("operations.amend")(function* (
  id: string,
  options: { readonly from: string; readonly dryRun: boolean },
) {
  // A co-author is a person: an agent sends its own answer.
  yield* refuseAgent(yield* (yield* HumanPresence).look())
  const row = yield* oneEntry(id)
  if (!isLive(row.state))
    return yield* new WrongState({
      what: `entry ${row.id}`,
      state: `${row.state}: only an entry that has not been decided can be amended`,
      advice: `hyperion why ${row.id}`,
    })
  const queue = yield* QueueService
  const cast = yield* queue.read((db) => payloadOf(db, row.id))
  if (cast === null)
    return yield* new WrongState({
      what: `the payload of entry ${row.id}`,
      state: "not readable",
      advice: "hyperion audit verify",
    })
  const held = yield* checkoutOf(row.id, options.from)
  const tree = yield* treeOfFolder(held)
  const changes = yield* treeChanges(held.base_tree, tree, options.from)
  if (tree === held.tree || changes.length === 0)
    return yield* new WrongState({
      what: options.from,
      state: changes.length === 0 ? "the same as the base: nothing would change" : "as it was checked out",
      advice: changes.length === 0 ? `hyperion cancel ${row.id}` : `edit the files there, then amend again`,
    })
  const git = yield* GitRepository
  const who = yield* git.identity
  const coAuthor = `${who.name} <${who.email}>`
  const assignment = yield* assignmentOf(cast, changes, coAuthor)
  const document: Document = {
    kind: "change_request",
    index: 0,
    where: options.from,
    value: amendedRequest(cast, held, changes, coAuthor),
  }
  const [submission] = yield* submit([document], {
    supersede: true,
    dryRun: options.dryRun,
    tasks: "open",
    ...(assignment && { assignments: new Map([[row.task_id, assignment]]) }),
  })
  return {
    entry_id: row.id,
    co_author: coAuthor,
    changes: changes.map(({ path, operation }) => ({ path, operation })),
    submission: submission!,
  } satisfies Amended
})

/** The folder as `checkout` left it: without that record nobody knows which base its files were made for. */
const checkoutOf = Effect.fn("operations.checkoutOf")(function* (entryId: number, from: string) {
  const directory = yield* existingFolder(from)
  const database = yield* Database
  const held = yield* database.read((db) => db.query<CheckoutRow, [string]>(CHECKOUT).get(directory))
  if (held?.entry_id === entryId) return held
  return yield* new WrongState({
    what: from,
    state: held === null ? "no checkout of this queue" : `a checkout of entry ${held.entry_id}`,
    advice: `hyperion checkout ${held?.entry_id ?? entryId} DIR, edit there, then hyperion amend ${held?.entry_id ?? entryId} --from DIR`,
  })
})

const treeOfFolder = Effect.fn("operations.treeOfFolder")(function* (held: CheckoutRow) {
  const git = yield* GitRepository
  const { env } = yield* Operator
  const index = yield* scratchIndex({ env, ownGitDir: git.ownGitDir, throwAway: false })
  if (held.tree !== EMPTY_TREE) yield* index.readTree(held.tree)
  yield* index.addAll(held.directory)
  return yield* index.writeTree
})

const withCoAuthor = (message: string, coAuthor: string): string =>
  `${message.trimEnd()}\n\nCo-authored-by: ${coAuthor}`

/** The same request with other changes. What a commit says about itself is in its provenance, where there is one. */
const amendedRequest = (
  { change_request: request }: CastPayload,
  held: CheckoutRow,
  changes: readonly Change[],
  coAuthor: string,
): Record<string, unknown> => {
  const { metadata, provenance } = request
  return {
    schema_version: 1,
    task_id: request.task_id,
    agent: request.agent,
    ...(held.base_commit !== null && { base_revision: held.base_commit }),
    metadata: {
      ...metadata,
      intent: provenance ? metadata.intent : withCoAuthor(metadata.intent, coAuthor),
    },
    changes,
    checks: request.checks,
    ...(request.expected_outcomes && { expected_outcomes: request.expected_outcomes }),
    ...(request.depends_on && { depends_on: request.depends_on }),
    ...(provenance && {
      provenance: { ...provenance, message: withCoAuthor(provenance.message, coAuthor) },
    }),
  }
}

/** A person may go beyond the files the agent was given; the rest of its assignment stands. */
const assignmentOf = Effect.fn("operations.amendAssignment")(function* (
  cast: CastPayload,
  changes: readonly Change[],
  coAuthor: string,
) {
  const stored = yield* (yield* RequestStore).assignment(cast.task_id)
  const request = cast.change_request
  // Its request id, which an entry of a group keeps, comes with an assignment alone.
  if (stored === null && (cast.request_id as string) === cast.task_id) return null
  if (request.provenance) return null
  const intent = withCoAuthor(request.metadata.intent, coAuthor)
  const files = [...new Set([...(stored?.file_targets ?? []), ...changes.map(({ path }) => path)])]
  const made: Assignment = {
    schema_version: 1,
    task_id: cast.task_id,
    parent_request_id: cast.request_id,
    summary: stored?.summary ?? request.metadata.intent,
    kind: stored?.kind ?? "feature",
    priority: stored?.priority ?? DEFAULT_PRIORITY,
    instructions: stored?.instructions ?? [],
    acceptance_criteria: stored?.acceptance_criteria ?? [],
    checks: stored?.checks ?? [],
    depends_on: stored?.depends_on ?? [],
    blocking_on_failure: stored?.blocking_on_failure ?? true,
    limits: stored?.limits ?? { max_files: files.length, max_context_tokens: 1 },
    base_revision: stored?.base_revision ?? null,
    agent: request.agent,
    file_targets: files,
    metadata: { ...request.metadata, intent },
  }
  return made
})
