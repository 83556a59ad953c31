import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as v from "valibot"
import { GuardOutput } from "../../src/domain/guard.ts"
import { GuardSpec } from "../../src/domain/policy.ts"
import { GuardMemory } from "../../src/guard/GuardMemory.ts"
import { GuardService } from "../../src/guard/GuardService.ts"
import type { GuardSettings, GuardTarget } from "../../src/guard/target.ts"
import { ProcessRunner } from "../../src/platform/ProcessRunner.ts"
import { Sandbox } from "../../src/platform/Sandbox.ts"

const withSandbox = <E>(sandbox: Layer.Layer<Sandbox, E, ProcessRunner>) =>
  GuardService.layer.pipe(
    Layer.provide(GuardMemory.layerInMemory),
    Layer.provideMerge(sandbox),
    Layer.provide(ProcessRunner.layer),
  )
const NONE = Sandbox.layerOf({ available: false, reason: "not in this test", hint: "install it" })

let folder = ""
let dir = ""
let resets = 0
let runtime = ManagedRuntime.make(withSandbox(NONE))
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hyperion-guard-"))
  dir = join(folder, "tree")
  mkdirSync(dir)
  resets = 0
  runtime = ManagedRuntime.make(withSandbox(NONE))
})
afterEach(async () => {
  await runtime.dispose()
  rmSync(folder, { recursive: true, force: true })
})

const target = (more: Partial<GuardTarget<never>> = {}): GuardTarget<never> => ({
  tree: "a".repeat(40),
  dir,
  binds: [],
  dependencies: { digest: "deps", missing: [] },
  reset: Effect.sync(() => {
    resets++
  }),
  ...more,
})
const guard = (script: string, more: Partial<v.InferInput<typeof GuardSpec>> = {}) =>
  v.parse(GuardSpec, { id: "check", command: ["sh", "-c", script], ...more })
const settings = (more: Partial<GuardSettings> = {}): GuardSettings => ({
  sandbox: "preferred",
  environment: {
    PATH: "/usr/bin:/bin",
    HOME: "/",
    GITHUB_TOKEN: "planted",
    SHOWN: "shown",
    DB_PASSWORD: "planted",
  },
  hidden: [],
  logDir: join(folder, "logs"),
  solo: true,
  ...more,
})
const run = (spec: GuardSpec, on = target(), how = settings()) =>
  runtime.runPromise(Effect.flatMap(GuardService, (service) => service.run(on, spec, how)))
/** How often a script that begins with this was started. */
const COUNT = "echo x >> ../count; "
const count = () =>
  existsSync(join(folder, "count")) ? readFileSync(join(folder, "count"), "utf8").length / 2 : 0

describe("a run", () => {
  test("gives a whole output and a log named by its digest", async () => {
    const done = await run(guard("pwd; echo out; echo err >&2; exit 0"))
    expect(done).toMatchObject({ remembered: false, attempts: 1, note: null })
    expect(v.parse(GuardOutput, done.output)).toMatchObject({
      guard_id: "check",
      command: ["sh", "-c", "pwd; echo out; echo err >&2; exit 0"],
      tree: "a".repeat(40),
      exit_code: 0,
      result: "passed",
      stdout_tail: `${dir}\nout\n`,
      stderr_tail: "err\n",
      sandbox: "none",
    })
    expect(readdirSync(join(folder, "logs"))).toEqual([`${done.output.log_sha256}.log`])
    const log = readFileSync(join(folder, "logs", `${done.output.log_sha256}.log`))
    expect(createHash("sha256").update(log).digest("hex")).toBe(done.output.log_sha256!)
    expect(resets).toBe(1)
  })

  test("takes a string command as words", async () => {
    const done = await run(guard("", { command: `printf '%s.' "a b" c` }))
    expect(done.output).toMatchObject({
      result: "passed",
      command: ["printf", "%s.", "a b", "c"],
      stdout_tail: "a b.c.",
    })
  })

  test("passes on only what is named, and never a secret", async () => {
    const done = await run(guard("env", { env: ["SHOWN", "GITHUB_TOKEN", "DB_PASSWORD"] }))
    expect(done.output.stdout_tail).toContain("SHOWN=shown")
    expect(done.output.stdout_tail).not.toContain("planted")
  })

  test("keeps the end of a long output, from a whole character on", async () => {
    const done = await run(guard("head -c 9000 /dev/zero | sed 's/./ä/g'; printf end"))
    expect(done.output.stdout_tail).toMatch(/^ä+end$/)
    expect(done.output.stdout_tail.length).toBeGreaterThan(2_000)
  })
})

describe("results", () => {
  test("red is failed", async () => {
    const done = await run(guard("exit 3", { flaky_retries: 0 }))
    expect(done.output).toMatchObject({ result: "failed", exit_code: 3 })
  })

  test("a hang is a timeout", async () => {
    const script = `${COUNT} trap '' TERM; while :; do sleep 1; done`
    const done = await run({ ...guard(script, { flaky_retries: 3 }), timeout_seconds: 0.2 })
    expect(done.output).toMatchObject({ result: "timeout", exit_code: null })
    expect([done.attempts, count()]).toEqual([1, 1])
  })

  test.each([
    ["a missing executable", { command: ["no-such-program"] }],
    ["a command for a shell", { command: "npm test && rm -rf x" }],
    ["exit 127", { command: ["sh", "-c", "no-such-program"] }],
    ["exit 126", { command: ["sh", "-c", "exit 126"] }],
  ])("%s is infra", async (_, more) => {
    const done = await run(guard("", more))
    expect(v.parse(GuardOutput, done.output).result).toBe("infra")
    expect(done.note).toBeString()
    expect(count()).toBe(0)
  })

  test("a log that cannot be written is infra", async () => {
    writeFileSync(join(folder, "logs"), "a file")
    expect((await run(guard("true"))).output.result).toBe("infra")
  })

  test("a missing dependency is infra only where one is known to be missing and the guard looked for it", async () => {
    const missing = [{ path: "node_modules", reason: "the working tree has no node_modules" }]
    const poor = target({ dependencies: { digest: "deps", missing } })
    const lookup = guard("echo \"Error: Cannot find module 'x'\" >&2; exit 1", { flaky_retries: 0 })
    const done = await run(lookup, poor)
    expect(done.output.result).toBe("infra")
    expect(done.note).toContain("no node_modules")
    expect((await run(lookup)).output.result).toBe("failed")
    expect((await run(guard("echo 1 test failed; exit 1", { flaky_retries: 0 }), poor)).output.result).toBe(
      "failed",
    )
    expect((await run(guard("true"), poor)).output.result).toBe("passed")
  })

  test("required without a sandbox runs nothing", async () => {
    const service = Effect.flatMap(GuardService, (guards) =>
      guards.run(target(), guard(COUNT), settings({ sandbox: "required" })),
    )
    const result = await runtime.runPromise(Effect.either(service))
    expect(Either.isLeft(result) && result.left).toMatchObject({
      _tag: "SandboxUnavailable",
      hint: "install it",
    })
    expect(count()).toBe(0)
  })
})

describe("flaky guards", () => {
  const flaky = (until: number) => `${COUNT} test $(wc -l < ../count) -ge ${until}`

  test("a red solo run is repeated on a reset tree before it counts", async () => {
    const done = await run(guard(flaky(3), { flaky_retries: 2 }))
    expect(done).toMatchObject({ attempts: 3, output: { result: "passed" } })
    expect([count(), resets]).toEqual([3, 3])
  })

  test("it fails when every repetition is red", async () => {
    const done = await run(guard(`${COUNT} exit 1`, { flaky_retries: 2 }))
    expect(done).toMatchObject({ attempts: 3, output: { result: "failed" } })
  })

  test("a batch's red run is neither repeated nor remembered", async () => {
    const spec = guard(`${COUNT} exit 1`, { flaky_retries: 2 })
    for (const runs of [1, 2]) {
      expect(await run(spec, target(), settings({ solo: false }))).toMatchObject({
        attempts: 1,
        remembered: false,
      })
      expect(count()).toBe(runs)
    }
  })
})

describe("memory", () => {
  test("green and confirmed red are remembered for the same tree, guard, environment and dependencies", async () => {
    for (const code of [0, 1]) {
      rmSync(join(folder, "count"), { force: true })
      const spec = guard(`${COUNT} exit ${code}`)
      const first = await run(spec)
      const runs = count()
      expect(await run(spec)).toEqual({ output: first.output, remembered: true, attempts: 0, note: null })
      expect(count()).toBe(runs)
    }
  })

  test("anything it depends on makes it run again; its limits do not", async () => {
    const spec = guard(COUNT)
    const deps = { digest: "others", missing: [] }
    await run(spec)
    await run({ ...spec, timeout_seconds: 5, flaky_retries: 0, when: ["**"] })
    expect(count()).toBe(1)
    await run(spec, target({ tree: "b".repeat(40) }))
    await run(spec, target({ dependencies: deps }))
    await run({ ...spec, env: ["SHOWN"] })
    await run({ ...spec, network: true })
    await run(guard(`${COUNT} true`))
    expect(count()).toBe(6)
  })

  test("cache: false neither reads nor writes it", async () => {
    const spec = guard(COUNT)
    await run({ ...spec, cache: false })
    await run(spec)
    await run({ ...spec, cache: false })
    expect(count()).toBe(3)
  })

  test("infra and timeout are never remembered", async () => {
    for (const spec of [
      guard(`${COUNT} exit 127`),
      { ...guard(`${COUNT} sleep 30`), timeout_seconds: 0.2 },
    ]) {
      rmSync(join(folder, "count"), { force: true })
      await run(spec)
      expect((await run(spec)).remembered).toBe(false)
      expect(count()).toBe(2)
    }
  })
})

describe("several", () => {
  const all = (specs: readonly GuardSpec[], changed: readonly string[]) =>
    runtime.runPromise(
      Effect.flatMap(GuardService, (service) => service.runAll(target(), specs, changed, settings())),
    )

  test("only guards whose globs match a changed path run, up to the first red", async () => {
    const specs = [
      guard("true", { id: "docs", when: ["docs/**"] }),
      guard("true", { id: "source", when: ["lib/**", "src/**/*.ts"] }),
      guard("exit 1", { id: "always", flaky_retries: 0 }),
      guard("true", { id: "later" }),
    ]
    const runs = await all(specs, ["src/deep/a.ts"])
    expect(runs.map(({ output }) => [String(output.guard_id), output.result])).toEqual([
      ["source", "passed"],
      ["always", "failed"],
    ])
  })
})

describe("blame", () => {
  const blame = (script: string) =>
    runtime.runPromise(
      Effect.flatMap(GuardService, (service) =>
        service.blame(
          guard(script),
          Effect.acquireRelease(Effect.succeed(target({ tree: "b".repeat(40) })), () =>
            Effect.sync(() => writeFileSync(join(folder, "released"), "")),
          ),
          settings({ solo: false }),
        ),
      ),
    )

  test("red on the base too is nobody's; green there is the change's; else it is open", async () => {
    expect(await blame(`${COUNT} exit 1`)).toBe("base_red")
    expect(existsSync(join(folder, "released"))).toBe(true)
    const runs = count()
    expect(await blame(`${COUNT} exit 1`)).toBe("base_red")
    expect(count()).toBe(runs)
    expect(await blame("exit 0")).toBe("change")
    expect(await blame("exit 127")).toBe("undecided")
  })
})

describe("in the sandbox", async () => {
  const real = ManagedRuntime.make(withSandbox(Sandbox.layer))
  afterAll(() => real.dispose())
  const status = await real.runPromise(Effect.flatMap(Sandbox, (sandbox) => sandbox.detect))
  if (!status.available) process.stderr.write(`SKIPPED: guards in the sandbox, ${status.reason}\n`)
  // Needs bubblewrap.
  const isolated = test.skipIf(!status.available)
  const inside = (spec: GuardSpec, on = target()) =>
    real.runPromise(
      Effect.flatMap(GuardService, (service) => service.run(on, spec, settings({ sandbox: "required" }))),
    )

  isolated("results are as outside, and say so", async () => {
    expect((await inside(guard("test $PWD = /candidate"))).output).toMatchObject({
      result: "passed",
      sandbox: "bwrap",
    })
    expect((await inside(guard("exit 3", { flaky_retries: 0 }))).output).toMatchObject({
      result: "failed",
      exit_code: 3,
    })
    expect((await inside(guard("", { command: "no-such-program" }))).output.result).toBe("infra")
    expect((await inside({ ...guard("sleep 30"), timeout_seconds: 0.2 })).output.result).toBe("timeout")
  })

  isolated("a sandbox that cannot be set up is infra, and a guard cannot pretend to be one", async () => {
    const broken = target({ binds: [{ source: join(folder, "absent"), target: "/candidate/x" }] })
    const done = await inside(guard("true"), broken)
    expect(done.output.result).toBe("infra")
    const pretender = guard("echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1", {
      flaky_retries: 0,
    })
    expect((await inside(pretender)).output.result).toBe("failed")
  })

  isolated("a program in a mounted dependency folder runs", async () => {
    const modules = join(folder, "modules")
    mkdirSync(join(modules, ".bin"), { recursive: true })
    mkdirSync(join(dir, "node_modules"))
    writeFileSync(join(modules, ".bin/tool"), "#!/bin/sh\necho tool\n", { mode: 0o755 })
    const mounted = target({ binds: [{ source: modules, target: "/candidate/node_modules" }] })
    const done = await inside(guard("", { command: "node_modules/.bin/tool" }), mounted)
    expect(done.output).toMatchObject({ result: "passed", stdout_tail: "tool\n" })
  })
})
