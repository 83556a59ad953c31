import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { CandidateService, type CandidateWorkspace } from "../../src/candidate/CandidateService.ts"
import { blobOid } from "../../src/platform/git/objects.ts"
import { ProcessRunner } from "../../src/platform/ProcessRunner.ts"
import { Sandbox } from "../../src/platform/Sandbox.ts"

const platform = Sandbox.layer.pipe(Layer.provideMerge(ProcessRunner.layer))
const runtime = ManagedRuntime.make(CandidateService.layer.pipe(Layer.provideMerge(platform)))
afterAll(() => runtime.dispose())
const status = await runtime.runPromise(Effect.flatMap(Sandbox, (sandbox) => sandbox.detect))
if (!status.available) process.stderr.write(`SKIPPED: dependencies in the sandbox, ${status.reason}\n`)
// Needs bubblewrap.
const isolated = test.skipIf(!status.available)

const env = { PATH: process.env["PATH"] ?? "/usr/bin:/bin", HOME: process.env["HOME"] ?? "/root" }
let folder = ""
let live = ""
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hyperion-candidate-box-"))
  live = join(folder, "live")
  mkdirSync(live)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** What a script says inside the sandbox of a candidate that holds `files`. */
const said = (files: Record<string, string>, script: string, more: Partial<CandidateWorkspace> = {}) =>
  runtime.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const service = yield* CandidateService
        const sandbox = yield* Sandbox
        const runner = yield* ProcessRunner
        const blobs = new Map(
          Object.values(files).map((text) => [blobOid(Buffer.from(text)), Buffer.from(text)]),
        )
        const manifest = new Map(
          Object.entries(files).map(([path, text]) => [
            path,
            { mode: "100644" as const, oid: blobOid(Buffer.from(text)) },
          ]),
        )
        const candidate = yield* service.materialize(
          {
            root: join(folder, "cache"),
            liveRoot: live,
            mounts: ["node_modules", ".venv"],
            prepare: undefined,
            sandbox: "required",
            env,
            hidden: [live],
            ...more,
          },
          {
            tree: "0".repeat(40),
            manifest,
            readBlobs: () => Effect.succeed(blobs),
            git: { objectDirs: [], base: null },
          },
        )
        yield* candidate.reset
        const command = yield* sandbox.wrap({
          mode: "required",
          argv: ["sh", "-c", script],
          candidateDir: candidate.dir,
          network: false,
          readOnlyBinds: candidate.binds,
          env,
          hidden: [live],
        })
        const done = yield* runner.run({ ...command, timeoutMs: 20_000 })
        return Buffer.from(done.stdout).toString("utf8") + Buffer.from(done.stderr).toString("utf8")
      }),
    ),
  )

describe("dependencies in the sandbox", () => {
  isolated("of the live tree can be read and not written", async () => {
    mkdirSync(join(live, "node_modules"))
    writeFileSync(join(live, "node_modules/dep"), "installed")
    writeFileSync(join(live, "package-lock.json"), "lock")
    const script = "cat node_modules/dep; (echo x > node_modules/dep) 2> /dev/null || echo ' refused'"
    expect(await said({ "package-lock.json": "lock" }, script)).toBe("installed refused\n")
    expect(readFileSync(join(live, "node_modules/dep"), "utf8")).toBe("installed")
    expect(await said({ "package-lock.json": "other" }, "ls")).toBe("package-lock.json\n")
  })

  isolated("that prepare made can be read and not written, and prepare sees no live tree", async () => {
    writeFileSync(join(live, "private"), "live")
    const command = `mkdir node_modules; pwd > node_modules/where; cat ${live}/private > node_modules/stolen; true`
    const prepare = {
      command: ["sh", "-c", command],
      key: ["bun.lock"],
      network: false,
      keep: ["node_modules"],
    }
    const script =
      "cat node_modules/where node_modules/stolen; rm node_modules/where 2> /dev/null || echo refused"
    for (const _ of [1, 2]) {
      expect(await said({ "bun.lock": "lock" }, script, { prepare })).toBe("/candidate\nrefused\n")
    }
  })

  const python = Bun.which("python3")
  if (python === null) process.stderr.write("SKIPPED: virtual environments, there is no python3\n")
  // Needs bubblewrap and python3.
  test.skipIf(!status.available || python === null)(
    "a virtual environment's interpreter and scripts run",
    async () => {
      Bun.spawnSync([python!, "-m", "venv", "--without-pip", ".venv"], { cwd: live, env })
      writeFileSync(
        join(live, ".venv/bin/tool"),
        `#!${live}/.venv/bin/python\nimport sys\nprint(sys.prefix)\n`,
        {
          mode: 0o755,
        },
      )
      writeFileSync(join(live, "uv.lock"), "lock")
      expect(existsSync(join(live, ".venv/bin/python"))).toBe(true)
      const script = ".venv/bin/python -c 'import json; print(json.dumps(1))'; .venv/bin/tool"
      expect(await said({ "uv.lock": "lock" }, script)).toBe(`1\n${live}/.venv\n`)
    },
  )
})
