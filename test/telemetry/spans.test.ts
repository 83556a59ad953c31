import { describe, expect, test } from "bun:test"
import * as FastCheck from "effect/FastCheck"
import { sha256Hex } from "../../src/domain/hash.ts"
import { distributions } from "../../src/telemetry/distributions.ts"
import {
  approvalSpan,
  attemptContext,
  guardsContext,
  guardsSpans,
  requestContext,
  sendContext,
  sendSpan,
  traceIdOf,
} from "../../src/telemetry/spans.ts"

const cast = { request_id: "greet", task_id: "greet-1", cast_id: "cast-1" }
const time = { startNs: 5n, endNs: 7n }

describe("a trace's ids", () => {
  test("are made as docs/telemetry.md says, from what every process knows", () => {
    expect(traceIdOf("greet")).toBe(sha256Hex("hyperion/trace/greet").slice(0, 32))
    for (const context of [
      requestContext("greet", 5n),
      sendContext(cast),
      attemptContext({ cast, token: 1 }),
      guardsContext(sendContext(cast), "tree"),
    ]) {
      expect(context.traceId).toBe(traceIdOf("greet"))
      expect(context.spanId).toMatch(/^[0-9a-f]{16}$/)
    }
  })

  test("differ with the request, the cast and the attempt, and are the same again", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.string(), FastCheck.string(), (a, b) => {
        expect(traceIdOf(a) === traceIdOf(b)).toBe(a === b)
        const of = (cast_id: string) => sendContext({ ...cast, cast_id }).spanId
        expect(of(a) === of(b)).toBe(a === b)
      }),
    )
    const attempts = [1, 2].map((token) => attemptContext({ cast, token }).spanId)
    expect(attempts[0]).not.toBe(attempts[1])
  })

  test("tell two approvals of one entry apart, and a duplicate from what was queued", () => {
    const about = { entryId: 1, presence: "tty", binds: "approval", error: null }
    const [first, second] = [7n, 8n].map((endNs) => approvalSpan(cast, { startNs: 5n, endNs }, about))
    expect(first!.spanId).not.toBe(second!.spanId)
    const sent = (outcome: string) => sendSpan(null, time, { cast, entryId: 1, outcome, error: null }).spanId
    expect(sent("queued")).toBe(sendContext(cast).spanId)
    expect(sent("duplicate")).not.toBe(sent("queued"))
  })
})

test("a run of the guards on several entries is told in each of their traces, and counted once", () => {
  const parents = [sendContext(cast), sendContext({ ...cast, request_id: "other", cast_id: "cast-other" })]
  const time = { startNs: 1n, endNs: 2_000_000_001n }
  const spans = guardsSpans(parents, "tree", time, { result: "success", error: null })
  expect(spans.map(({ traceId }) => traceId)).toEqual(parents.map(({ traceId }) => traceId))
  const runs = spans.map(({ attributes }) => attributes["cicd.pipeline.run.id"])
  expect(runs).toEqual([spans[0]!.spanId, spans[0]!.spanId])
  const counted = distributions()
  for (const span of spans) counted.add(span)
  expect(counted.take().map(({ name, count, sum }) => [name, count, sum])).toEqual([
    ["cicd.pipeline.run.duration", 1, 2],
  ])
  // The same entries on another tree are another run.
  const again = guardsSpans(parents, "other tree", time, { result: "failure", error: "guard_failed" })
  expect(again[0]!.spanId).not.toBe(spans[0]!.spanId)
})
