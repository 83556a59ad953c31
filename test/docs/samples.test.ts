import { describe, expect, test } from "bun:test"
import * as v from "valibot"
import { Assignment } from "../../src/domain/assignment.ts"
import { CastPayload, castChecksum, castIdOf } from "../../src/domain/cast.ts"
import { ChangeRequest, payloadBytes } from "../../src/domain/change-request.ts"
import { STATES } from "../../src/domain/entry.ts"
import { sha256Hex } from "../../src/domain/hash.ts"
import { NextTaskContext } from "../../src/domain/next-task.ts"
import { Policy } from "../../src/domain/policy.ts"
import { Receipt } from "../../src/domain/receipt.ts"
import { QueueMetrics } from "../../src/domain/records.ts"
import { TaskRequest } from "../../src/domain/request.ts"
import { blocks, page, pages, ROOT } from "./markdown.ts"

const names = [...new Bun.Glob("*.json").scanSync({ cwd: `${ROOT}/execution/samples` })].sort()
const textOf = (name: string): string => page(`execution/samples/${name}`).text

const Id = v.pipe(v.number(), v.integer(), v.minValue(1))
const Text = v.string()
const Hex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))
const State = v.picklist(STATES)
const page1 = <T extends v.ObjectEntries>(entries: T) =>
  v.strictObject({ schema_version: v.literal(1), ...entries })

const Violation = v.strictObject({ code: Text, path: Text, message: Text, hint: Text })
const Submission = v.strictObject({
  where: Text,
  task_id: v.nullable(Text),
  outcome: v.picklist(["queued", "duplicate", "rejected", "valid"]),
  entry_id: v.nullable(Id),
  cast_id: v.nullable(Text),
  superseded: v.array(Id),
  violations: v.array(Violation),
})
const Submitted = page1({
  summary: v.strictObject({
    queued: v.number(),
    duplicate: v.number(),
    rejected: v.number(),
    valid: v.number(),
  }),
  results: v.pipe(v.array(Submission), v.minLength(1)),
})
const Entry = v.looseObject({ id: Id, state: State, task_id: Text, request_id: Text, paths: v.array(Text) })
const Why = page1({
  explanations: v.pipe(
    v.array(
      v.strictObject({
        id: Id,
        task_id: Text,
        state: State,
        code: Text,
        message: Text,
        evidence: v.array(Text),
        position: v.nullable(v.number()),
        eta: v.nullable(
          v.strictObject({ ms: v.number(), low_ms: v.number(), high_ms: v.number(), sample: Id }),
        ),
        next: v.nullable(Text),
      }),
    ),
    v.minLength(1),
  ),
})
const Show = page1({
  entry: Entry,
  cast: CastPayload,
  verification: v.nullable(v.looseObject({})),
  approvals: v.array(v.looseObject({ approver: Text, digest: Hex, attested: v.boolean() })),
  failure: v.nullable(v.looseObject({ code: Text })),
  receipt: v.nullable(Receipt),
})
const Verify = page1({
  ok: v.literal(true),
  verified: Id,
  faults: v.literal(0),
  results: v.pipe(
    v.array(
      v.strictObject({
        entry_id: Id,
        task_id: Text,
        ok: v.literal(true),
        base_tree: Text,
        result_tree: Text,
        commit: Text,
        paths: v.array(v.strictObject({ path: Text, method: Text })),
        fault: v.null(),
        notes: v.array(Text),
      }),
    ),
    v.minLength(1),
  ),
})

/** What each sample must be: the document's own schema where there is one, else its shape. */
const FORMS: Readonly<Record<string, v.GenericSchema>> = {
  "audit-verify.json": page1({
    ok: v.literal(true),
    rows: Id,
    casts: v.number(),
    seq: Id,
    head: Hex,
    fault: v.null(),
  }),
  "blame.json": page1({
    path: Text,
    line: Id,
    text: Text,
    commit: Text,
    author: Text,
    summary: Text,
    entry: v.looseObject({
      id: Id,
      prompt: v.looseObject({ agent: Text }),
      approvals: v.array(v.looseObject({})),
    }),
  }),
  "change-request.json": ChangeRequest,
  "enqueue-duplicate.json": Submitted,
  "history.json": page1({
    events: v.pipe(
      v.array(v.looseObject({ seq: Id, at: Text, event: Text, entry_id: v.nullable(Id), actor: Text })),
      v.minLength(1),
    ),
  }),
  "next-task-context.json": NextTaskContext,
  "verification-report.json": QueueMetrics,
  "list-dead-letters.json": page1({
    dead_letters: v.pipe(
      v.array(v.looseObject({ id: Id, queue_id: Id, task_id: Text, reason_class: Text, error: Text })),
      v.minLength(1),
    ),
  }),
  "list.json": page1({ entries: v.pipe(v.array(Entry), v.minLength(1)) }),
  "policy.json": Policy,
  "receipt.json": Receipt,
  "replay.json": page1({
    folder: Text,
    rows: Id,
    head: Hex,
    entries: Id,
    landings: Id,
    trees: Id,
    foreign: v.number(),
    from_git: v.number(),
    tip_tree: Text,
    tip_commit: Text,
    queue_digest: Hex,
  }),
  "request-dry-run.json": v.looseObject({
    schema_version: v.literal(1),
    assignments: v.pipe(v.array(Assignment), v.minLength(1)),
    answers: v.pipe(v.array(v.looseObject({ task_id: Text, submission: Submission })), v.minLength(1)),
  }),
  "revert-dry-run.json": page1({
    dry_run: v.literal(true),
    request_id: Text,
    reverted: v.pipe(
      v.array(
        v.strictObject({
          entry_id: Id,
          changes: v.array(v.strictObject({ path: Text, operation: Text })),
          submission: Submission,
        }),
      ),
      v.minLength(1),
    ),
    skipped: v.array(v.strictObject({ entry_id: Id, reason: Text })),
  }),
  "show.json": Show,
  "status.json": v.looseObject({
    schema_version: v.literal(1),
    counts: v.strictObject(Object.fromEntries(STATES.map((state) => [state, v.number()]))),
    needs: v.looseObject({ approvals: v.array(v.looseObject({ entry_id: Id, next: Text })) }),
  }),
  "task-request.json": TaskRequest,
  "validate-rejected.json": Submitted,
  "validate-valid.json": Submitted,
  "verify.json": Verify,
  "why-failed.json": Why,
  "why-waiting.json": Why,
  "worker-drain.json": page1({
    summary: v.looseObject({ landed: v.number(), waiting: v.number(), failed: v.number() }),
    entries: v.pipe(
      v.array(v.looseObject({ entry_id: Id, task_id: Text, outcome: Text, message: Text })),
      v.minLength(1),
    ),
    frozen: v.nullable(Text),
  }),
}

describe("samples", () => {
  test("each has a form, and the README names it", () => {
    expect(names).toEqual(Object.keys(FORMS).sort())
    const { text } = page("execution/README.md")
    expect(names.filter((name) => !text.includes(`samples/${name}`))).toEqual([])
  })
  for (const name of names) {
    test(`${name} is what the program writes`, () => {
      const result = v.safeParse(FORMS[name] ?? v.never(), JSON.parse(textOf(name)))
      expect(result.issues?.map((issue) => `${v.getDotPath(issue)}: ${issue.message}`) ?? []).toEqual([])
    })
    test(`${name} names no machine`, () => {
      expect(textOf(name)).not.toMatch(/"\/|\/(?:tmp|home|root|work|Users)\//)
    })
  }
})

const shown = v.parse(Show, JSON.parse(textOf("show.json")))

test("the shown cast's checksum is its own, and the receipt is of it", () => {
  const { cast, receipt } = shown
  expect(castChecksum(cast)).toBe(cast.checksum)
  expect(castIdOf(cast.checksum)).toBe(cast.cast_id)
  expect(receipt?.checksum).toBe(cast.checksum)
  expect(receipt).toEqual(JSON.parse(textOf("receipt.json")))
})

test("what verify recomputed is the receipt's, and the replay ends where the revert led back to", () => {
  const [verified] = v.parse(Verify, JSON.parse(textOf("verify.json"))).results
  const { base_tree, result_tree } = shown.receipt!
  expect([verified!.base_tree, verified!.result_tree]).toEqual([base_tree!, result_tree!])
  expect(JSON.parse(textOf("replay.json")).tip_tree).toBe(base_tree)
})

/** JSON in the pages that claims to be one of our documents, by its distinctive keys. */
const shownDocuments = pages().flatMap(({ path, text }) =>
  blocks(text)
    .filter(({ language }) => language === "json")
    .map((block) => ({ path, value: JSON.parse(block.text) as Record<string, unknown> })),
)

test("documents shown in the pages are valid, their hashes right", () => {
  const kinds = new Set<string>()
  for (const { path, value } of shownDocuments) {
    const [kind, schema] =
      "changes" in value
        ? (["change", ChangeRequest] as const)
        : "requested_changes" in value
          ? (["request", TaskRequest] as const)
          : "landing" in value || "guards" in value
            ? (["policy", Policy] as const)
            : (["other", v.unknown()] as const)
    kinds.add(kind)
    const result = v.safeParse(schema as v.GenericSchema, value)
    expect([path, result.issues?.map((issue) => issue.message) ?? []]).toEqual([path, []])
    if (kind !== "change") continue
    for (const change of v.parse(ChangeRequest, value).changes)
      expect([path, sha256Hex(payloadBytes(change)!)]).toEqual([path, change.patch_hash])
  }
  expect([...kinds]).toEqual(expect.arrayContaining(["change", "request", "policy"]))
})
