import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { homedir, tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { ProcessRunner } from "../../src/platform/ProcessRunner.ts"
import { ranInside, Sandbox, type SandboxRequest } from "../../src/platform/Sandbox.ts"
import { CANDIDATE_PATH } from "../../src/platform/sandbox-mounts.ts"

const layer = Sandbox.layer.pipe(Layer.provideMerge(ProcessRunner.layer))
const runtime = ManagedRuntime.make(layer)
const withoutBwrap = ManagedRuntime.make(
  Sandbox.layerOf({ available: false, reason: "none here", hint: "install it" }).pipe(
    Layer.merge(ProcessRunner.layer),
  ),
)
const status = await runtime.runPromise(Effect.flatMap(Sandbox, (sandbox) => sandbox.detect))
// Needs bubblewrap.
const isolated = test.skipIf(!status.available)
if (!status.available) process.stderr.write(`SKIPPED: sandbox tests, ${status.reason}\n`)

let folder = ""
let live = ""
let candidate = ""
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hyperion-sandbox-"))
  live = join(folder, "live")
  candidate = join(folder, "candidate")
  for (const path of [live, candidate]) mkdirSync(path)
  writeFileSync(join(live, "private"), "live")
})
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await runtime.dispose()
  await withoutBwrap.dispose()
})

const request = (script: string, more: Partial<SandboxRequest> = {}): SandboxRequest => ({
  mode: "required",
  argv: ["sh", "-c", script],
  candidateDir: candidate,
  network: false,
  readOnlyBinds: [],
  env: { PATH: "/usr/bin:/bin", HOME: homedir(), MARK: "1" },
  hidden: [live],
  ...more,
})
const start = (what: SandboxRequest, timeoutMs = 20_000) =>
  Effect.gen(function* () {
    const sandbox = yield* Sandbox
    const runner = yield* ProcessRunner
    const command = yield* sandbox.wrap(what)
    const outcome = yield* runner.run({ ...command, timeoutMs })
    return { ...outcome, label: command.label, out: Buffer.from(outcome.stdout).toString("utf8") }
  })
const inside = (script: string, more?: Partial<SandboxRequest>) =>
  runtime.runPromise(start(request(script, more)))

describe("policy", () => {
  test("required fails closed when there is no sandbox", async () => {
    const result = await withoutBwrap.runPromise(Effect.either(start(request("echo ran > ran"))))
    expect(Either.isLeft(result) && result.left).toMatchObject({
      _tag: "SandboxUnavailable",
      hint: "install it",
    })
    expect(existsSync(join(candidate, "ran"))).toBe(false)
  })

  test("preferred falls back and says so; off never asks", async () => {
    const fallen = await withoutBwrap.runPromise(start(request("pwd", { mode: "preferred" })))
    expect(fallen).toMatchObject({ label: "none", out: `${candidate}\n` })
    expect(await inside("pwd", { mode: "off" })).toMatchObject({ label: "none", out: `${candidate}\n` })
  })
})

describe("isolation", () => {
  isolated("the candidate is writable at its constant path", async () => {
    const done = await inside("pwd; echo made > made")
    expect(done).toMatchObject({ label: "bwrap", exitCode: 0, out: `${CANDIDATE_PATH}\n` })
    expect(ranInside(done.status)).toBe(true)
    expect(readFileSync(join(candidate, "made"), "utf8")).toBe("made\n")
  })

  isolated("nothing else is writable", async () => {
    const places = ["/planted", "/usr/planted", "/etc/planted", `${CANDIDATE_PATH}/../planted`]
    const done = await inside(places.map((path) => `echo x 2>&1 > ${path} || echo refused`).join("\n"))
    expect(done.out.match(/refused/g)).toHaveLength(places.length)
  })

  isolated("home, temporary folder and live tree of the host are not there", async () => {
    writeFileSync(join(folder, "canary"), "canary")
    const script = `ls -A /tmp /home /root /run; cat ${live}/private; cat ${folder}/canary; ls /etc`
    const done = await inside(script)
    expect(done.out).not.toContain("canary")
    expect(done.out).not.toContain("live")
    expect(done.out.slice(0, done.out.indexOf("alternatives"))).toBe(
      "/home:\nguard\n\n/root:\n\n/run:\n\n/tmp:\n",
    )
    expect(done.out).not.toMatch(/shadow|sudoers|gitconfig/)
  })

  isolated("there is no network, only the sandbox's own loopback", async () => {
    const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } })
    const dial = `exec 5<>/dev/tcp/127.0.0.1/${server.port} && echo connected`
    const argv = ["bash", "-c", `${dial}; getent hosts localhost; ls /sys/class/net /proc/net/tcp`] as const
    const closed = await inside("", { argv })
    const open = await inside("", { argv, network: true })
    server.stop(true)
    expect(closed.out).not.toContain("connected")
    expect(closed.out).toContain("localhost")
    expect(open.out).toContain("connected")
  })

  isolated("the environment is exactly what was given", async () => {
    const done = await inside("env")
    const names = done.out.split("\n").map((line) => line.split("=")[0] ?? "")
    expect(names.filter((name) => name !== "" && name !== "_").sort()).toEqual([
      "HOME",
      "MARK",
      "PATH",
      "PWD",
      "TMPDIR",
    ])
  })

  isolated("no process of the host can be seen, and none outlives the guard", async () => {
    const done = await inside("sleep 60 & setsid sleep 61 & ls /proc | grep -c '^[0-9]'", {})
    expect(done).toMatchObject({ exitCode: 0, timedOut: false })
    expect(Number(done.out)).toBeLessThan(10)
  })

  isolated("a time-out ends everything inside", async () => {
    const done = await runtime.runPromise(start(request("trap '' TERM; while :; do :; done"), 300))
    expect(done.timedOut).toBe(true)
    expect(done.durationMs).toBeLessThan(5_000)
  })

  isolated("a guard does not outlive a Hyperion that is killed", async () => {
    // A number of seconds nobody else sleeps, to find the process by.
    const seconds = `${600_000 + process.pid}`
    const isRunning = () =>
      readdirSync("/proc").some((pid) => {
        try {
          return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8") === `sleep\0${seconds}\0`
        } catch {
          return false
        }
      })
    const until = async (condition: () => boolean) => {
      while (!condition()) await new Promise((resolve) => setImmediate(resolve))
    }
    const what = JSON.stringify(request(`echo > started; exec sleep ${seconds}`))
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "sandboxed-child.ts"), what])
    await until(isRunning)
    child.kill("SIGKILL")
    await until(() => !isRunning())
    expect(existsSync(join(candidate, "started"))).toBe(true)
  })

  isolated("a read-only mount can be read and not written", async () => {
    const source = join(folder, "dependencies")
    mkdirSync(source)
    writeFileSync(join(source, "package"), "dependency")
    const done = await inside("cat deps/package; echo x > deps/package || echo refused", {
      readOnlyBinds: [{ source, target: `${CANDIDATE_PATH}/deps` }],
    })
    expect(done.out).toBe("dependencyrefused\n")
    expect(readFileSync(join(source, "package"), "utf8")).toBe("dependency")
  })

  isolated("a sandbox that cannot be set up is told from a failing command", async () => {
    const broken = await inside("exit 1", {
      readOnlyBinds: [{ source: join(folder, "absent"), target: "/x" }],
    })
    expect([broken.exitCode, ranInside(broken.status)]).toEqual([1, false])
    const red = await inside("echo '{ \"exit-code\": 0 }'; exit 1")
    expect([red.exitCode, ranInside(red.status)]).toEqual([1, true])
  })
})

describe("toolchain", () => {
  const program = (path: string, text: string) => {
    writeFileSync(path, `#!/bin/sh\n${text}\n`)
    chmodSync(path, 0o755)
  }

  isolated(
    "programs outside /usr are mounted with their libraries, through links, and nothing beside them",
    async () => {
      const home = join(folder, "home")
      for (const path of ["sdk/bin", "sdk/lib", "linked/bin"])
        mkdirSync(join(home, path), { recursive: true })
      writeFileSync(join(home, "sdk/lib/data"), "library")
      writeFileSync(join(home, "sdk/credentials"), "secret")
      program(join(home, "sdk/bin/tool"), 'cat "$(dirname "$(realpath "$0")")/../lib/data"')
      symlinkSync("../../sdk/bin/tool", join(home, "linked/bin/tool"))
      const env = { PATH: `${home}/linked/bin:/usr/bin:/bin`, HOME: home }
      const done = await inside(`tool; cat ${home}/sdk/credentials`, { env })
      expect(done.out).toBe("library")
    },
  )

  isolated("a folder of the live tree, or one that contains it, is dropped from PATH", async () => {
    mkdirSync(join(live, "node_modules/.bin"), { recursive: true })
    program(join(live, "node_modules/.bin/tool"), "echo live tool")
    program(join(folder, "tool"), "echo outer tool")
    const env = { PATH: `${live}/node_modules/.bin:${folder}:/usr/bin:/bin`, HOME: homedir() }
    const done = await inside("tool; echo $PATH", { env })
    expect(done.out).toBe("/usr/bin:/bin\n")
  })
})
