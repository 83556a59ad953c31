import { describe, expect, test } from "bun:test"
import * as v from "valibot"
import { CastPayload, castChecksum, castIdOf, expiresAt, makeCast } from "../../src/domain/cast.ts"
import {
  type Change,
  ChangeRequest,
  payloadBytes,
  payloadHash,
  type ValidatedChangeRequest,
} from "../../src/domain/change-request.ts"
import { canonicalJson, sha256Hex } from "../../src/domain/hash.ts"
import type { RequestId } from "../../src/domain/ids.ts"
import { parseDocument } from "../../src/domain/parse-document.ts"
import { MAX_TTL_SECONDS } from "../../src/domain/time.ts"

const HASH = (digit: string) => digit.repeat(64)
const DOCUMENT = {
  schema_version: 1,
  task_id: "R1-1",
  agent: "agent-a",
  base_revision: "a".repeat(40),
  metadata: {
    intent: "say hello",
    complexity: 3,
    sample_diff: null,
    telemetry_anchors: ["cast_builder"],
    approvals: [{ approver: "someone", note: "looks right", timestamp: 1 }],
    agent_model: "m",
  },
  changes: [
    { path: "b", operation: "update", patch: "x", patch_hash: HASH("1"), base_hash: HASH("2") },
    { path: "a", operation: "add", content: "é\n", patch_hash: HASH("3"), patch_encoding: "utf8" },
  ],
  checks: ["unit"],
  expected_outcomes: ["it says hello"],
  depends_on: ["R1-0"],
  provenance: {
    revision: "b".repeat(40),
    author_name: "A",
    author_email: "a@b",
    author_date: "1 +0000",
    message: "m",
  },
}
const CONTEXT = {
  requestId: "R1" as RequestId,
  at: Date.UTC(2026, 0, 31, 12),
  ttlSeconds: 60,
  auditHead: { hash: HASH("9"), seq: 7 },
}
const validated = (document: unknown = DOCUMENT) => v.parse(ChangeRequest, document) as ValidatedChangeRequest
const cast = makeCast(validated(), CONTEXT)

/** Every way to change one leaf of a JSON value a little. */
const mutations = (value: unknown): readonly unknown[] => {
  if (Array.isArray(value))
    return [
      [...value, "more"],
      ...value.flatMap((item, at) => mutations(item).map((other) => value.with(at, other))),
    ]
  if (typeof value === "object" && value !== null)
    return [
      { ...value, more: 1 },
      ...Object.entries(value).flatMap(([key, item]) => {
        const { [key]: _, ...without } = value as Record<string, unknown>
        return [without, ...mutations(item).map((other) => ({ ...value, [key]: other }))]
      }),
    ]
  if (typeof value === "string") return [`${value}x`]
  if (typeof value === "number") return [value + 1]
  return ["other"]
}

describe("cast checksum", () => {
  test("every leaf of every covered field counts", () => {
    const covered = {
      version: cast.version,
      request_id: cast.request_id,
      task_id: cast.task_id,
      agent_id: cast.agent_id,
      created_at: cast.created_at,
      ttl_seconds: cast.ttl_seconds,
      telemetry_anchors: cast.telemetry_anchors,
      change_request: cast.change_request,
    }
    let tried = 0
    for (const [key, value] of Object.entries(covered))
      for (const other of mutations(value)) {
        tried++
        expect(castChecksum({ ...cast, [key]: other })).not.toBe(cast.checksum)
      }
    expect(tried).toBeGreaterThan(60)
    expect(castChecksum(cast)).toBe(cast.checksum)
  })

  test("what is said about the cast later does not count", () => {
    const later = {
      ...cast,
      audit_token: HASH("8"),
      wal_anchor: 99,
      approvals: [],
      guard_outputs: [
        {
          guard_id: "unit",
          command: ["true"],
          tree: "t",
          exit_code: 0,
          result: "passed",
          duration_ms: 1,
          stdout_tail: "",
          stderr_tail: "",
          log_sha256: null,
          sandbox: "none",
        },
      ],
    }
    expect(castChecksum(v.parse(CastPayload, later))).toBe(cast.checksum)
  })

  test("same input, base and clock: the same bytes; another clock: another cast", () => {
    const again = makeCast(validated(structuredClone(DOCUMENT)), { ...CONTEXT })
    expect(JSON.stringify(again)).toBe(JSON.stringify(cast))
    expect(makeCast(validated(), { ...CONTEXT, at: CONTEXT.at + 1 }).cast_id).not.toBe(cast.cast_id)
  })

  test("it survives writing, reading and parsing again", () => {
    for (const document of [
      DOCUMENT,
      { ...DOCUMENT, metadata: { intent: "  spaced  " }, checks: undefined },
    ]) {
      const made = makeCast(validated(JSON.parse(JSON.stringify(document))), CONTEXT)
      for (const text of [JSON.stringify(made), canonicalJson(made)]) {
        const read = v.parse(CastPayload, JSON.parse(text))
        expect(castChecksum(read)).toBe(made.checksum)
        expect(canonicalJson(read)).toBe(canonicalJson(made))
      }
    }
  })

  test("the id is made of it, and fields stand in the documented order", () => {
    expect(cast.cast_id).toBe(castIdOf(cast.checksum))
    expect(String(cast.cast_id)).toBe(`cast-${cast.checksum.slice(0, 16)}`)
    expect(Object.keys(cast)).toEqual(Object.keys(CastPayload.entries))
    expect(cast.created_at).toBe("2026-01-31T12:00:00.000Z")
    expect(expiresAt(cast)).toBe(CONTEXT.at + 60_000)
  })

  test("unknown keys, other versions and endless lifetimes are refused", () => {
    const codes = (over: object) => {
      const result = parseDocument(CastPayload, { ...cast, ...over })
      return result.ok ? [] : result.error.map(({ code, path }) => `${code}@${path}`)
    }
    expect(codes({})).toEqual([])
    expect(codes({ extra: 1 })).toEqual(["unknown_key@extra"])
    expect(codes({ version: 2 })).toEqual(["schema@version"])
    expect(codes({ ttl_seconds: 0 })).toEqual(["schema@ttl_seconds"])
    expect(codes({ ttl_seconds: MAX_TTL_SECONDS + 1 })).toEqual(["schema@ttl_seconds"])
    expect(codes({ created_at: "2026-02-30T00:00:00Z" })).toEqual(["schema@created_at"])
  })
})

describe("payload hash (deduplication)", () => {
  const changes = validated().changes

  test("the order of changes does not count, everything that changes does", () => {
    const hash = payloadHash(changes)
    expect(payloadHash(changes.toReversed())).toBe(hash)
    const others: readonly Partial<Change>[] = [
      { path: "c" },
      { operation: "delete" },
      { patch_hash: HASH("4") },
      { base_hash: HASH("5") },
    ]
    for (const other of others)
      expect(payloadHash(changes.with(0, { ...changes[0]!, ...other }))).not.toBe(hash)
    expect(payloadHash(changes.slice(1))).not.toBe(hash)
    expect(payloadHash([...changes, changes[0]!])).not.toBe(hash)
  })

  test("delete and add of one path may stand in either order of their listing", () => {
    const pair = [
      { path: "a", operation: "delete", content: "", patch_hash: HASH("1"), base_hash: HASH("2") },
      { path: "a", operation: "add", content: "x", patch_hash: HASH("3") },
    ] as Change[]
    expect(payloadHash(pair)).toBe(payloadHash(pair.toReversed()))
  })

  test("agent, model, time, words and how the payload is carried do not count", () => {
    const other = validated({
      ...DOCUMENT,
      agent: "agent-b",
      metadata: { ...DOCUMENT.metadata, agent_model: "n", intent: "other words" },
      expected_outcomes: [],
      changes: DOCUMENT.changes.map((change) => ({ ...change, signature: "s" })),
    })
    expect(payloadHash(other.changes)).toBe(payloadHash(changes))
    const later = makeCast(other, { ...CONTEXT, at: CONTEXT.at + 1e6 })
    expect(payloadHash(later.change_request.changes)).toBe(payloadHash(changes))
  })
})

test("payload bytes are the raw bytes, or null where there is not exactly one payload", () => {
  const bytes = (over: Partial<Change>) =>
    payloadBytes({ path: "a", operation: "add", patch_hash: HASH("0"), ...over } as Change)
  expect(bytes({})).toBeNull()
  expect(bytes({ patch: "a", content: "a" })).toBeNull()
  expect(bytes({ content: "" })).toEqual(new Uint8Array())
  expect(bytes({ patch: "é" })).toEqual(new Uint8Array([0xc3, 0xa9]))
  expect(sha256Hex(bytes({ content: "/wD+", patch_encoding: "base64" })!)).toBe(
    sha256Hex(new Uint8Array([0xff, 0, 0xfe])),
  )
  for (const content of ["/wD", "_wD-", "/w D+", "/wD+\n", "=", "/w===", "/wD+="])
    expect([content, bytes({ content, patch_encoding: "base64" })]).toEqual([content, null])
})
