import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { AgentHarness } from "../../src/agent/AgentHarness.ts"
import type { AgentContext } from "../../src/agent/contract.ts"
import { sha256Hex } from "../../src/domain/hash.ts"
import { DEFAULT_POLICY, type Policy } from "../../src/domain/policy.ts"
import { Operator } from "../../src/platform/Operator.ts"
import {
  type ProcessOutcome,
  ProcessRunner,
  type RunOptions,
  SpawnFailed,
} from "../../src/platform/ProcessRunner.ts"
import { runLive, runTest } from "../support/effect.ts"
import { tempFolder } from "../support/temp.ts"
import { assignment, document } from "./support.ts"

type Scripted = Partial<Omit<ProcessOutcome, "stdout" | "stderr">> & { stdout?: string; stderr?: string }
type Script = (options: RunOptions, attempt: number) => Scripted | SpawnFailed

const exact = [{ path: "a.ts", summary: "greet", content: "hello\n", operation: "add" as const }]
const commandPolicy: Policy["agent"] = {
  ...DEFAULT_POLICY.agent,
  harness: "command",
  command: ["agent", "--json"],
}
const valid = JSON.stringify(document())

/** The harness over a scripted program; virtual time runs ahead so that pauses between attempts end at once. */
const ask = (
  script: Script,
  over: Partial<AgentContext> & { env?: readonly string[]; shell?: Record<string, string> } = {},
  task = assignment(),
) => {
  const calls: RunOptions[] = []
  const runner = Layer.succeed(ProcessRunner, {
    run: (options: RunOptions) =>
      Effect.suspend(() => {
        calls.push(options)
        const said = script(options, calls.length)
        if (said instanceof SpawnFailed) return Effect.fail(said)
        return Effect.succeed({
          exitCode: 0,
          signal: null,
          timedOut: false,
          durationMs: 5,
          stdoutTruncated: false,
          stderrTruncated: false,
          ...said,
          stdout: Buffer.from(said.stdout ?? ""),
          stderr: Buffer.from(said.stderr ?? ""),
        })
      }),
  })
  const { shell, ...context } = over
  const program = Effect.gen(function* () {
    const harness = yield* AgentHarness
    const fiber = yield* Effect.fork(
      Effect.either(harness.propose(task, { policy: commandPolicy, root: "/root", ...context })),
    )
    yield* TestClock.adjust("1 hour")
    const result = yield* Fiber.join(fiber)
    return { result, calls }
  })
  return runTest(
    AgentHarness.layer.pipe(Layer.provide(runner), Layer.provide(Operator.layer({ PATH: "/bin", ...shell }))),
    program,
  )
}
const answered = async (...args: Parameters<typeof ask>) => {
  const { result, calls } = await ask(...args)
  if (Either.isLeft(result)) throw result.left
  return { answer: result.right, calls }
}
const refused = async (...args: Parameters<typeof ask>) => {
  const { result, calls } = await ask(...args)
  if (Either.isRight(result)) throw new Error(`answered: ${JSON.stringify(result.right)}`)
  return { error: result.left, calls }
}
const never: Script = () => {
  throw new Error("no program may start")
}

describe("stub", () => {
  const policy = DEFAULT_POLICY.agent

  test("answers from the request alone", async () => {
    const { answer, calls } = await answered(never, { policy, changes: exact })
    expect(answer).toMatchObject({ harness: "stub", model: null, fallback: null, usage: { attempts: 0 } })
    expect(answer.change_request).toMatchObject({
      task_id: "R-1-1",
      changes: [{ path: "a.ts", content: "hello\n", patch_hash: sha256Hex("hello\n") }],
    })
    expect(calls).toEqual([])
  })

  test("says that it needs a model rather than invent text", async () => {
    const { error } = await refused(never, { policy, changes: [{ path: "a.ts", summary: "greet" }] })
    expect(error).toMatchObject({ reason: "needs_model", transient: false })
    expect(error.message).toContain('"a.ts"')
    expect((await refused(never, { policy })).error.reason).toBe("needs_model")
  })
})

describe("command", () => {
  test("an answer among prose, completed from the assignment", async () => {
    const { answer, calls } = await answered(() => ({ stdout: `Sure!\n\`\`\`json\n${valid}\n\`\`\`\n` }))
    expect(answer.change_request).toMatchObject({
      agent: "developer-1",
      metadata: { intent: "greet the user", complexity: 7, approvals: [{ approver: "Ada" }] },
      checks: ["test", "lint"],
    })
    expect(answer).toMatchObject({
      harness: "command",
      model: "gpt-5-mini",
      fallback: null,
      usage: { attempts: 1, duration_ms: 5 },
    })
    expect(answer.transcript.map(({ role }) => role)).toEqual(["prompt", "reply"])
    expect(calls).toHaveLength(1)
  })

  test("the program gets one JSON document, its own time and a clean environment", async () => {
    const { calls } = await answered(() => ({ stdout: valid }), {
      changes: [{ path: "a.ts", summary: "greet" }],
      session: "s-1",
      env: ["LANGUAGE", "SECRET_TOKEN", "ABSENT"],
      shell: { HOME: "/home/x", SECRET_TOKEN: "t", LANGUAGE: "en", OTHER: "o", BUN_OPTIONS: "--preload x" },
    })
    const [call] = calls
    expect(call!.argv).toEqual(["agent", "--json"])
    expect(call!.cwd).toBe("/root")
    expect(call!.timeoutMs).toBe(600_000)
    expect(call!.env).toEqual({
      PATH: "/bin",
      HOME: "/home/x",
      LANG: "C.UTF-8",
      TERM: "dumb",
      LANGUAGE: "en",
      HYPERION_TASK_ID: "R-1-1",
      HYPERION_MODEL: "gpt-5-mini",
    })
    expect(JSON.parse(call!.stdin as string)).toMatchObject({
      assignment: { task_id: "R-1-1" },
      requested_changes: [{ path: "a.ts" }],
      model: "gpt-5-mini",
      session: "s-1",
    })
  })

  test("the model named by a person reaches the program, however simple the task", async () => {
    const simple = assignment({ metadata: { ...assignment().metadata, complexity: 1, agent_model: "big" } })
    const small = assignment({ metadata: { ...assignment().metadata, complexity: 1 } })
    const script: Script = () => ({ stdout: valid })
    expect((await answered(script, {}, simple)).answer.model).toBe("big")
    expect((await answered(script, { model: "flag" }, simple)).answer.model).toBe("flag")
    expect((await answered(script, {}, small)).answer.model).toBe("gpt-4.1")
  })

  const failures: readonly (readonly [string, Scripted, object, number])[] = [
    ["prose only", { stdout: "// TODO: greet" }, { reason: "reply_invalid", excerpt: "// TODO: greet" }, 1],
    ["two documents", { stdout: `${valid}${valid}` }, { reason: "reply_invalid" }, 1],
    ["half a document", { stdout: valid.slice(0, -9) }, { reason: "reply_invalid" }, 1],
    [
      "the answer to another task",
      { stdout: JSON.stringify(document({ task_id: "R-1-2" })) },
      { reason: "reply_invalid" },
      1,
    ],
    [
      "nothing, with exit 0",
      { stderr: "permission denied" },
      { reason: "reply_invalid", excerpt: "permission denied" },
      1,
    ],
    [
      "a document, with exit 1",
      { exitCode: 1, stdout: valid, stderr: "boom\nTypeError: x" },
      { reason: "reply_invalid", excerpt: "boom\nTypeError: x", detail: "exited with 1: TypeError: x" },
      1,
    ],
    ["no login", { exitCode: 1, stdout: "Not logged in" }, { reason: "auth" }, 1],
    ["rate limit", { exitCode: 1, stderr: "429 Too Many Requests" }, { reason: "rate_limit" }, 3],
    ["no network", { exitCode: 1, stderr: "connect ECONNREFUSED" }, { reason: "unavailable" }, 3],
    ["killed", { exitCode: null, signal: "SIGKILL" }, { reason: "unavailable" }, 3],
    ["no answer in time", { exitCode: null, timedOut: true, stdout: valid }, { reason: "timeout" }, 3],
  ]
  for (const [name, said, wanted, attempts] of failures)
    test(`${name} is a failure`, async () => {
      const { error, calls } = await refused(() => said)
      expect(error).toMatchObject({ harness: "command", taskId: "R-1-1", ...wanted })
      expect(calls).toHaveLength(attempts)
    })

  test("a transient failure is tried again, as often as the policy says", async () => {
    const script: Script = (_, attempt) =>
      attempt < 3 ? { exitCode: 1, stderr: "503 service unavailable" } : { stdout: valid }
    expect((await answered(script)).answer.usage.attempts).toBe(3)
    const once = { policy: { ...commandPolicy, max_retries: 1 } }
    expect((await refused(script, once)).calls).toHaveLength(2)
    const none = { policy: { ...commandPolicy, max_retries: 0 } }
    expect((await refused(script, none)).calls).toHaveLength(1)
  })

  test("a failure that will not pass is not tried again, nor is one after a transient one", async () => {
    const script: Script = (_, attempt) =>
      attempt === 1 ? { exitCode: 1, stderr: "429" } : { exitCode: 1, stderr: "401 Unauthorized" }
    const { error, calls } = await refused(script)
    expect(error.reason).toBe("auth")
    expect(calls).toHaveLength(2)
  })

  test("a program that is not there, or not named", async () => {
    const missing = new SpawnFailed({ command: "agent", reason: "not_found", detail: "no such program" })
    const { error, calls } = await refused(() => missing)
    expect(error).toMatchObject({ reason: "unavailable", detail: "cannot start agent: no such program" })
    expect(calls).toHaveLength(1)
    const { command: _, ...unnamed } = commandPolicy
    expect((await refused(never, { policy: unnamed })).error.detail).toContain("agent.command")
  })
})

describe("the stub instead of an agent", () => {
  const failing: Script = () => ({ stdout: "I could not do it" })

  test("only where the request spells the change out, and labelled", async () => {
    const { answer } = await answered(failing, { changes: exact })
    expect(answer).toMatchObject({
      harness: "stub",
      model: null,
      fallback: { reason: "reply_invalid", harness: "command" },
      usage: { attempts: 1 },
      change_request: { changes: [{ content: "hello\n" }] },
    })
  })

  test("never where text would have to be invented: the agent's own failure is told", async () => {
    const { error } = await refused(failing, { changes: [{ path: "a.ts", summary: "greet" }] })
    expect(error).toMatchObject({ reason: "reply_invalid", harness: "command" })
    const some = assignment({ file_targets: ["a.ts", "b.ts"] })
    expect((await refused(failing, { changes: exact }, some)).error.reason).toBe("reply_invalid")
  })
})

describe("which harness", () => {
  test("HYPERION_AGENT overrules the policy", async () => {
    const shell = { HYPERION_AGENT: "stub" }
    expect((await answered(never, { shell, changes: exact })).answer).toMatchObject({
      harness: "stub",
      fallback: null,
    })
    const other = {
      policy: { ...commandPolicy, harness: "stub" as const },
      shell: { HYPERION_AGENT: "command" },
    }
    expect((await answered(() => ({ stdout: valid }), other)).answer.harness).toBe("command")
  })

  test("one that is not there yet says so", async () => {
    for (const harness of ["copilot", "claude", "codex", "acp"] as const) {
      const { error } = await refused(never, { policy: { ...commandPolicy, harness } })
      expect(error).toMatchObject({ reason: "unavailable", harness, transient: false })
      expect(error.detail).toContain("later version")
    }
    const { answer } = await answered(never, { shell: { HYPERION_AGENT: "copilot" }, changes: exact })
    expect(answer).toMatchObject({ harness: "stub", fallback: { reason: "unavailable", harness: "copilot" } })
  })

  test("a name that is none is an error even where the stub could answer", async () => {
    const { error } = await refused(never, { shell: { HYPERION_AGENT: "copliot" }, changes: exact })
    expect(error).toMatchObject({ reason: "unavailable" })
    expect(error.detail).toContain('"copliot"')
  })
})

test("a real program, from question to answer", () =>
  runLive(
    AgentHarness.layer.pipe(
      Layer.provide(ProcessRunner.layer),
      Layer.provide(Operator.layer({ PATH: process.env["PATH"] })),
    ),
    Effect.gen(function* () {
      const root = yield* tempFolder
      const harness = yield* AgentHarness
      const script = `
        const { assignment } = JSON.parse(await Bun.stdin.text())
        const content = process.env.HYPERION_MODEL + "\\n"
        console.log("Working on " + assignment.task_id)
        console.log(JSON.stringify({ task_id: assignment.task_id, changes: [{ path: assignment.file_targets[0],
          operation: "add", content, patch_hash: new Bun.CryptoHasher("sha256").update(content).digest("hex") }] }))`
      const answer = yield* harness.propose(assignment(), {
        policy: { ...commandPolicy, command: [process.execPath, "-e", script], timeout_seconds: 60 },
        root,
      })
      expect(answer.change_request).toMatchObject({
        task_id: "R-1-1",
        metadata: { intent: "greet the user" },
        changes: [{ path: "a.ts", content: "gpt-5-mini\n", patch_hash: sha256Hex("gpt-5-mini\n") }],
      })
    }),
  ))
