import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { createHash } from "node:crypto"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  watch,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { ProcessRunner, type RunOptions } from "../../src/platform/ProcessRunner.ts"

const runtime = ManagedRuntime.make(ProcessRunner.layer)
const env = { PATH: "/usr/local/bin:/usr/bin:/bin" }
let folder = ""
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hyperion-process-"))
})
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await runtime.dispose()
})

const run = (options: Partial<RunOptions> & Pick<RunOptions, "argv">) =>
  Effect.flatMap(ProcessRunner, (runner) =>
    runner.run({ cwd: folder, env, timeoutMs: 20_000, graceMs: 100, ...options }),
  )
const outcome = (options: Partial<RunOptions> & Pick<RunOptions, "argv">) => runtime.runPromise(run(options))
const failure = async (options: Partial<RunOptions> & Pick<RunOptions, "argv">) => {
  const result = await runtime.runPromise(Effect.either(run(options)))
  if (Either.isRight(result)) throw new Error("it ran")
  return result.left
}
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8")
const sh = (script: string) => ["sh", "-c", script] as const

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    // A zombie waiting for init to collect it is dead for every purpose of ours.
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch {
    return false
  }
}
/** Resolves when the process is gone: KILL cannot be refused, but the kernel takes a moment to carry it out. */
const dies = async (pid: number): Promise<void> => {
  while (alive(pid)) await new Promise((resolve) => setImmediate(resolve))
}
/** Resolves once a child has written `name`: a file event, not a delay. */
const appears = (name: string): Promise<void> =>
  new Promise((resolve) => {
    const watcher = watch(folder, () => {
      if (!existsSync(join(folder, name))) return
      watcher.close()
      resolve()
    })
    if (existsSync(join(folder, name))) {
      watcher.close()
      resolve()
    }
  })

describe("outcome", () => {
  test("exit code, both streams and input", async () => {
    const done = await outcome({ argv: sh("cat; echo bad >&2; exit 3"), stdin: "in" })
    expect(done).toMatchObject({ exitCode: 3, signal: null, timedOut: false, stdoutTruncated: false })
    expect([text(done.stdout), text(done.stderr)]).toEqual(["in", "bad\n"])
    expect(done.durationMs).toBeGreaterThan(0)
  })

  test("a child that ignores its input does no harm", async () => {
    const done = await outcome({ argv: ["true"], stdin: new Uint8Array(1 << 20) })
    expect(done.exitCode).toBe(0)
  })

  test("arguments reach the program as they are: no shell", async () => {
    const words = ["$(id)", "a b", "*", ";", "", "'\"\\"]
    const done = await outcome({ argv: ["printf", "%s\\n", ...words] })
    expect(text(done.stdout).split("\n").slice(0, -1)).toEqual(words)
  })

  test("output is cut in the middle, in memory and in the log", async () => {
    const logFile = join(folder, "capped.log")
    const argv = sh("printf START; head -c 300000 /dev/zero | tr '\\0' x; printf END")
    const done = await outcome({ argv, maxOutputBytes: 1_000, logFile, maxLogBytes: 5_000 })
    expect(done.stdoutTruncated).toBe(true)
    expect(text(done.stdout)).toMatch(/^STARTx{495}\n\[299008 bytes omitted\]\nx{497}END$/)
    const log = readFileSync(logFile)
    expect(log.length).toBeLessThan(5_100)
    expect(log.toString()).toContain("log cut here")
    expect(done.logSha256).toBe(createHash("sha256").update(log).digest("hex"))
  })

  test("a full log has the digest of both streams", async () => {
    const logFile = join(folder, "full.log")
    const done = await outcome({ argv: sh("echo out; echo err >&2"), logFile })
    const log = readFileSync(logFile, "utf8")
    expect(log.split("\n").sort()).toEqual(["", "err", "out"])
    expect(done.logSha256).toBe(createHash("sha256").update(log).digest("hex"))
  })

  test("descriptor 3 is collected apart", async () => {
    const done = await outcome({ argv: sh("echo state >&3; echo data"), statusFd: true })
    expect([done.status, text(done.stdout)]).toEqual(["state\n", "data\n"])
  })
})

describe("environment", () => {
  test("nothing is inherited and loader variables never pass", async () => {
    const planted = { ...env, BUN_OPTIONS: "--preload x", BUN_BE_BUN: "1", NODE_OPTIONS: "-r x", KEPT: "1" }
    const done = await outcome({ argv: ["/usr/bin/env"], env: planted })
    const names = text(done.stdout)
      .split("\n")
      .map((line) => line.split("=")[0])
      .filter((name) => name !== "" && name !== "_")
    expect(names.sort()).toEqual(["KEPT", "PATH"])
  })
})

describe("ending", () => {
  test("a time-out is a value; a child that ignores TERM is killed after the grace", async () => {
    const done = await outcome({
      argv: sh("trap '' TERM; echo $$ > stubborn; while :; do sleep 1; done"),
      timeoutMs: 300,
    })
    expect(done).toMatchObject({ timedOut: true, exitCode: null, signal: "SIGKILL" })
    expect(done.durationMs).toBeLessThan(5_000)
    await dies(Number(readFileSync(join(folder, "stubborn"), "utf8")))
  })

  test("a child that obeys TERM may clean up", async () => {
    const done = await outcome({
      argv: sh("trap 'echo clean; exit 7' TERM; sleep 30 & wait"),
      timeoutMs: 300,
    })
    expect(done).toMatchObject({ timedOut: true, exitCode: 7 })
    expect(text(done.stdout)).toBe("clean\n")
  })

  test("a grandchild that holds the pipe neither hangs us nor survives", async () => {
    const done = await outcome({ argv: sh("sleep 60 & echo $! > grandchild; echo out") })
    expect(done).toMatchObject({ exitCode: 0, timedOut: false })
    expect(text(done.stdout)).toBe("out\n")
    await dies(Number(readFileSync(join(folder, "grandchild"), "utf8")))
  })

  test("a grandchild outside the group cannot hang us either", async () => {
    const done = await outcome({
      argv: sh(
        "setsid sh -c 'echo $$ > escaped; exec sleep 60' & until [ -s escaped ]; do :; done; echo out",
      ),
    })
    expect(text(done.stdout)).toBe("out\n")
    process.kill(Number(readFileSync(join(folder, "escaped"), "utf8")), "SIGKILL")
  })

  test("interruption kills the whole group before it returns", async () => {
    const script = "trap '' TERM; sleep 60 & echo $$ $! > pids.part; mv pids.part pids; wait"
    const fiber = runtime.runFork(run({ argv: sh(script) }))
    await appears("pids")
    await Effect.runPromise(Fiber.interrupt(fiber))
    const pids = readFileSync(join(folder, "pids"), "utf8").trim().split(" ").map(Number)
    expect(pids).toHaveLength(2)
    await Promise.all(pids.map(dies))
  })
})

describe("refusal", () => {
  test("a missing program", async () => {
    for (const command of ["no-such-program", "./no-such-program", ""]) {
      expect(await failure({ argv: [command] })).toMatchObject({
        _tag: "SpawnFailed",
        command,
        reason: "not_found",
      })
    }
  })

  test("a file that may not be executed, and one that is no program", async () => {
    writeFileSync(join(folder, "plain"), "text")
    expect(await failure({ argv: ["./plain"] })).toMatchObject({ reason: "not_executable" })
    writeFileSync(join(folder, "orphan"), "#!/no/such/interpreter\n")
    chmodSync(join(folder, "orphan"), 0o755)
    expect(await failure({ argv: ["./orphan"] })).toMatchObject({ reason: "not_found" })
  })

  test("a working directory or log folder that is not there", async () => {
    const lost = await failure({ argv: ["true"], cwd: join(folder, "lost") })
    expect(lost).toMatchObject({ reason: "other", detail: expect.stringContaining("lost") })
    expect(await failure({ argv: ["true"], logFile: join(folder, "lost", "log") })).toMatchObject({
      reason: "other",
    })
  })

  test("a relative folder in PATH is not searched", async () => {
    writeFileSync(join(folder, "planted"), "#!/bin/sh\n")
    chmodSync(join(folder, "planted"), 0o755)
    expect(await failure({ argv: ["planted"], env: { PATH: `.::${env.PATH}` } })).toMatchObject({
      reason: "not_found",
    })
  })
})

describe("a folder of logs", () => {
  test("files a log under its digest, once, and nothing of a program that did not start", async () => {
    const logDir = join(folder, "new", "logs")
    const digest = createHash("sha256").update("out\n").digest("hex")
    for (const _ of [1, 2])
      expect(await outcome({ argv: sh("echo out"), logDir })).toMatchObject({ logSha256: digest })
    expect(await failure({ argv: ["./orphan"], logDir })).toMatchObject({ _tag: "SpawnFailed" })
    expect(readdirSync(logDir)).toEqual([`${digest}.log`])
    expect(readFileSync(join(logDir, `${digest}.log`), "utf8")).toBe("out\n")
  })

  test("clears away what processes that were killed had written, and nobody else's", async () => {
    const logDir = join(folder, "left")
    const dead = Bun.spawnSync(["true"]).pid
    for (const owner of [dead, process.ppid]) {
      mkdirSync(join(logDir, `running-${owner}-aB3xYz`), { recursive: true })
      writeFileSync(join(logDir, `running-${owner}-aB3xYz`, "log"), "half of it")
    }
    const { logSha256 } = await outcome({ argv: sh("echo out"), logDir })
    expect(readdirSync(logDir).sort()).toEqual([`${logSha256}.log`, `running-${process.ppid}-aB3xYz`].sort())
  })

  test("is written under the name of the process it belongs to", async () => {
    const logDir = join(folder, "named")
    const { stdout } = await outcome({ argv: ["ls", logDir], logDir })
    expect(text(stdout)).toMatch(new RegExp(`^running-${process.pid}-\\w{6}\n$`))
  })
})
