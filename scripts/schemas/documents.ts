import { type JsonSchema, toJsonSchema } from "@valibot/to-json-schema"
import type { GenericSchema } from "valibot"
import { ApprovalClaim, ApprovalRecord } from "../../src/domain/approval.ts"
import { Assignment } from "../../src/domain/assignment.ts"
import { CastBundle, CastPayload } from "../../src/domain/cast.ts"
import { AssignmentMetadata, Change, ChangeRequest, Provenance } from "../../src/domain/change-request.ts"
import { GuardOutput } from "../../src/domain/guard.ts"
import { AgentName, CastId, GitOid, GuardId, RequestId, Sha256Hex, TaskId } from "../../src/domain/ids.ts"
import { NextTaskContext } from "../../src/domain/next-task.ts"
import { Policy } from "../../src/domain/policy.ts"
import { ConflictPacket, FailureReport, LandedPatch, Receipt } from "../../src/domain/receipt.ts"
import { ChangeQueueLog, DeadLetterRecord, FileModification, QueueMetrics } from "../../src/domain/records.ts"
import { PhaseSpec, RequestedChange, TaskRequest } from "../../src/domain/request.ts"
import { Timestamp } from "../../src/domain/time.ts"

/** Documents and their parts, in the order of docs/SCHEMAS.md, with what each is. */
export const DOCUMENTS: Readonly<Record<string, readonly [schema: GenericSchema, about: string]>> = {
  TaskRequest: [TaskRequest, "What a person asks for. Unknown keys are kept and warned about."],
  RequestedChange: [RequestedChange, "One file of a request. Unknown keys are kept and warned about."],
  PhaseSpec: [PhaseSpec, "A phase of a request: its tasks run before those of later phases."],
  Assignment: [Assignment, "One isolated task for one agent."],
  AssignmentMetadata: [
    AssignmentMetadata,
    "What a change is for. In the answer to an assignment, intent, complexity and anchors are the assignment's.",
  ],
  ChangeRequest: [ChangeRequest, "An agent's answer: exact changes as data."],
  Change: [Change, "What happens to one path. Exactly one of `patch` and `content` is present."],
  Provenance: [Provenance, "The commit a change request was made from."],
  CastPayload: [CastPayload, "The checksummed payload that enters the queue."],
  CastBundle: [CastBundle, "`taskjson/<REQUEST_ID>.json`: a request with its split and its casts."],
  Policy: [Policy, "`hyperion.json`. Unknown keys are refused."],
  ApprovalRecord: [ApprovalRecord, "A person's approval, bound to what lands."],
  ApprovalClaim: [ApprovalClaim, "What an agent or a file says about approvals. Shown, never counted."],
  GuardOutput: [GuardOutput, "One run of one guard."],
  Receipt: [Receipt, "Proof of a landing."],
  LandedPatch: [LandedPatch, "One path of a landing."],
  ConflictPacket: [ConflictPacket, "Why a change did not fit, with enough for its agent to answer."],
  FailureReport: [FailureReport, "Why an entry failed."],
  NextTaskContext: [
    NextTaskContext,
    "`execution/next_task_context.json`, written at the end of `request`, `enqueue`, `apply` and `worker`.",
  ],
  QueueMetrics: [QueueMetrics, "`execution/verification_report.json`."],
  DeadLetterRecord: [DeadLetterRecord, "A failed entry and why, as `list-dead-letters` prints it."],
  ChangeQueueLog: [ChangeQueueLog, "A worker event, as `worker-logs` prints it."],
  FileModification: [FileModification, "A file that changed in the workspace, as `history` prints it."],
}

/** Values with a form of their own. */
export const VALUES: Readonly<Record<string, readonly [schema: GenericSchema, about: string]>> = {
  RequestId: [RequestId, "Names a request; chosen by people."],
  TaskId: [TaskId, "Names a task: `<request_id>-<n>`, or one of an agent's own."],
  CastId: [CastId, "`cast-` and the first 16 hex digits of the cast's checksum."],
  GuardId: [GuardId, "Names a guard of the policy."],
  AgentName: [AgentName, "An agent's or a person's name, on one line."],
  Sha256Hex: [Sha256Hex, "A SHA-256 digest as 64 lowercase hex digits."],
  GitOid: [GitOid, "A full git object id."],
  Timestamp: [Timestamp, "A point in time: RFC 3339 in UTC."],
}

const DEFINITIONS: Readonly<Record<string, GenericSchema>> = Object.fromEntries(
  Object.entries({ ...DOCUMENTS, ...VALUES }).map(([name, [schema]]) => [name, schema]),
)

/** The JSON Schema (2020-12) of one document as it is read, with the definitions it refers to. */
export const jsonSchema = (name: string): JsonSchema => {
  const { [name]: schema, ...definitions } = DEFINITIONS
  if (!schema) throw new Error(`no document is called ${name}`)
  const { $defs, $schema, ...body } = toJsonSchema(schema, {
    typeMode: "input",
    // Brands, trimming and checks across fields have no JSON Schema: the validator stays the judge.
    errorMode: "ignore",
    target: "draft-2020-12",
    definitions,
  })
  const used = referred(body, $defs ?? {}, new Set())
  const kept = Object.entries($defs ?? {}).filter(([key]) => used.has(key))
  return {
    ...($schema === undefined ? {} : { $schema }),
    title: name,
    ...body,
    ...(kept.length > 0 ? { $defs: Object.fromEntries(kept) } : {}),
  }
}

const referred = (
  schema: unknown,
  all: Readonly<Record<string, unknown>>,
  seen: Set<string>,
): Set<string> => {
  for (const [, name] of JSON.stringify(schema).matchAll(/"#\/\$defs\/(\w+)"/g)) {
    if (name === undefined || seen.has(name)) continue
    seen.add(name)
    referred(all[name], all, seen)
  }
  return seen
}
