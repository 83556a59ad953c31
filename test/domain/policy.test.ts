import { describe, expect, test } from "bun:test"
import { parseDocument } from "../../src/domain/parse-document.ts"
import { DEFAULT_POLICY, Policy } from "../../src/domain/policy.ts"

const told = (document: object) => {
  const result = parseDocument(Policy, { version: 1, ...document })
  return result.ok ? [] : result.error.map(({ code, path }) => `${code}@${path}`)
}

describe("policy", () => {
  test("an empty policy is the documented default", () => {
    expect(DEFAULT_POLICY).toMatchObject({
      landing: { mode: "commit" },
      guards: [],
      suites: {},
      approvals: { required: 1, presence: "tty", unattended: false, survive_rebase: false, tiers: [] },
      sensitive_paths: { add: [], remove: [] },
      queue: {
        lease_seconds: 300,
        max_attempts: 5,
        dedup_window_hours: 24,
        retention_days: 7,
        dead_letter_days: 30,
        default_ttl_seconds: 604_800,
        admit: "open",
      },
      paths: "portable",
      workers: 3,
      agents: 3,
      agent: {
        harness: "stub",
        model: "gpt-5-mini",
        small_model: "gpt-4.1",
        small_model_max_complexity: 3,
        max_retries: 2,
      },
      sandbox: "preferred",
      on_event: [],
    })
    // The doors differ here (agents: known, people: open), so there is no one default.
    expect(DEFAULT_POLICY.tasks).toBeUndefined()
  })

  test("a section given in part keeps the other defaults", () => {
    const result = parseDocument(Policy, { version: 1, approvals: { required: 2 }, queue: {} })
    expect(result.ok && result.value.approvals.presence).toBe("tty")
    expect(result.ok && result.value.queue).toEqual(DEFAULT_POLICY.queue)
  })

  test("a guard's defaults", () => {
    const result = parseDocument(Policy, { version: 1, guards: [{ id: "unit", command: "npm test" }] })
    expect(result.ok && (result.value.guards as unknown)).toEqual([
      {
        id: "unit",
        command: "npm test",
        timeout_seconds: 600,
        network: false,
        when: [],
        cache: true,
        flaky_retries: 1,
        env: [],
      },
    ])
  })

  test("every unknown key is refused, at every depth, all at once", () => {
    expect(
      told({
        aprovals: {},
        landing: { mod: "commit" },
        guards: [{ id: "a", command: "b", netwrok: true }],
        approvals: { tiers: [{ name: "t", paths: ["x"], required: 1, presense: "tty" }], unatended: true },
        constructor: 1,
      }).toSorted(),
    ).toEqual([
      "unknown_key@approvals.tiers[0].presense",
      "unknown_key@approvals.unatended",
      "unknown_key@aprovals",
      "unknown_key@constructor",
      "unknown_key@guards[0].netwrok",
      "unknown_key@landing.mod",
    ])
  })

  test("another version, and no version, is refused", () => {
    expect(told({ version: 2 })).toEqual(["schema@version"])
    expect(told({ version: "1" })).toEqual(["schema@version"])
    expect(parseDocument(Policy, {}).ok).toBe(false)
    for (const document of [null, [], "x", 1]) expect(parseDocument(Policy, document).ok).toBe(false)
  })

  test("values that would switch a safety off by mistake are refused", () => {
    for (const document of [
      { approvals: { required: -1 } },
      { approvals: { required: "0" } },
      { approvals: { unattended: "true" } },
      { approvals: { tiers: [{ name: "t", paths: [], required: 1 }] } },
      { approvals: { tiers: [{ name: "t", paths: ["x"], required: 0 }] } },
      { sandbox: "none" },
      { paths: "any" },
      { tasks: "all" },
      { guards: [{ id: "a", command: "" }] },
      { guards: [{ id: "a", command: [] }] },
      { guards: [{ id: "-a", command: "x" }] },
      {
        guards: [
          { id: "a", command: "x" },
          { id: "a", command: "y" },
        ],
      },
      { suites: { all: ["missing"] } },
      { queue: { lease_seconds: 0 } },
      { queue: { default_ttl_seconds: 1e300 } },
      { workers: 0 },
      { limits: { max_changes: 0 } },
      { guards: [{ id: "a", command: [""] }] },
      { on_event: [[]] },
      { landing: null },
    ])
      expect([document, told(document).length > 0]).toEqual([document, true])
  })
})
