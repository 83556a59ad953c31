import { describe, expect, test } from "bun:test"
import * as v from "valibot"
import { DEFAULT_POLICY, Policy } from "../../src/domain/policy.ts"
import {
  changedSettings,
  effectiveSettings,
  parseUserConfig,
  type SettingsInput,
} from "../../src/domain/settings.ts"

const input = (
  given: Record<string, unknown>,
  options: Partial<Omit<SettingsInput, "policy">> & { readonly source?: "base" | "workspace" } = {},
): SettingsInput => ({
  policy: {
    policy: v.parse(Policy, { version: 1, ...given }),
    source: options.source ?? "workspace",
    given,
  },
  user: options.user ?? null,
  env: options.env ?? {},
  ...(options.flags && { flags: options.flags }),
})

const settings = (...args: Parameters<typeof input>) => {
  const effective = effectiveSettings(input(...args))
  if (!effective.ok) throw new Error(JSON.stringify(effective.error))
  const { value } = effective
  return {
    policy: value.policy,
    of: (key: string) => {
      const found = value.settings.find((setting) => setting.key === key)
      return found && [found.value, found.origin]
    },
    all: value.settings,
  }
}

describe("precedence", () => {
  const harness = (...layers: readonly ("flag" | "env" | "policy" | "user")[]) =>
    settings(layers.includes("policy") ? { agent: { harness: "codex" } } : {}, {
      user: layers.includes("user") ? { agent: { harness: "acp" } } : null,
      env: layers.includes("env") ? { HYPERION_AGENT: "claude" } : { HYPERION_AGENT: "" },
      ...(layers.includes("flag") && { flags: { "agent.harness": "copilot" } }),
    }).of("agent.harness")

  test.each([
    [[], "stub", "default"],
    [["user"], "acp", "user config"],
    [["user", "policy"], "codex", "policy (workspace)"],
    [["user", "policy", "env"], "claude", "environment"],
    [["user", "policy", "env", "flag"], "copilot", "flag"],
    [["user", "flag"], "copilot", "flag"],
  ] as const)("%p: %s from %s", (layers, value, origin) => {
    expect(harness(...layers)).toEqual([value, origin])
  })

  test("is decided key by key, and the base's policy is told apart", () => {
    const found = settings(
      { agent: { model: "big" }, workers: 7 },
      { source: "base", user: { agent: { model: "mine", timeout_seconds: 9 }, workers: 1 } },
    )
    expect(found.of("agent.model")).toEqual(["big", "policy (base)"])
    expect(found.of("agent.timeout_seconds")).toEqual([9, "user config"])
    expect(found.of("workers")).toEqual([7, "policy (base)"])
    expect(found.policy.agent).toMatchObject({ model: "big", timeout_seconds: 9, small_model: "gpt-4.1" })
  })

  test("every setting is listed once; lists are values", () => {
    const { all, of } = settings({ guards: [{ id: "unit", command: "bun test" }] })
    expect(new Set(all.map(({ key }) => key)).size).toBe(all.length)
    expect(of("guards")?.[1]).toBe("policy (workspace)")
    expect(of("approvals.required")).toEqual([1, "default"])
    expect(of("version")).toBeUndefined()
  })

  test("a value nothing can have names its origin", () => {
    const bad = effectiveSettings(input({}, { env: { HYPERION_AGENT: "hal" } }))
    expect(bad).toMatchObject({ ok: false, error: [{ path: "agent.harness", origin: "environment" }] })
    const list = effectiveSettings(input({}, { flags: { "agent.command": [1] } }))
    expect(list).toMatchObject({ ok: false, error: [{ origin: "flag" }] })
  })
})

describe("the user's configuration", () => {
  const parse = (text: string) => parseUserConfig(new TextEncoder().encode(text))

  test("may say how many and with which agent", () => {
    expect(parse('{"workers": 2, "agents": 5, "agent": {"harness": "claude"}}')).toEqual({
      ok: true,
      value: { workers: 2, agents: 5, agent: { harness: "claude" } },
    })
    expect(parse("{}")).toEqual({ ok: true, value: {} })
  })

  test.each([
    ["approvals", '{"approvals": {"unattended": true}}', "not_a_user_setting"],
    ["sandbox", '{"sandbox": "off"}', "not_a_user_setting"],
    ["guards", '{"guards": []}', "not_a_user_setting"],
    ["on_event", '{"on_event": [["sh"]]}', "not_a_user_setting"],
    ["sensitive_paths", '{"sensitive_paths": {"remove": ["*"]}}', "not_a_user_setting"],
    ["wokers", '{"wokers": 1}', "unknown_key"],
    ["toString", '{"toString": 1}', "unknown_key"],
    ["agent.hanress", '{"agent": {"hanress": "x"}}', "unknown_key"],
    ["workers", '{"workers": 0}', "schema"],
  ] as const)("%s is refused by name", (path, text, code) => {
    expect(parse(text)).toMatchObject({ ok: false, error: [{ path, code }] })
  })

  test.each(["[]", "null", "1", "{", '{"workers":1,"workers":2}', ""])("%p is no configuration", (text) => {
    expect(parse(text).ok).toBe(false)
  })
})

test("what differs between two policies, key by key", () => {
  const after = v.parse(Policy, {
    version: 1,
    approvals: { required: 0, unattended: true },
    landing: { branch: "main" },
  })
  expect(changedSettings(DEFAULT_POLICY, after)).toEqual([
    { key: "approvals.required", from: 1, to: 0 },
    { key: "approvals.unattended", from: false, to: true },
    { key: "landing.branch", from: undefined, to: "main" },
  ])
  expect(changedSettings(after, after)).toEqual([])
})
