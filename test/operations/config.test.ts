import { describe, expect } from "bun:test"
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import { showConfig, type TrustReview, trustPolicy } from "../../src/operations/config.ts"
import { Operator } from "../../src/platform/Operator.ts"
import { PolicyStore } from "../../src/platform/PolicyStore.ts"
import { userConfigFile } from "../../src/platform/user-config.ts"
import { CurrentWorkspace } from "../../src/platform/Workspace.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { withLayer } from "../support/effect.ts"
import { desk } from "./support.ts"

const edit = (policy: object | string) =>
  Effect.flatMap(CurrentWorkspace, ({ policyFile }) =>
    Effect.sync(() =>
      writeFileSync(
        policyFile,
        typeof policy === "string" ? policy : JSON.stringify({ version: 1, ...policy }),
      ),
    ),
  )

const writeUserConfig = (config: object) =>
  Effect.flatMap(Operator, ({ env }) =>
    Effect.sync(() => {
      const file = userConfigFile(env)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, JSON.stringify(config))
    }),
  )

const trusting = (options: { readonly yes?: boolean } = {}) => {
  const shown: TrustReview[] = []
  return trustPolicy(
    { yes: options.yes ?? false },
    {
      render: (review) => {
        shown.push(review)
        return review.changes.map(({ key }) => key).join(" ")
      },
      color: false,
      note: () => undefined,
    },
  ).pipe(Effect.map((report) => ({ ...report, shown })))
}

const judged = Effect.flatMap(PolicyStore, (store) => Effect.either(store.load(Effect.succeed(null))))

describe("config show", () => {
  withLayer(desk({ policy: { workers: 4 }, env: { HYPERION_AGENT: "claude" } })).effect(
    "lists what is in force and where it comes from",
    () =>
      Effect.gen(function* () {
        yield* writeUserConfig({ agents: 9, workers: 1 })
        const { settings, policy } = yield* showConfig()
        const of = (key: string) => settings.find((setting) => setting.key === key)
        expect(policy.source).toBe("workspace")
        expect(of("workers")).toEqual({ key: "workers", value: 4, origin: "policy (workspace)" })
        expect(of("agents")).toEqual({ key: "agents", value: 9, origin: "user config" })
        expect(of("agent.harness")).toEqual({ key: "agent.harness", value: "claude", origin: "environment" })
        expect(of("sandbox")?.origin).toBe("default")
      }),
  )

  withLayer(desk({ policy: {} })).effect("refuses a user's configuration that decides over safety", () =>
    Effect.gen(function* () {
      yield* writeUserConfig({ approvals: { unattended: true } })
      expect(yield* Effect.flip(showConfig())).toMatchObject({
        _tag: "UserConfigInvalid",
        violations: [{ code: "not_a_user_setting", path: "approvals" }],
      })
    }),
  )

  withLayer(desk({ policy: {}, env: { HYPERION_AGENT: "hal" } })).effect(
    "names the origin of a bad value",
    () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(showConfig())
        expect(error._tag).toBe("SettingsInvalid")
        expect(error.message).toContain("environment")
      }),
  )

  withLayer(desk({ policy: { workers: 2 }, tracked: true })).effect("tells the base's policy apart", () =>
    Effect.gen(function* () {
      const { settings } = yield* showConfig()
      expect(settings.find(({ key }) => key === "workers")?.origin).toBe("policy (base)")
    }),
  )

  withLayer(desk({ env: { XDG_CONFIG_HOME: "relative" } })).effect("looks in an absolute folder only", () =>
    Effect.gen(function* () {
      const { env } = yield* Operator
      expect((yield* showConfig()).user_config).toBe(join(env["HOME"]!, ".config/hyperion/config.json"))
      expect(userConfigFile({ XDG_CONFIG_HOME: "/x" })).toBe("/x/hyperion/config.json")
    }),
  )
})

describe("config trust", () => {
  const agrees = desk({ policy: { workers: 2 }, types: () => "yes" })
  withLayer(agrees).effect("shows what changed since the last time, and then it may judge", () =>
    Effect.gen(function* () {
      yield* edit({ workers: 2, approvals: { unattended: true } })
      expect((yield* judged)._tag).toBe("Left")
      const report = yield* trusting()
      expect(report).toMatchObject({ trusted: true, compared_with: "trusted", tracked: false })
      expect(report.changes).toEqual([{ key: "approvals.unattended", from: false, to: true }])
      expect(report.shown).toHaveLength(1)
      expect((yield* judged)._tag).toBe("Right")
    }),
  )

  withLayer(desk({ types: () => "yes" })).effect("compares with the defaults the first time", () =>
    Effect.gen(function* () {
      yield* edit({ sandbox: "off" })
      expect(yield* trusting()).toMatchObject({
        compared_with: "default",
        trusted_before: null,
        changes: [{ key: "sandbox", from: "preferred", to: "off" }],
      })
    }),
  )

  withLayer(agrees).effect("asks nobody when nothing changed", () =>
    Effect.gen(function* () {
      expect(yield* trusting()).toMatchObject({ trusted: true, shown: [] })
    }),
  )

  withLayer(desk({ policy: {}, types: () => "y" })).effect("takes only a yes", () =>
    Effect.gen(function* () {
      yield* edit({ sandbox: "off" })
      expect((yield* trusting()).trusted).toBe(false)
      expect((yield* judged)._tag).toBe("Left")
    }),
  )

  withLayer(desk({ policy: {}, presence: { terminal: false, agent: null } })).effect(
    "without a terminal needs --yes",
    () =>
      Effect.gen(function* () {
        yield* edit({ workers: 9 })
        expect(yield* Effect.flip(trusting())).toMatchObject({ _tag: "NeedsYes" })
        expect((yield* trusting({ yes: true })).trusted).toBe(true)
        expect((yield* judged)._tag).toBe("Right")
      }),
  )

  withLayer(
    desk({ policy: {}, presence: { terminal: true, agent: "the process codex" }, types: () => "yes" }),
  ).effect("is refused inside an agent, whatever the flags", () =>
    Effect.gen(function* () {
      yield* edit({ approvals: { unattended: true } })
      const queue = yield* QueueService
      const head = yield* queue.head()
      for (const yes of [false, true])
        expect(yield* Effect.flip(trusting({ yes }))).toMatchObject({ reason: "agent_environment" })
      expect(yield* queue.head()).toEqual(head)
    }),
  )

  const held: { file: string } = { file: "" }
  const raced = desk({
    policy: {},
    types: () => {
      writeFileSync(held.file, JSON.stringify({ version: 1, approvals: { unattended: true } }))
      return "yes"
    },
  })
  withLayer(raced).effect("does not trust an edit made while the person read", () =>
    Effect.gen(function* () {
      held.file = (yield* CurrentWorkspace).policyFile
      yield* edit({ workers: 9 })
      expect(yield* Effect.flip(trusting())).toMatchObject({ _tag: "WrongState" })
      expect((yield* judged)._tag).toBe("Left")
    }),
  )

  withLayer(agrees).effect("refuses a policy it does not understand, and one that is gone", () =>
    Effect.gen(function* () {
      yield* edit('{"version": 1, "sanbox": "off"}')
      expect(yield* Effect.flip(trusting({ yes: true }))).toMatchObject({ _tag: "PolicyInvalid" })
      const { policyFile } = yield* CurrentWorkspace
      yield* Effect.promise(() => Bun.file(policyFile).delete())
      expect(yield* Effect.flip(trusting({ yes: true }))).toMatchObject({ _tag: "PolicyUnreadable" })
    }),
  )

  withLayer(desk({ policy: {}, tracked: true, types: () => "yes" })).effect(
    "says that the base's policy judges",
    () =>
      Effect.gen(function* () {
        yield* edit({ workers: 9 })
        expect((yield* trusting()).tracked).toBe(true)
      }),
  )
})
