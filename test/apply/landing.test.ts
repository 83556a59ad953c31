import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import * as Effect from "effect/Effect"
import { ApplyService, type LandOptions } from "../../src/apply/ApplyService.ts"
import type { LandingStep } from "../../src/apply/plan.ts"
import { type Bench, type Doubles, ignoreOwnFolder, leftovers, makeBench } from "./bench.ts"

let bench: Bench
let base: string
beforeEach(() => {
  bench = makeBench()
  ignoreOwnFolder(bench)
  bench.write({ "a.txt": "a\n", "dir/b.txt": "b\n", "dir/sub/c.txt": "c\n", "other.txt": "o\n" })
  base = bench.commit("base")
})
afterEach(() => bench.remove())

const landing = (
  steps: readonly LandingStep[],
  options: Partial<LandOptions> & { readonly base?: string | null } = {},
  doubles: Doubles = {},
) =>
  bench.apply(
    Effect.gen(function* () {
      const apply = yield* ApplyService
      const plan = yield* apply.prepare({ base: options.base === undefined ? base : options.base, steps })
      return yield* Effect.either(
        apply.land(plan, {
          landingId: "landing-1",
          mode: "commit",
          branch: "main",
          durable: false,
          stageDir: bench.stageDir,
          ...options,
        }),
      )
    }),
    doubles,
  )

const landed = async (...args: Parameters<typeof landing>) => {
  const result = await landing(...args)
  if (result._tag === "Left") throw result.left
  expect<string | null>(bench.git("rev-parse", result.right.branch)).toBe(result.right.tip)
  return result.right
}

/** Checked before anything refreshes the index. */
const expectClean = () => {
  expect(bench.git("diff-files", "--name-only")).toBe("")
  expect(bench.git("diff-index", "--cached", "--name-only", "HEAD")).toBe("")
  expect(bench.git("status", "--porcelain")).toBe("")
  expect(bench.git("fsck", "--strict", "--no-dangling")).toBe("")
  expect(existsSync(`${bench.root}/.git/index.lock`)).toBe(false)
}

const read = (path: string) => readFileSync(`${bench.root}/${path}`, "utf8")

describe("landing on the branch that is checked out", () => {
  for (const durable of [false, true]) {
    test(`brings files, index and reflog along (durable: ${durable})`, async () => {
      const steps = bench.steps([
        { "a.txt": "a2\n", "new/deep/x.txt": "x\n", "dir/sub/c.txt": null },
        {
          "run.sh": { mode: "100755", content: "#!/bin/sh\n" },
          link: { mode: "120000", content: "dir/b.txt" },
        },
      ])
      const result = await landed(steps, { durable, message: "two changes" })
      expectClean()
      expect(result).toMatchObject({ branch: "refs/heads/main", worktree: bench.root, exchange: "atomic" })
      expect(read("a.txt")).toBe("a2\n")
      expect(read("new/deep/x.txt")).toBe("x\n")
      expect(existsSync(`${bench.root}/dir/sub`)).toBe(false)
      expect(statSync(`${bench.root}/run.sh`).mode & 0o777).toBe(0o777 & ~process.umask())
      expect(statSync(`${bench.root}/new/deep/x.txt`).nlink).toBe(1)
      expect(readlinkSync(`${bench.root}/link`)).toBe("dir/b.txt")
      expect(bench.git("rev-list", "--count", "HEAD")).toBe("3")
      expect(bench.git("reflog", "-1", "--format=%gs", "HEAD")).toBe("two changes")
      expect(bench.git("reflog", "-1", "--format=%gs", "main")).toBe("two changes")
      expect(bench.journal.calls).toEqual(["begin", "done"])
      expect(result.displaced.map((file) => file.path).toSorted()).toEqual(["a.txt", "dir/sub/c.txt"])
    })
  }

  test("keeps what the operator has changed and staged elsewhere", async () => {
    bench.write({ "other.txt": "mine\n", "staged.txt": "s\n", "loose.txt": "l\n" })
    bench.git("add", "staged.txt")
    await landed(bench.steps([{ "a.txt": "a2\n", "dir/new.txt": "n\n" }]))
    expect(bench.git("status", "--porcelain")).toBe(
      "M other.txt\nA  staged.txt\n?? loose.txt".replace(/^/, " "),
    )
    expect(read("other.txt")).toBe("mine\n")
  })

  test("a same-size edit made in the second of the last git add stays visible", async () => {
    // The index is as old as the file: git could trust the entry only by comparing contents.
    bench.write({ "other.txt": "x\n" })
    bench.git("add", "other.txt")
    const { mtime, atime } = statSync(`${bench.root}/.git/index`)
    writeFileSync(`${bench.root}/other.txt`, "y\n")
    for (const path of ["other.txt", ".git/index"]) utimesSync(`${bench.root}/${path}`, atime, mtime)
    await landed(bench.steps([{ "a.txt": "a2\n" }]))
    expect(bench.git("diff", "--name-only")).toBe("other.txt")
  })

  test("swaps files and directories", async () => {
    const steps = bench.steps([
      { "a.txt": null, "a.txt/now/a/folder.txt": "f\n" },
      { "dir/b.txt": null, "dir/sub/c.txt": null, dir: "a file now\n" },
    ])
    await landed(steps)
    expectClean()
    expect(read("dir")).toBe("a file now\n")
    expect(read("a.txt/now/a/folder.txt")).toBe("f\n")
  })

  test("changes modes, links into files and back", async () => {
    bench.write({ script: "s\n" })
    symlinkSync("a.txt", `${bench.root}/link`)
    base = bench.commit("link")
    const steps = bench.steps([
      {
        script: { mode: "100755", content: "s\n" },
        link: "a file\n",
        "other.txt": { mode: "120000", content: "a.txt" },
      },
    ])
    await landed(steps)
    expectClean()
    expect(lstatSync(`${bench.root}/link`).isFile()).toBe(true)
    expect(readlinkSync(`${bench.root}/other.txt`)).toBe("a.txt")
    expect(statSync(`${bench.root}/script`).mode & 0o100).toBe(0o100)
  })

  test("a chain of 50 is one ref move", async () => {
    const changes = Array.from({ length: 50 }, (_, at) => ({
      "a.txt": `v${at}\n`,
      [`f${at}.txt`]: `${at}\n`,
    }))
    await landed(bench.steps(changes), { durable: true })
    expectClean()
    expect(bench.git("rev-list", "--count", "HEAD")).toBe("51")
    expect(bench.git("reflog", "--format=%gs", "main").split("\n")).toHaveLength(2)
    expect(
      readdirSync(`${bench.root}/.git/objects/pack`).filter((name) => name.endsWith(".pack")),
    ).toHaveLength(1)
    expect(read("a.txt")).toBe("v49\n")
  })

  test("keeps a folder that stays in use, with whoever stands in it", async () => {
    const before = statSync(`${bench.root}/dir/sub`).ino
    await landed(bench.steps([{ "dir/sub/c.txt": null, "dir/sub/d.txt": "d\n" }]))
    expectClean()
    expect(statSync(`${bench.root}/dir/sub`).ino).toBe(before)
  })

  test("an unborn branch gets its root commit", async () => {
    bench.git("checkout", "-q", "--orphan", "fresh")
    bench.git("rm", "-rq", "--cached", ".")
    for (const name of ["a.txt", "dir", "other.txt"]) rmSync(`${bench.root}/${name}`, { recursive: true })
    await landed(bench.steps([{ "first.txt": "1\n" }], "fresh"), { base: null, branch: "fresh" })
    expectClean()
    expect(bench.git("rev-list", "--count", "HEAD")).toBe("1")
  })

  test("leaves a path alone that a sparse checkout leaves out", async () => {
    bench.git("sparse-checkout", "set", "--no-cone", "/*", "!/dir/")
    expect(existsSync(`${bench.root}/dir/b.txt`)).toBe(false)
    await landed(bench.steps([{ "dir/b.txt": "b2\n", "a.txt": "a2\n" }]))
    expectClean()
    expect(existsSync(`${bench.root}/dir/b.txt`)).toBe(false)
    expect(bench.git("ls-files", "-v", "dir/b.txt")).toBe("S dir/b.txt")
  })
})

describe("other places", () => {
  test("a branch checked out nowhere: only the ref moves", async () => {
    bench.git("branch", "topic")
    const result = await landed(bench.steps([{ "a.txt": "a2\n" }]), { branch: "topic" })
    expect(result).toMatchObject({ worktree: null, exchange: "none", displaced: [] })
    expect(read("a.txt")).toBe("a\n")
    expectClean()
    expect(bench.journal.records[0]!.worktree).toBeNull()
    expect(bench.git("show", "topic:a.txt")).toBe("a2")
  })

  test("a branch checked out in a linked working tree", async () => {
    const linked = `${bench.folder}/linked`
    bench.git("worktree", "add", "-q", linked, "-b", "topic")
    const steps = bench.steps([{ "a.txt": "a2\n", "dir/sub/c.txt": null }])
    const result = await landed(steps, { branch: "topic" })
    expect(result.worktree).toBe(linked)
    expect(readFileSync(`${linked}/a.txt`, "utf8")).toBe("a2\n")
    expect(bench.tryGit(["status", "--porcelain"], { cwd: linked }).stdout.toString()).toBe("")
    const reflog = bench.tryGit(["reflog", "-1", "--format=%gs", "HEAD"], { cwd: linked }).stdout.toString()
    expect(reflog.trim()).toBe("hyperion: land 1 change")
    expectClean()
    expect(read("a.txt")).toBe("a\n")
  })

  test("a symbolic branch: what it stands for moves, with the working tree that is on it", async () => {
    bench.git("symbolic-ref", "refs/heads/alias", "refs/heads/main")
    const result = await landed(bench.steps([{ "a.txt": "a2\n" }]), { branch: "alias" })
    expect(result).toMatchObject({ branch: "refs/heads/main", worktree: bench.root })
    expectClean()
    expect(bench.git("symbolic-ref", "refs/heads/alias")).toBe("refs/heads/main")
  })

  test("a bare repository", async () => {
    bench.git("clone", "-q", "--bare", ".", "../bare.git")
    const start = `${bench.folder}/bare.git`
    const result = await landing(bench.steps([{ "a.txt": "a2\n" }]), {}, { start })
    expect(result).toMatchObject({ _tag: "Right", right: { worktree: null } })
    expect(bench.tryGit(["show", "main:a.txt"], { cwd: start }).stdout.toString()).toBe("a2\n")
  })
})

describe("blocked, with nothing changed", () => {
  /** Everything a landing could have touched. */
  const snapshot = () => ({
    head: bench.git("rev-parse", "HEAD"),
    index: readFileSync(`${bench.root}/.git/index`).toString("base64"),
    a: lstatSync(`${bench.root}/a.txt`, { throwIfNoEntry: false })?.ino,
    files: readdirSync(bench.root, { recursive: true })
      .map(String)
      .filter((name) => !/^\.(git|hyperion)/.test(name))
      .toSorted(),
  })

  const expectBlocked = async (
    reason: string,
    paths: readonly string[],
    steps = bench.steps([{ "a.txt": "a2\n", "dir/new.txt": "n\n", "dir/sub/c.txt": null }]),
  ) => {
    const before = snapshot()
    const result = await landing(steps)
    expect(result).toMatchObject({ _tag: "Left", left: { _tag: "LandingBlocked", reason, paths } })
    expect(snapshot()).toEqual(before)
    expect(leftovers(bench).filter((path) => !path.endsWith("index.lock"))).toEqual([])
    expect(bench.journal.calls.length % 2).toBe(0)
  }

  test("by a dirty file, a deleted one, a changed mode", async () => {
    bench.write({ "a.txt": "mine\n" })
    await expectBlocked("dirty", ["a.txt"])
    expect(read("a.txt")).toBe("mine\n")
    unlinkSync(`${bench.root}/a.txt`)
    await expectBlocked("dirty", ["a.txt"])
    bench.write({ "a.txt": "a\n" })
    chmodSync(`${bench.root}/dir/sub/c.txt`, 0o755)
    await expectBlocked("dirty", ["dir/sub/c.txt"])
  })

  test("by a file that nobody tracks, ignored or not", async () => {
    bench.write({ "dir/new.txt": "theirs\n", ".git/info/exclude": ".hyperion/\ndir/new.txt\n" })
    await expectBlocked("untracked_in_the_way", ["dir/new.txt"])
    expect(read("dir/new.txt")).toBe("theirs\n")
  })

  test("by a file in a folder that a file shall replace", async () => {
    bench.write({ "dir/sub/mine.txt": "m\n" })
    const steps = bench.steps([{ "dir/b.txt": null, "dir/sub/c.txt": null, dir: "file\n" }])
    await expectBlocked("untracked_in_the_way", ["dir/sub/mine.txt"], steps)
  })

  test("by a staged change, a staged new file, a staged deletion", async () => {
    bench.write({ "a.txt": "staged\n" })
    bench.git("add", "a.txt")
    bench.write({ "a.txt": "a\n" })
    await expectBlocked("staged", ["a.txt"])
    bench.git("reset", "-q")
    bench.write({ "dir/new.txt": "n\n" })
    bench.git("add", "-N", "dir/new.txt")
    unlinkSync(`${bench.root}/dir/new.txt`)
    await expectBlocked("staged", ["dir/new.txt"])
    bench.git("reset", "-q")
    bench.git("rm", "-q", "--cached", "dir/sub/c.txt")
    await expectBlocked("staged", ["dir/sub/c.txt"])
    bench.git("reset", "-q")
    bench.write({ "new/x": "x" })
    bench.git("add", "new/x")
    rmSync(`${bench.root}/new`, { recursive: true })
    await expectBlocked("staged", ["new/x"], bench.steps([{ new: "file\n" }]))
  })

  test("by a merge, a rebase of the branch elsewhere, a held index lock", async () => {
    bench.git("checkout", "-q", "-b", "side")
    bench.write({ "other.txt": "side\n" })
    bench.commit("side")
    bench.git("checkout", "-q", "main")
    bench.git("merge", "-q", "--no-commit", "--no-ff", "side")
    await expectBlocked("operation_in_progress", [bench.root])
    bench.git("merge", "--abort")
    writeFileSync(`${bench.root}/.git/index.lock`, "")
    await expectBlocked("index_locked", [`${bench.root}/.git/index.lock`])
    expect(bench.journal.calls).toEqual([])
    expect(readFileSync(`${bench.root}/.git/index.lock`, "utf8")).toBe("")
    unlinkSync(`${bench.root}/.git/index.lock`)
    bench.write({ "other.txt": "main\n" })
    base = bench.commit("main")
    expect(bench.tryGit(["rebase", "-q", "side"]).exitCode).toBe(1)
    await expectBlocked("operation_in_progress", [bench.root])
  })

  test("by links: a parent that is one, a file with a second name", async () => {
    renameSync(`${bench.root}/dir`, `${bench.folder}/outside`)
    symlinkSync(`${bench.folder}/outside`, `${bench.root}/dir`)
    await expectBlocked("symlinked_parent", ["dir"])
    expect(readdirSync(`${bench.folder}/outside`).toSorted()).toEqual(["b.txt", "sub"])
    unlinkSync(`${bench.root}/dir`)
    renameSync(`${bench.folder}/outside`, `${bench.root}/dir`)
    linkSync(`${bench.root}/a.txt`, `${bench.folder}/second-name`)
    await expectBlocked("special_file", ["a.txt"])
  })

  test("by attributes that change bytes, an index we do not write", async () => {
    bench.write({ ".gitattributes": "*.txt eol=crlf\n" })
    bench.git("add", "-A")
    bench.git("commit", "-qm", "attributes")
    base = bench.git("rev-parse", "HEAD")
    await expectBlocked("attribute_unsupported", ["a.txt", "dir/new.txt"])
    bench.git("update-index", "--split-index")
    await expectBlocked("index_unsupported", [`${bench.root}/.git/index`])
  })

  test("by the branch being checked out twice", async () => {
    bench.git("worktree", "add", "-q", "-f", "../second", "main")
    await expectBlocked("checked_out_twice", [bench.root, `${bench.folder}/second`])
  })
})

describe("others at the same time", () => {
  test("a branch that moved: BaseMoved, before and at the compare-and-swap", async () => {
    const steps = bench.steps([{ "a.txt": "a2\n" }])
    const elsewhere = bench.git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "theirs")
    const move = () => bench.git("update-ref", "refs/heads/main", elsewhere)
    const late = await landing(
      steps,
      {},
      {
        git: (live) => ({
          ...live,
          updateRef: (update) => Effect.zipRight(Effect.sync(move), live.updateRef(update)),
        }),
      },
    )
    const moved = { _tag: "BaseMoved", expected: base, actual: elsewhere }
    expect(late).toMatchObject({ _tag: "Left", left: moved })
    expect(bench.journal.calls).toEqual(["begin", "undone"])
    expect(leftovers(bench)).toEqual([])
    expect(await landing(steps)).toMatchObject({ _tag: "Left", left: moved })
    expect(read("a.txt")).toBe("a\n")
    expectClean()
  })

  test("commit -a by a person between lock and ref is refused by the lock", async () => {
    bench.write({ "other.txt": "mine\n" })
    let refused = ""
    await landed(
      bench.steps([{ "a.txt": "a2\n" }]),
      {},
      {
        git: (live) => ({
          ...live,
          updateRef: (update) => {
            refused = bench.tryGit(["commit", "-qam", "mine"]).stderr
            return live.updateRef(update)
          },
        }),
      },
    )
    expect(refused).toContain("index.lock")
    expect(bench.git("status", "--porcelain")).toBe(" M other.txt")
    expect(bench.git("log", "-1", "--format=%s")).toBe("change 1")
  })

  /** Runs `edit` just before the n-th exchange of two names. */
  const atExchange = (nth: number, edit: () => void): Doubles => {
    let count = 0
    return {
      files: (live) => ({
        ...live,
        exchange: (left, right) => {
          if (++count === nth) edit()
          return live.exchange(left, right)
        },
      }),
    }
  }

  test("an edit during the exchange is kept and all else undone", async () => {
    const steps = bench.steps([{ "a.txt": "a2\n", "dir/b.txt": "b2\n", "new/x": "x\n", "other.txt": null }])
    const result = await landing(
      steps,
      {},
      atExchange(2, () => bench.write({ "dir/b.txt": "typed just now\n" })),
    )
    expect(result).toMatchObject({ left: { _tag: "LandingBlocked", reason: "dirty", paths: ["dir/b.txt"] } })
    expect(bench.git("rev-parse", "main")).toBe(base)
    expect(bench.git("status", "--porcelain")).toBe(" M dir/b.txt")
    expect(read("dir/b.txt")).toBe("typed just now\n")
    expect(read("a.txt")).toBe("a\n")
    expect(read("other.txt")).toBe("o\n")
    expect(existsSync(`${bench.root}/new`)).toBe(false)
    expect(leftovers(bench)).toEqual([])
    expect(bench.journal.calls).toEqual(["begin", "undone"])
    // The way is free again once the edit is gone.
    bench.git("checkout", "-q", "dir/b.txt")
    await landed(steps)
    expectClean()
  })

  test("an edit of what had landed already is kept on the way back, and said", async () => {
    const steps = bench.steps([{ "a.txt": "a2\n", "dir/b.txt": "b2\n" }])
    const edit = () => bench.write({ "a.txt": "on top\n", "dir/b.txt": "foreign\n" })
    const result = await landing(steps, {}, atExchange(2, edit))
    expect(result).toMatchObject({ left: { _tag: "LandingFailed", outcome: "undone", left: ["a.txt"] } })
    expect(read("a.txt")).toBe("on top\n")
    expect(read("dir/b.txt")).toBe("foreign\n")
    expect(bench.git("rev-parse", "main")).toBe(base)
  })

  test("a folder swapped for a link outside is never written through", async () => {
    mkdirSync(`${bench.folder}/outside`)
    writeFileSync(`${bench.folder}/outside/b.txt`, "b\n")
    const steps = bench.steps([{ "a.txt": "a2\n", "dir/b.txt": "b2\n", "dir/new.txt": "n\n" }])
    const swap = () => {
      renameSync(`${bench.root}/dir`, `${bench.folder}/moved`)
      symlinkSync(`${bench.folder}/outside`, `${bench.root}/dir`)
    }
    await landing(steps, {}, atExchange(1, swap))
    expect(readdirSync(`${bench.folder}/outside`)).toEqual(["b.txt"])
    expect(readFileSync(`${bench.folder}/outside/b.txt`, "utf8")).toBe("b\n")
  })
})

test("a lock taken after the first glance blocks as well, and stays", async () => {
  const lock = `${bench.root}/.git/index.lock`
  const result = await landing(
    bench.steps([{ "a.txt": "a2\n" }]),
    {},
    {
      git: (live) => ({
        ...live,
        writeObjects: (objects, how) =>
          Effect.zipRight(
            Effect.sync(() => writeFileSync(lock, "")),
            live.writeObjects(objects, how),
          ),
      }),
    },
  )
  expect(result).toMatchObject({ left: { _tag: "LandingBlocked", reason: "index_locked", paths: [lock] } })
  expect(readFileSync(lock, "utf8")).toBe("")
  expect(bench.journal.calls).toEqual(["begin", "undone"])
  expect(existsSync(bench.stageDir)).toBe(false)
})

test("a journal that cannot be written stops the landing before anything is visible", async () => {
  bench.journal.fail = true
  const result = await landing(bench.steps([{ "a.txt": "a2\n" }]))
  expect(result).toMatchObject({
    left: { _tag: "LandingFailed", code: "landing journal: disk full", outcome: "undone" },
  })
  expect(leftovers(bench)).toEqual([])
  expect(read("a.txt")).toBe("a\n")
  expectClean()
})

describe("a file system without exchange", () => {
  const noExchange: Doubles = { files: (live) => ({ ...live, exchange: () => "unsupported" }) }

  test("lands all the same and says so", async () => {
    const result = await landed(bench.steps([{ "a.txt": "a2\n", "dir/b.txt": "b2\n" }]), {}, noExchange)
    expect(result.exchange).toBe("fallback")
    expectClean()
    expect(read("a.txt")).toBe("a2\n")
  })

  test("and without hard links", async () => {
    const noLinks: Doubles = {
      files: (live) => ({
        ...live,
        exchange: () => "unsupported",
        link: () => {
          throw Object.assign(new Error("no links here"), { code: "EPERM" })
        },
      }),
    }
    const result = await landed(bench.steps([{ "a.txt": "a2\n", "n.txt": "n\n" }]), {}, noLinks)
    expect(result.exchange).toBe("fallback")
    expectClean()
  })
})

describe("collecting", () => {
  test("removes the stage, and rescues a displaced file that was written to", async () => {
    const result = await landed(bench.steps([{ "a.txt": "a2\n", "dir/b.txt": "b2\n" }]))
    const late = result.displaced.find((file) => file.path === "dir/b.txt")!
    writeFileSync(late.stored, "a late writer's bytes\n")
    const rescueDir = `${bench.root}/.hyperion/rescued`
    const rescued = await bench.apply(
      Effect.flatMap(ApplyService, (apply) => apply.collect(bench.stageDir, result.displaced, rescueDir)),
    )
    expect(rescued.map((path) => readFileSync(path, "utf8"))).toEqual(["a late writer's bytes\n"])
    expect(existsSync(bench.stageDir)).toBe(false)
  })
})
