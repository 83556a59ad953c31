import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { mkdirSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import { GitRepository } from "../../src/platform/git/GitRepository.ts"
import { discover } from "../../src/platform/git/layout.ts"
import { blobOid, makeObject } from "../../src/platform/git/objects.ts"
import { type Fixture, makeFixture } from "./fixture.ts"

let fixture: Fixture
beforeEach(() => {
  fixture = makeFixture()
})
afterEach(() => fixture.remove())

const base = () => {
  fixture.write({ "a.txt": "a\n", "dir/b.txt": "b\n", "dir/sub/c.txt": "c\n" })
  return fixture.commit("base")
}

const layoutOf = (start: string) => {
  const found = discover(start)
  if (!found.ok) throw found.error
  return found.value
}

describe("discovery", () => {
  test("from a folder below, a linked working tree, a bare repository, nowhere", () => {
    base()
    const main = layoutOf(`${fixture.root}/dir/sub`)
    expect(main).toMatchObject({ gitDir: `${fixture.root}/.git`, worktree: fixture.root, isBare: false })
    fixture.git("worktree", "add", "-q", "../linked", "-b", "side")
    expect(layoutOf(`${fixture.folder}/linked/dir`)).toMatchObject({
      gitDir: `${fixture.root}/.git/worktrees/linked`,
      commonDir: `${fixture.root}/.git`,
      objectDir: `${fixture.root}/.git/objects`,
      worktree: `${fixture.folder}/linked`,
    })
    fixture.git("clone", "-q", "--bare", ".", "../bare.git")
    expect(layoutOf(`${fixture.folder}/bare.git`)).toMatchObject({
      gitDir: `${fixture.folder}/bare.git`,
      worktree: null,
      isBare: true,
    })
    const nowhere = discover(fixture.home)
    expect(nowhere.ok ? null : nowhere.error._tag).toBe("RepositoryNotFound")
  })

  test("says the same as git rev-parse for a separate git directory and core.worktree", () => {
    fixture.git("init", "-q", "--separate-git-dir", "../elsewhere.git")
    expect(layoutOf(fixture.root)).toMatchObject({
      gitDir: `${fixture.folder}/elsewhere.git`,
      worktree: fixture.git("rev-parse", "--show-toplevel"),
    })
    mkdirSync(`${fixture.folder}/tree`)
    fixture.git("config", "core.worktree", "../tree")
    expect(layoutOf(fixture.root).worktree).toBe(realpathSync(`${fixture.folder}/tree`))
  })

  test("refuses formats it cannot read", () => {
    const unsupported = () => {
      const found = discover(fixture.root)
      return found.ok || found.error._tag !== "RepositoryUnsupported" ? null : found.error.feature
    }
    expect(unsupported()).toBeNull()
    fixture.git("config", "core.repositoryFormatVersion", "1")
    fixture.git("config", "extensions.shinyThing", "true")
    expect(unsupported()).toBe("extensions.shinything")
    // Git itself refuses to work here now, so the file is written by hand.
    writeFileSync(`${fixture.root}/.git/config`, "[core]\n\trepositoryFormatVersion = 1\n")
    fixture.git("config", "extensions.worktreeConfig", "true")
    expect(unsupported()).toBeNull()
    fixture.git("config", "extensions.objectFormat", "sha256")
    expect(unsupported()).toBe("extensions.objectFormat=sha256")
    writeFileSync(`${fixture.root}/.git/config`, "[core\n")
    expect(unsupported()).toBe("unreadable config file")
  })

  test("reads configuration as git does", () => {
    const config = '[Core]\n\tfileMode = "fal\\\nse" ; no\n[core]symlinks=false # c\n[x "A\\"b"]\nflag\n'
    writeFileSync(`${fixture.root}/.git/config`, config)
    expect(fixture.git("config", "core.filemode")).toBe("false")
    expect(layoutOf(fixture.root)).toMatchObject({ fileMode: false, symlinks: false })
  })
})

describe("refs", () => {
  test("unborn, loose, packed, symbolic, detached, absent", async () => {
    const heads = Effect.flatMap(GitRepository, (git) => git.head)
    expect(await fixture.run(heads)).toEqual({ ref: "refs/heads/main", oid: null })
    const oid = base()
    expect(await fixture.run(heads)).toEqual({ ref: "refs/heads/main", oid })
    fixture.git("branch", "team/topic")
    fixture.git("symbolic-ref", "refs/heads/alias", "refs/heads/team/topic")
    fixture.git("pack-refs", "--all")
    const names = [
      "HEAD",
      "refs/heads/team/topic",
      "refs/heads/alias",
      "refs/heads/none",
      "refs/heads/../../x",
    ]
    const resolve = Effect.flatMap(GitRepository, (git) => Effect.forEach(names, git.resolveRef))
    expect(await fixture.run(resolve)).toEqual([oid, oid, oid, null, null])
    fixture.git("checkout", "-q", "--detach")
    expect(await fixture.run(heads)).toEqual({ ref: null, oid })
  })

  test("an update is a compare-and-swap that keeps the reflog", async () => {
    const first = base()
    const second = fixture.git("commit-tree", "HEAD^{tree}", "-p", first, "-m", "second")
    const update = (newOid: string | null, expected: string | null, ref = "refs/heads/main") =>
      fixture.run(
        Effect.flatMap(GitRepository, (git) =>
          Effect.either(git.updateRef({ ref, newOid, expected, message: "hyperion: test", durable: true })),
        ),
      )
    expect(await update(second, null)).toMatchObject({
      left: { _tag: "RefMoved", ref: "refs/heads/main", expected: null, actual: first },
    })
    expect(fixture.git("rev-parse", "main")).toBe(first)
    expect(await update(second, first)).toMatchObject({ _tag: "Right" })
    expect(fixture.git("reflog", "-1", "--format=%H %gs %gn", "main")).toBe(
      `${second} hyperion: test A Person`,
    )
    expect(fixture.git("reflog", "-1", "--format=%gs", "HEAD")).toBe("hyperion: test")
    expect(await update(first, null, "refs/heads/new/deep")).toMatchObject({ _tag: "Right" })
    expect(await update(null, first, "refs/heads/new/deep")).toMatchObject({ _tag: "Right" })
    expect(fixture.tryGit(["rev-parse", "-q", "--verify", "refs/heads/new/deep"]).exitCode).toBe(1)
    writeFileSync(`${fixture.root}/.git/refs/heads/main.lock`, "")
    expect(await update(first, second)).toMatchObject({ left: { _tag: "GitFailed" } })
  })
})

describe("reading", () => {
  test("commits, trees, files and their absence", async () => {
    const oid = base()
    fixture.git("gc", "-q")
    const seen = await fixture.run(
      Effect.gen(function* () {
        const git = yield* GitRepository
        const tree = yield* git.treeOf(oid)
        const paths = ["a.txt", "dir", "dir/sub/c.txt", "a.txt/x", "none/x"]
        return {
          commit: yield* git.readCommit(oid),
          found: yield* Effect.forEach(paths, (path) => git.lookup(oid, path)),
          list: Array.from((yield* git.listTree(tree)).keys()),
          bytes: yield* git.readBlobs([blobOid(Buffer.from("c\n"))]),
          missing: yield* Effect.flip(git.readBlobs(["1".repeat(40)])),
          wrong: yield* Effect.flip(git.readBlobs([tree])),
          malformed: yield* Effect.flip(git.readBlobs(["HEAD"])),
          empty: yield* git.readTree("4b825dc642cb6eb9a060e54bf8d69288fbee4904"),
        }
      }),
    )
    expect(seen.commit.message).toBe("base\n")
    expect(seen.commit.author).toMatchObject({ name: "A Person", seconds: 1_700_000_000, offset: "+0100" })
    expect(seen.found).toEqual([
      { mode: "100644", oid: blobOid(Buffer.from("a\n")) },
      null,
      { mode: "100644", oid: blobOid(Buffer.from("c\n")) },
      null,
      null,
    ])
    expect(seen.list.toSorted()).toEqual(["a.txt", "dir/b.txt", "dir/sub/c.txt"])
    expect(seen.bytes.map(String)).toEqual([String(Buffer.from("c\n"))])
    expect(seen.missing).toMatchObject({ _tag: "ObjectUnreadable", reason: "missing" })
    expect(seen.wrong).toMatchObject({ _tag: "ObjectUnreadable", reason: "wrong_type" })
    expect(seen.malformed).toMatchObject({ _tag: "ObjectUnreadable", reason: "malformed" })
    expect(seen.empty).toEqual([])
  })

  test("objects written after the reader started are found, large and many ones whole", async () => {
    base()
    const large = Buffer.alloc(3_000_000, "large\n")
    const many = Array.from({ length: 500 }, (_, at) =>
      makeObject("blob", Buffer.from(`blob ${at}\n`.repeat(at))),
    )
    await fixture.run(
      Effect.gen(function* () {
        const git = yield* GitRepository
        expect(yield* git.readObjects([blobOid(large)])).toEqual([null])
        fixture.tryGit(["hash-object", "-w", "--stdin"], { stdin: large })
        yield* git.writeObjects(many, { durable: false })
        const [found, ...rest] = yield* git.readBlobs([blobOid(large), ...many.map((object) => object.oid)])
        expect(Buffer.from(found!).equals(large)).toBe(true)
        for (const [at, body] of rest.entries()) expect(Buffer.from(body).equals(many[at]!.body)).toBe(true)
      }),
    )
  })

  test("a reader that dies is started again", async () => {
    const oid = base()
    // Packed, so that git has to be asked.
    fixture.git("repack", "-adq")
    await fixture.run(
      Effect.gen(function* () {
        const git = yield* GitRepository
        yield* git.readCommit(oid)
        const reader = Bun.spawnSync(["pgrep", "-f", "-P", String(process.pid), "cat-file --batch"])
        const pid = Number(reader.stdout.toString().trim().split("\n").at(-1))
        // 0 would be our own process group.
        expect(pid).toBeGreaterThan(1)
        process.kill(pid, "SIGKILL")
        expect((yield* git.readCommit(oid)).message).toBe("base\n")
      }),
    )
  })
})

describe("writing", () => {
  for (const count of [3, 60]) {
    test(`${count} objects are what git would have written`, async () => {
      base()
      const before = readdirSync(`${fixture.root}/.git/objects/pack`).length
      const objects = Array.from({ length: count }, (_, at) =>
        makeObject("blob", Buffer.from(`content ${at}\n`.repeat(at * 7))),
      )
      const write = Effect.flatMap(GitRepository, (git) => git.writeObjects(objects, { durable: true }))
      await fixture.run(write)
      await fixture.run(write)
      fixture.git("fsck", "--strict", "--full")
      for (const object of objects) {
        const shown = fixture.tryGit(["cat-file", "blob", object.oid]).stdout
        expect(shown.equals(object.body)).toBe(true)
      }
      const after = readdirSync(`${fixture.root}/.git/objects/pack`)
      expect(after.length - before).toBe(count > 12 ? 2 : 0)
      expect(after.filter((name) => name.startsWith("tmp"))).toEqual([])
      for (const name of after.filter((file) => file.endsWith(".idx"))) {
        fixture.git("verify-pack", `.git/objects/pack/${name}`)
      }
    })
  }

  test("a store that cannot be written is a typed failure", async () => {
    base()
    rmSync(`${fixture.root}/.git/objects/pack`, { recursive: true })
    writeFileSync(`${fixture.root}/.git/objects/pack`, "")
    const objects = Array.from({ length: 40 }, (_, at) => makeObject("blob", Buffer.from(String(at))))
    const failed = await fixture.run(
      Effect.flatMap(GitRepository, (git) => Effect.flip(git.writeObjects(objects, { durable: false }))),
    )
    expect(failed).toMatchObject({ _tag: "StoreFailed", operation: "write objects to" })
  })
})

describe("working trees and identity", () => {
  test("main and linked ones, their branches and what is in progress", async () => {
    base()
    fixture.git("worktree", "add", "-q", "../linked", "-b", "side")
    fixture.git("worktree", "add", "-q", "--detach", "../gone")
    rmSync(`${fixture.folder}/gone`, { recursive: true })
    const list = () => fixture.run(Effect.flatMap(GitRepository, (git) => git.worktrees))
    const linked = {
      root: `${fixture.folder}/linked`,
      gitDir: `${fixture.root}/.git/worktrees/linked`,
      branch: "refs/heads/side",
      returnsTo: null,
      operation: null,
    }
    expect(await list()).toEqual([
      {
        root: fixture.root,
        gitDir: `${fixture.root}/.git`,
        branch: "refs/heads/main",
        returnsTo: null,
        operation: null,
      },
      linked,
    ])
    expect(
      await fixture.run(
        Effect.flatMap(GitRepository, (git) => git.worktrees),
        `${fixture.folder}/linked`,
      ),
    ).toHaveLength(2)
    fixture.write({ "a.txt": "mine\n" })
    fixture.commit("mine")
    const inLinked = { cwd: `${fixture.folder}/linked` }
    writeFileSync(`${fixture.folder}/linked/a.txt`, "theirs\n")
    fixture.tryGit(["commit", "-qam", "theirs"], inLinked)
    expect(fixture.tryGit(["rebase", "-q", "main"], inLinked).exitCode).toBe(1)
    const [, rebasing] = await list()
    expect(rebasing).toEqual({ ...linked, branch: null, returnsTo: "refs/heads/side", operation: "rebase" })
    fixture.tryGit(["rebase", "--abort"], inLinked)
    expect(fixture.tryGit(["merge", "-q", "main"], inLinked).exitCode).toBe(1)
    expect((await list())[1]).toEqual({ ...linked, operation: "merge" })
  })

  test("identity: environment, else the user's configuration, else a fallback", async () => {
    const { GIT_COMMITTER_NAME: _name, GIT_COMMITTER_EMAIL: _email, ...bare } = fixture.env
    const identity = (env: Record<string, string>) => {
      const { run } = { ...fixture, run: fixture.run }
      Object.assign(fixture.env, { GIT_COMMITTER_NAME: "", GIT_COMMITTER_EMAIL: "" }, env)
      return run(Effect.flatMap(GitRepository, (git) => git.identity))
    }
    expect(await identity(bare)).toEqual({ name: "Hyperion", email: "hyperion@localhost" })
    writeFileSync(`${fixture.home}/.gitconfig`, "[user]\n name = Configured\n email = c@example.invalid\n")
    expect(await identity({})).toEqual({ name: "Configured", email: "c@example.invalid" })
    expect(await identity({ GIT_COMMITTER_NAME: "From Env" })).toEqual({
      name: "From Env",
      email: "c@example.invalid",
    })
  })
})
