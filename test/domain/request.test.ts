import { expect, test } from "bun:test"
import * as v from "valibot"
import { parseDocument } from "../../src/domain/parse-document.ts"
import { TaskRequest, unknownKeys } from "../../src/domain/request.ts"
import { quoted } from "../../src/domain/violation.ts"

const REQUEST = { request_id: "R1", summary: "hello", requested_changes: [{ path: "a", summary: "s" }] }

test("unknown keys of a request are kept and listed", () => {
  const request = v.parse(TaskRequest, {
    ...REQUEST,
    owner: "x",
    "odd key\u001b": 1,
    requested_changes: [
      { path: "a", summary: "s", ensure_exists: true },
      { path: "b", summary: "s", opration: "add" },
    ],
    phases: [{ id: "p", name: "P", ordinal: 1, failure: "block" }],
    metadata: { anything: 1 },
  })
  expect(unknownKeys(request)).toEqual([
    "owner",
    '["odd key\\u001b"]',
    "requested_changes[1].opration",
    "phases[0].failure",
  ])
  expect(request["owner"]).toBe("x")
  expect(unknownKeys(v.parse(TaskRequest, REQUEST))).toEqual([])
})

test("defaults of a request", () => {
  const request = v.parse(TaskRequest, { ...REQUEST, phases: [{ id: "p", name: "P", ordinal: 0 }] })
  expect(request.priority).toBe(5)
  expect(request.landing).toBe("independent")
  expect(request.phases?.[0]?.failure_policy).toBe("block")
})

test("a request that says nothing is refused with every reason", () => {
  const told = (document: unknown) => {
    const result = parseDocument(TaskRequest, document)
    return result.ok ? [] : result.error.map(({ code, path }) => `${code}@${path}`)
  }
  expect(told({})).toEqual(["missing@request_id", "missing@summary", "missing@requested_changes"])
  expect(told({ request_id: "../x", summary: " ", requested_changes: [], priority: 10 })).toEqual([
    "schema@request_id",
    "schema@summary",
    "schema@requested_changes",
    "schema@priority",
  ])
  expect(told({ ...REQUEST, requested_changes: [{}] })).toEqual([
    "missing@requested_changes[0].path",
    "missing@requested_changes[0].summary",
  ])
})

test("a wide document is told one issue, quickly", () => {
  const result = parseDocument(TaskRequest, { ...REQUEST, requested_changes: Array(500_000).fill(1) })
  expect(result.ok ? 0 : result.error.length).toBe(1)
})

test("quoted text is one printable line", () => {
  expect(quoted("a b")).toBe('"a b"')
  expect(quoted("\u001b[31m\u202e\u2028\u009b\n")).toBe('"\\u001b[31m\\u{202e}\\u{2028}\\u{9b}\\n"')
  expect(quoted("x".repeat(500)).length).toBeLessThan(130)
  expect(quoted(`${"x".repeat(119)}😀`).isWellFormed()).toBe(true)
})
