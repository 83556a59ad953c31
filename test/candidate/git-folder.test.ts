import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { type Candidate, CandidateService } from "../../src/candidate/CandidateService.ts"
import type { FileMode } from "../../src/domain/files.ts"
import { ProcessRunner } from "../../src/platform/ProcessRunner.ts"
import { Sandbox } from "../../src/platform/Sandbox.ts"

const platform = Sandbox.layer.pipe(Layer.provideMerge(ProcessRunner.layer))
const runtime = ManagedRuntime.make(CandidateService.layer.pipe(Layer.provideMerge(platform)))
const status = await runtime.runPromise(Effect.flatMap(Sandbox, (sandbox) => sandbox.detect))
if (!status.available) process.stderr.write(`SKIPPED: git inside the sandbox, ${status.reason}\n`)

let folder = ""
let live = ""
const git = (...args: string[]): string => {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: folder,
    GIT_AUTHOR_NAME: "a",
    GIT_AUTHOR_EMAIL: "a@example.org",
    GIT_COMMITTER_NAME: "a",
    GIT_COMMITTER_EMAIL: "a@example.org",
  }
  const done = Bun.spawnSync(["git", ...args], { cwd: live, env })
  if (done.exitCode !== 0) throw new Error(done.stderr.toString())
  return done.stdout.toString()
}
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hyperion-candidate-git-"))
  live = join(folder, "live")
  mkdirSync(join(live, "src"), { recursive: true })
  writeFileSync(join(live, "src/ä b"), "one\n")
  writeFileSync(join(live, `long-${"x".repeat(200)}`), "two\n")
  writeFileSync(join(live, "run"), "#!/bin/sh\n", { mode: 0o755 })
  git("init", "-q")
  git("add", ".")
  git("commit", "-q", "-m", "base")
})
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await runtime.dispose()
})

const manifest = () =>
  new Map(
    git("ls-tree", "-rz", "HEAD")
      .split("\0")
      .filter((line) => line !== "")
      .map((line) => {
        const [, mode, oid, path] = /^(\d+) blob (\w+)\t(.*)$/s.exec(line)!
        return [path!, { mode: mode as FileMode, oid: oid! }] as const
      }),
  )

const withCandidate = <A>(
  use: (candidate: Candidate<never>) => Effect.Effect<A, unknown, Sandbox | ProcessRunner>,
) =>
  runtime.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const service = yield* CandidateService
        const candidate = yield* service.materialize(
          {
            root: join(folder, "cache"),
            liveRoot: live,
            mounts: [],
            prepare: undefined,
            sandbox: "preferred",
            env: {},
            hidden: [live],
          },
          {
            tree: git("rev-parse", "HEAD^{tree}").trim(),
            manifest: manifest(),
            readBlobs: (oids) =>
              Effect.sync(
                () => new Map(oids.map((oid) => [oid, Buffer.from(git("cat-file", "blob", oid))] as const)),
              ),
            git: { objectDirs: [join(live, ".git/objects")], base: git("rev-parse", "HEAD").trim() },
          },
        )
        return yield* use(candidate)
      }),
    ),
  )

const inside = (candidate: Candidate<never>, script: string, mode: "required" | "off") =>
  Effect.gen(function* () {
    const sandbox = yield* Sandbox
    const runner = yield* ProcessRunner
    const command = yield* sandbox.wrap({
      mode,
      argv: ["sh", "-c", script],
      candidateDir: candidate.dir,
      network: false,
      readOnlyBinds: candidate.binds,
      env: { PATH: "/usr/bin:/bin", HOME: folder },
      hidden: [live],
    })
    const done = yield* runner.run({ ...command, timeoutMs: 20_000 })
    return Buffer.from(done.stdout).toString("utf8") + Buffer.from(done.stderr).toString("utf8")
  })

const SCRIPT =
  "git status --porcelain; git diff HEAD; git ls-files | wc -l; git log --format=%s; git fsck --strict"

describe("the candidate's .git", () => {
  test("answers as a clean checkout of the tree on top of its base", async () => {
    expect(await withCandidate((candidate) => inside(candidate, SCRIPT, "off"))).toBe("3\ncandidate\nbase\n")
  })

  // Needs bubblewrap.
  test.skipIf(!status.available)(
    "answers inside the sandbox, where nothing else of the repository is",
    async () => {
      const script = `${SCRIPT}; cat ${live}/run; ls ${live}/.git`
      const said = await withCandidate((candidate) => inside(candidate, script, "required"))
      expect(said).toBe(`3\ncandidate\nbase\nobjects\ncat: ${live}/run: No such file or directory\n`)
    },
  )

  test("is thrown away with everything a guard did to it", async () => {
    const head = git("rev-parse", "HEAD")
    const said = await withCandidate((candidate) =>
      Effect.gen(function* () {
        yield* inside(
          candidate,
          "echo x > run; git -c user.name=x -c user.email=x commit -qam mine; git tag t",
          "off",
        )
        yield* candidate.reset
        yield* candidate.reset
        return yield* inside(candidate, `git tag; git config core.editor; ${SCRIPT}`, "off")
      }),
    )
    expect(said).toBe("3\ncandidate\nbase\n")
    expect(git("rev-parse", "HEAD")).toBe(head)
    expect(git("status", "--porcelain")).toBe("")
    expect(readFileSync(join(live, ".git/config"), "utf8")).not.toContain("editor")
  })
})
