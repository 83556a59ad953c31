import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test"
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import {
  type Candidate,
  CandidateService,
  type CandidateTree,
  type CandidateWorkspace,
} from "../../src/candidate/CandidateService.ts"
import type { FileMode } from "../../src/domain/files.ts"
import { blobOid } from "../../src/platform/git/objects.ts"
import { ProcessRunner } from "../../src/platform/ProcessRunner.ts"
import { Sandbox } from "../../src/platform/Sandbox.ts"

const layer = CandidateService.layer.pipe(
  Layer.provide(Sandbox.layerOf({ available: false, reason: "not in this test", hint: "" })),
  Layer.provide(ProcessRunner.layer),
)
const runtime = ManagedRuntime.make(layer)
afterAll(() => runtime.dispose())

let folder = ""
let live = ""
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hyperion-candidate-"))
  live = join(folder, "live")
  mkdirSync(live)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

type Files = Record<string, string | { readonly mode: FileMode; readonly text: string }>

/** A tree from texts, and the object names that were asked for. */
const treeOf = (files: Files) => {
  const asked: string[] = []
  const blobs = new Map<string, Uint8Array>()
  const manifest = new Map<string, { mode: FileMode; oid: string }>()
  for (const [path, file] of Object.entries(files)) {
    const { mode, text } = typeof file === "string" ? { mode: "100644" as const, text: file } : file
    const bytes = Buffer.from(text)
    blobs.set(blobOid(bytes), bytes)
    manifest.set(path, { mode, oid: blobOid(bytes) })
  }
  const tree: CandidateTree<never> = {
    tree: blobOid(Buffer.from(JSON.stringify(files))),
    manifest,
    readBlobs: (oids) => {
      asked.push(...oids)
      return Effect.succeed(blobs)
    },
    git: { objectDirs: [], base: null },
  }
  return { ...tree, asked }
}

const workspace = (more: Partial<CandidateWorkspace> = {}): CandidateWorkspace => ({
  root: join(folder, "cache"),
  liveRoot: live,
  mounts: ["node_modules"],
  prepare: undefined,
  sandbox: "preferred",
  env: { PATH: "/usr/bin:/bin" },
  hidden: [live],
  ...more,
})

/** Runs `use` while the slot is held; what it returns or throws comes out. */
const held = <A>(
  tree: CandidateTree<never>,
  use: (candidate: Candidate<never>) => A | Promise<A>,
  where = workspace(),
) =>
  runtime.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const service = yield* CandidateService
        const candidate = yield* service.materialize(where, tree)
        return yield* Effect.promise(async () => use(candidate))
      }),
    ),
  )
const refused = async (tree: CandidateTree<never>, where = workspace()) => {
  const result = await runtime.runPromise(
    Effect.either(
      Effect.scoped(Effect.flatMap(CandidateService, (service) => service.materialize(where, tree))),
    ),
  )
  if (Either.isRight(result)) throw new Error("it was materialised")
  return result.left
}

/** Path → `mode text`, links as `-> target`, empty folders with a slash; `.git` left out. */
const snapshot = (root: string, below = ""): Record<string, string> => {
  const found: Record<string, string> = {}
  const names = readdirSync(join(root, below)).filter((name) => name !== ".git")
  if (names.length === 0 && below !== "") found[`${below}/`] = "empty"
  for (const name of names) {
    const path = below === "" ? name : `${below}/${name}`
    const stat = lstatSync(join(root, path))
    if (stat.isDirectory()) Object.assign(found, snapshot(root, path))
    else if (stat.isSymbolicLink()) found[path] = `-> ${readlinkSync(join(root, path))}`
    else found[path] = `${(stat.mode & 0o777).toString(8)} ${readFileSync(join(root, path), "utf8")}`
  }
  return found
}

const BASE: Files = {
  "a.txt": "one",
  "src/b.ts": "two",
  "src/deep/er/c.ts": "three",
  "bin/run": { mode: "100755", text: "#!/bin/sh\n" },
  link: { mode: "120000", text: "src/b.ts" },
}
const ON_DISK = {
  "a.txt": "644 one",
  "src/b.ts": "644 two",
  "src/deep/er/c.ts": "644 three",
  "bin/run": "755 #!/bin/sh\n",
  link: "-> src/b.ts",
}

describe("tree", () => {
  test("is written with modes and links, outside the live tree", async () => {
    await held(treeOf(BASE), (candidate) => {
      expect(snapshot(candidate.dir)).toEqual(ON_DISK)
      expect(candidate.dir.startsWith(live)).toBe(false)
    })
  })

  test("going to another tree writes only what differs and removes the rest", async () => {
    await held(treeOf(BASE), () => {})
    const next = treeOf({ "a.txt": "one", "src/b.ts": "changed", "src/deep": "now a file", new: "new" })
    await held(next, (candidate) => {
      expect(snapshot(candidate.dir)).toEqual({
        "a.txt": "644 one",
        "src/b.ts": "644 changed",
        "src/deep": "644 now a file",
        new: "644 new",
      })
    })
    expect(next.asked).not.toContain(blobOid(Buffer.from("one")))
    await held(treeOf(BASE), (candidate) => expect(snapshot(candidate.dir)).toEqual(ON_DISK))
  })

  test("only the mode changed", async () => {
    await held(treeOf({ run: "x" }), () => {})
    await held(treeOf({ run: { mode: "100755", text: "x" } }), (candidate) =>
      expect(snapshot(candidate.dir)).toEqual({ run: "755 x" }),
    )
  })

  test("an untouched warm tree reads nothing", async () => {
    await held(treeOf(BASE), () => {})
    const again = treeOf(BASE)
    for (const _ of [1, 2, 3]) await held(again, () => {})
    expect(again.asked).toEqual([])
  })

  const DAMAGE: Record<string, (dir: string) => void> = {
    "a leftover file, folder, socket name and deep cache": (dir) => {
      writeFileSync(join(dir, "left"), "x")
      mkdirSync(join(dir, "cache/deep"), { recursive: true })
      writeFileSync(join(dir, "cache/deep/x"), "x")
      writeFileSync(join(dir, "src/deep/left"), "x")
    },
    "a changed file of the same size with its old times": (dir) => {
      const path = join(dir, "a.txt")
      const { atime, mtime } = lstatSync(path)
      writeFileSync(path, "two")
      utimesSync(path, atime, mtime)
    },
    "a changed mode": (dir) => chmodSync(join(dir, "a.txt"), 0o777),
    "a removed file and folder": (dir) => {
      unlinkSync(join(dir, "a.txt"))
      rmSync(join(dir, "src"), { recursive: true })
    },
    "a folder in the place of a file": (dir) => {
      unlinkSync(join(dir, "a.txt"))
      mkdirSync(join(dir, "a.txt/x"), { recursive: true })
    },
    "a file in the place of a folder": (dir) => {
      rmSync(join(dir, "src"), { recursive: true })
      writeFileSync(join(dir, "src"), "x")
    },
    "another link target": (dir) => {
      unlinkSync(join(dir, "link"))
      symlinkSync("a.txt", join(dir, "link"))
    },
    "a hard link to a file of the tree": (dir) => {
      rmSync(join(dir, "../other-name"), { force: true })
      linkSync(join(dir, "a.txt"), join(dir, "../other-name"))
    },
    "a folder closed to everyone": (dir) => {
      mkdirSync(join(dir, "closed/inner"), { recursive: true })
      chmodSync(join(dir, "closed"), 0)
      chmodSync(join(dir, "src"), 0)
    },
    "a damaged .git": (dir) => {
      rmSync(join(dir, ".git"), { recursive: true })
      writeFileSync(join(dir, ".git"), "gitdir: /elsewhere\n")
    },
  }
  for (const [name, damage] of Object.entries(DAMAGE)) {
    test(`reset and the next candidate repair: ${name}`, async () => {
      await held(treeOf(BASE), async (candidate) => {
        await Effect.runPromise(candidate.reset)
        damage(candidate.dir)
        await Effect.runPromise(candidate.reset)
        expect(snapshot(candidate.dir)).toEqual(ON_DISK)
        expect(existsSync(join(candidate.dir, ".git/HEAD"))).toBe(true)
        damage(candidate.dir)
      })
      await held(treeOf(BASE), (candidate) => expect(snapshot(candidate.dir)).toEqual(ON_DISK))
    })
  }

  test("any sequence of trees, whatever guards left in between, ends as if written anew", async () => {
    const name = FastCheck.constantFrom("a", "b", "c")
    const path = FastCheck.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"))
    const file = FastCheck.record({
      mode: FastCheck.constantFrom<FileMode>("100644", "100755", "120000"),
      text: FastCheck.constantFrom("x", "y", "long text"),
    })
    const files = FastCheck.dictionary(path, file, { maxKeys: 6 }).map((all): Files => {
      const isFolder = (one: string) => Object.keys(all).some((other) => other.startsWith(`${one}/`))
      return Object.fromEntries(Object.entries(all).filter(([one]) => !isFolder(one)))
    })
    const step = FastCheck.record({ files, left: FastCheck.array(FastCheck.tuple(path, name)) })
    await FastCheck.assert(
      FastCheck.asyncProperty(FastCheck.array(step, { minLength: 2, maxLength: 4 }), async (steps) => {
        for (const { files, left } of steps) {
          await held(treeOf(files), (candidate) => {
            const expected = Object.entries(files).map(([at, one]) => {
              const { mode, text } = one as { mode: FileMode; text: string }
              return [at, mode === "120000" ? `-> ${text}` : `${mode.slice(3)} ${text}`]
            })
            expect(snapshot(candidate.dir)).toEqual(Object.fromEntries(expected))
            for (const [at, text] of left) {
              try {
                mkdirSync(join(candidate.dir, at, ".."), { recursive: true })
                writeFileSync(join(candidate.dir, at), text)
              } catch {}
            }
          })
        }
      }),
      { numRuns: 40 },
    )
  })

  test("a link that a guard planted is not followed, nor one that the tree has", async () => {
    const outside = join(folder, "outside")
    mkdirSync(outside)
    writeFileSync(join(outside, "b.ts"), "precious")
    await held(treeOf(BASE), (candidate) => {
      rmSync(join(candidate.dir, "src"), { recursive: true })
      symlinkSync(outside, join(candidate.dir, "src"))
      unlinkSync(join(candidate.dir, "a.txt"))
      symlinkSync(join(outside, "b.ts"), join(candidate.dir, "a.txt"))
      symlinkSync(outside, join(candidate.dir, "left"))
    })
    await held(treeOf({ ...BASE, "src/b.ts": "next", "a.txt": "next" }), () => {})
    await held(treeOf({ src: { mode: "120000", text: outside } }), () => {})
    await held(treeOf(BASE), (candidate) => expect(snapshot(candidate.dir)).toEqual(ON_DISK))
    expect(snapshot(outside)).toEqual({ "b.ts": "644 precious" })
  })

  test("names that are not UTF-8, and an empty folder for a gitlink", async () => {
    const name = `byte-\uDCFF-é`
    const tree = treeOf({ [name]: "x", "sub/module": { mode: "160000", text: "" } })
    const raw = Buffer.concat([Buffer.from("byte-"), Buffer.from([0xff]), Buffer.from("-é")])
    for (const _ of [1, 2, 3]) {
      await held(tree, (candidate) => {
        const names = readdirSync(candidate.dir, { encoding: "buffer" })
        expect(names.some((bytes) => bytes.equals(raw))).toBe(true)
        expect(readdirSync(join(candidate.dir, "sub/module"))).toEqual([])
        writeFileSync(Buffer.concat([Buffer.from(`${candidate.dir}/left-`), Buffer.from([0xfe])]), "x")
      })
    }
    await held(treeOf({}), (candidate) => expect(readdirSync(candidate.dir)).toEqual([".git"]))
  })

  test.each(["../up", "/absolute", "a//b", "./a", ".git/config", "sub/.GIT/hooks/x", "", "nul\0"])(
    "a manifest with %j is refused and nothing is written",
    async (path) => {
      expect(await refused(treeOf({ good: "x", [path]: "x" }))).toMatchObject({
        operation: "check_manifest",
        path,
      })
      expect(existsSync(join(folder, "cache"))).toBe(false)
    },
  )

  test("a file used as a folder is refused; content that is not what its name says, too", async () => {
    expect(await refused(treeOf({ a: "x", "a/b": "x" }))).toMatchObject({ operation: "check_manifest" })
    const tree = treeOf({ a: "x" })
    const lie = new Map([...tree.manifest.values()].map(({ oid }) => [oid, Buffer.from("y")]))
    expect(await refused({ ...tree, readBlobs: () => Effect.succeed(lie) })).toMatchObject({
      operation: "check_blob",
    })
    expect(await refused({ ...tree, readBlobs: () => Effect.succeed(new Map()) })).toMatchObject({
      operation: "check_blob",
    })
  })
})

describe("slots", () => {
  test("are exclusive while held and used again afterwards", async () => {
    const first = await held(treeOf({ a: "1" }), async (one) => {
      const two = await held(treeOf({ a: "2" }), (candidate) => candidate.dir)
      expect(two).not.toBe(one.dir)
      expect(snapshot(one.dir)).toEqual({ a: "644 1" })
      return one.dir
    })
    expect(await held(treeOf({ a: "3" }), (candidate) => candidate.dir)).toBe(first)
  })

  test("the slot of a process that died is taken back", async () => {
    const first = await held(treeOf({ a: "1" }), (candidate) => candidate.dir)
    const lock = join(first, "..", "lock")
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()
    for (const owner of [
      `999999999 1 ${boot}`,
      `${process.pid} 1 ${boot}`,
      `${process.pid} 1 other-boot`,
      "",
    ]) {
      writeFileSync(lock, `${owner}\n`)
      expect(await held(treeOf({ a: "2" }), (candidate) => candidate.dir)).toBe(first)
    }
  })

  test("a process that outlived the owner of a slot does not write into the next candidate", async () => {
    const first = await held(treeOf({ a: "1" }), (candidate) => candidate.dir)
    const orphan = Bun.spawn(["sh", "-c", "read line; echo x > planted; echo y > a; echo done"], {
      cwd: first,
      stdin: "pipe",
      stdout: "pipe",
      stderr: "ignore",
    })
    writeFileSync(join(first, "..", "lock"), "999999999 1 other-boot\n")
    await held(treeOf({ a: "2" }), async (candidate) => {
      expect(candidate.dir).toBe(first)
      orphan.stdin.write("go\n")
      await orphan.stdin.end()
      await orphan.exited
      expect(snapshot(candidate.dir)).toEqual({ a: "644 2" })
      expect(readdirSync(join(first, "..")).sort()).toEqual(["lock", "state.json", "tree"])
    })
  })

  test("a living owner's lock is respected", async () => {
    const first = await held(treeOf({ a: "1" }), (candidate) => candidate.dir)
    const start = readFileSync("/proc/1/stat", "utf8").split(") ")[1]!.split(" ")[19]
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()
    writeFileSync(join(first, "..", "lock"), `1 ${start} ${boot}\n`)
    expect(await held(treeOf({ a: "2" }), (candidate) => candidate.dir)).not.toBe(first)
  })

  test("a torn record only costs writing again", async () => {
    const first = await held(treeOf(BASE), (candidate) => candidate.dir)
    writeFileSync(join(first, "..", "state.json"), '{"version":1,"fil')
    await held(treeOf(BASE), (candidate) => expect(snapshot(candidate.dir)).toEqual(ON_DISK))
  })
})

describe("dependencies", () => {
  const install = (lock: string) => {
    mkdirSync(join(live, "node_modules/dep"), { recursive: true })
    writeFileSync(join(live, "node_modules/dep/index.js"), "installed")
    writeFileSync(join(live, "package-lock.json"), lock)
  }

  test("of the live tree are shown while the lockfiles are equal", async () => {
    install("lock 1")
    await held(treeOf({ "package-lock.json": "lock 1" }), async (candidate) => {
      expect(readFileSync(join(candidate.dir, "node_modules/dep/index.js"), "utf8")).toBe("installed")
      expect(candidate.dependencies.missing).toEqual([])
      await Effect.runPromise(candidate.reset)
      await Effect.runPromise(candidate.reset)
      expect(existsSync(join(candidate.dir, "node_modules/dep/index.js"))).toBe(true)
    })
    await held(treeOf({ "package-lock.json": "lock 2" }), (candidate) => {
      expect(existsSync(join(candidate.dir, "node_modules"))).toBe(false)
      expect(candidate.dependencies.missing).toMatchObject([
        { path: "node_modules", reason: expect.stringContaining("package-lock.json differs") },
      ])
    })
    expect(readFileSync(join(live, "node_modules/dep/index.js"), "utf8")).toBe("installed")
  })

  test("a lockfile on one side only is a difference; without any, what declares them decides", async () => {
    install("lock")
    const mounted = (files: Files) =>
      held(treeOf(files), ({ dependencies }) => dependencies.mounted.map(({ path }) => path))
    expect(await mounted({ "a.txt": "x" })).toEqual([])
    unlinkSync(join(live, "package-lock.json"))
    writeFileSync(join(live, "package.json"), "declared")
    expect(await mounted({ "package.json": "declared" })).toEqual(["node_modules"])
    expect(await mounted({ "package.json": "otherwise" })).toEqual([])
    expect(await mounted({ "package.json": "declared", "Cargo.lock": "other world" })).toEqual([
      "node_modules",
    ])
  })

  test("a folder the tree has itself is never covered", async () => {
    install("lock")
    const tree = treeOf({ "package-lock.json": "lock", "node_modules/own": "tracked" })
    await held(tree, (candidate) => expect(snapshot(candidate.dir)["node_modules/own"]).toBe("644 tracked"))
  })

  test("the digest follows lockfiles and reinstallation", async () => {
    install("lock 1")
    const digest = (lock: string) =>
      held(treeOf({ "package-lock.json": lock }), ({ dependencies }) => dependencies.digest)
    const first = await digest("lock 1")
    expect(await digest("lock 1")).toBe(first)
    expect(await digest("lock 2")).not.toBe(first)
    utimesSync(join(live, "node_modules"), 1, 1)
    expect(await digest("lock 1")).not.toBe(first)
  })
})

describe("prepare", () => {
  const prepare = (script: string): Partial<CandidateWorkspace> => ({
    mounts: [],
    prepare: {
      command: ["sh", "-c", script],
      key: ["package-lock.json"],
      network: true,
      keep: ["node_modules"],
    },
  })
  const script = `echo run >> ../../../runs; mkdir -p node_modules; cp package-lock.json node_modules/made; echo x > left`
  const tree = (lock: string, text = "") => treeOf({ "package-lock.json": lock, text })

  test("runs once per lockfile; what it keeps is reused, the rest is gone", async () => {
    const where = workspace(prepare(script))
    for (const [lock, text] of [
      ["1", "a"],
      ["1", "b"],
      ["2", "b"],
      ["1", "c"],
    ] as const) {
      await held(
        tree(lock, text),
        (candidate) => {
          expect(readFileSync(join(candidate.dir, "node_modules/made"), "utf8")).toBe(lock)
          expect(existsSync(join(candidate.dir, "left"))).toBe(false)
          expect(candidate.dependencies.missing).toEqual([])
        },
        where,
      )
    }
    expect(readFileSync(join(folder, "cache", "runs"), "utf8")).toBe("run\nrun\n")
  })

  test("does not run where the live tree serves as well, or without a key file", async () => {
    mkdirSync(join(live, "node_modules"))
    writeFileSync(join(live, "package-lock.json"), "1")
    const where = workspace({ ...prepare("exit 1"), mounts: ["node_modules"] })
    await held(tree("1"), ({ dependencies }) => expect(dependencies.mounted).toHaveLength(1), where)
    await held(treeOf({ "a.txt": "x" }), () => {}, where)
  })

  test("its failure is told, and leaves nothing behind that would pass for success", async () => {
    const where = workspace(prepare("mkdir node_modules; echo reason >&2; exit 3"))
    for (const _ of [1, 2]) {
      expect(await refused(tree("1"), where)).toMatchObject({
        _tag: "PrepareFailed",
        reason: "exit",
        exitCode: 3,
        stderrTail: "reason\n",
      })
    }
    expect(await refused(tree("1"), workspace({ ...prepare("true"), sandbox: "required" }))).toMatchObject({
      _tag: "SandboxUnavailable",
    })
  })
})
