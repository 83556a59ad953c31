import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { ChangeRequest, payloadBytes } from "../../src/domain/change-request.ts"
import { parseDocument } from "../../src/domain/parse-document.ts"
import {
  type ProposeWorktreeInput,
  proposeWorktree,
  type WorktreeProposal,
} from "../../src/intake/propose-worktree.ts"
import { discover } from "../../src/platform/git/layout.ts"
import { type Fixture, makeFixture } from "../git/fixture.ts"

let fixture: Fixture
beforeEach(() => {
  fixture = makeFixture()
  fixture.write({ "a.txt": "one\ntwo\n", "b.txt": "b\n", "dir/c.txt": "c\n", ".gitignore": "*.log\n" })
  fixture.commit("base")
})
afterEach(() => fixture.remove())

const layoutOf = (root: string) => {
  const found = discover(root)
  if (!found.ok) throw found.error
  return found.value
}
const input = (over: Partial<ProposeWorktreeInput> = {}): ProposeWorktreeInput => ({
  layout: layoutOf(fixture.root),
  env: fixture.env,
  agent: "Ada",
  ...over,
})
const propose = (over: Partial<ProposeWorktreeInput> = {}) => fixture.run(proposeWorktree(input(over)))
const proposed = async (over: Partial<ProposeWorktreeInput> = {}): Promise<WorktreeProposal> => {
  const proposal = await propose(over)
  if (proposal === null) throw new Error("nothing to propose")
  return proposal
}
const refused = (over: Partial<ProposeWorktreeInput> = {}) =>
  fixture.run(Effect.flip(proposeWorktree(input(over))))
const operations = ({ change_request }: WorktreeProposal) =>
  change_request.changes.map(({ operation, path }) => `${operation} ${path}`)
const at = (path: string) => join(fixture.root, path)

/** The tree `git apply` makes of the proposal on its base, in an index of its own. */
const applied = ({ base, change_request }: WorktreeProposal): string => {
  const env = { GIT_INDEX_FILE: join(fixture.folder, "check.index") }
  const run = (args: readonly string[], stdin?: Uint8Array) => {
    const done = fixture.tryGit(args, { env, ...(stdin === undefined ? {} : { stdin }) })
    if (done.exitCode !== 0) throw new Error(done.stderr)
    return done.stdout.toString().trim()
  }
  run(base === null ? ["read-tree", "--empty"] : ["read-tree", base])
  run(["apply", "--cached", "-"], Buffer.concat(change_request.changes.map((one) => payloadBytes(one)!)))
  return run(["write-tree"])
}
/** What `git add -A` and a commit would hold. */
const committed = (): string => {
  fixture.git("add", "-A")
  return fixture.git("write-tree").trim()
}

describe("edits of a working tree", () => {
  test("nothing to propose", async () => {
    expect(await propose()).toBeNull()
    fixture.write({ "noise.log": "ignored\n" })
    writeFileSync(at("a.txt"), "one\ntwo\n")
    expect(await propose()).toBeNull()
  })

  test("staged, unstaged, new, deleted, renamed, mode, link: one change request over what the files hold", async () => {
    fixture.write({ "a.txt": "one\n2\n", "new/file.txt": "new\n", "noise.log": "ignored\n" })
    fixture.write({ "b.txt": "staged\n" })
    fixture.git("add", "b.txt")
    fixture.write({ "b.txt": "edited after staging\n" })
    fixture.git("mv", "dir/c.txt", "moved.txt")
    writeFileSync(at("run"), "#!/bin/sh\n")
    chmodSync(at("run"), 0o755)
    symlinkSync("a.txt", at("link"))
    const before = statSync(at(".git/index"), { bigint: true })
    const proposal = await proposed({ intent: " tidy up " })
    const after = statSync(at(".git/index"), { bigint: true })
    expect([after.mtimeNs, after.ino]).toEqual([before.mtimeNs, before.ino])
    expect(operations(proposal)).toEqual([
      "update a.txt",
      "update b.txt",
      "delete dir/c.txt",
      "add link",
      "add moved.txt",
      "add new/file.txt",
      "add run",
    ])
    expect(proposal.change_request).toMatchObject({
      agent: "Ada",
      task_id: `worktree-${proposal.tree.slice(0, 12)}`,
      base_revision: fixture.git("rev-parse", "HEAD").trim(),
      metadata: { intent: "tidy up", telemetry_anchors: ["propose"] },
    })
    expect(proposal.change_request.provenance).toBeUndefined()
    expect(parseDocument(ChangeRequest, JSON.parse(JSON.stringify(proposal.change_request))).ok).toBe(true)
    expect(applied(proposal)).toBe(proposal.tree)
    expect(committed()).toBe(proposal.tree)
  })

  test("a file becomes a folder and a folder a file", async () => {
    rmSync(at("a.txt"))
    rmSync(at("dir"), { recursive: true })
    fixture.write({ "a.txt/inside": "x\n", dir: "now a file\n" })
    const proposal = await proposed()
    expect(operations(proposal).toSorted()).toEqual([
      "add a.txt/inside",
      "add dir",
      "delete a.txt",
      "delete dir/c.txt",
    ])
    expect(applied(proposal)).toBe(proposal.tree)
    expect(committed()).toBe(proposal.tree)
  })

  test("the same edits are the same work, other edits are other work", async () => {
    fixture.write({ "a.txt": "2\n" })
    const first = await proposed()
    expect(await proposed()).toEqual(first)
    expect(first.change_request.metadata.intent).toBe('Edit "a.txt"')
    fixture.write({ "a.txt": "3\n", "b.txt": "3\n" })
    const second = await proposed()
    expect(second.change_request.task_id).not.toBe(first.change_request.task_id)
    expect(second.change_request.metadata.intent).toBe('Edit "a.txt" and 1 more')
  })

  test("a linked worktree has its own edits and its own HEAD", async () => {
    const linked = join(fixture.folder, "linked")
    fixture.git("worktree", "add", "-q", "-b", "side", linked)
    fixture.write({ "a.txt": "main\n" })
    writeFileSync(join(linked, "b.txt"), "linked\n")
    expect(operations(await proposed({ layout: layoutOf(linked) }))).toEqual(["update b.txt"])
    expect(operations(await proposed())).toEqual(["update a.txt"])
  })

  test("a branch without a commit", async () => {
    fixture.git("checkout", "-q", "--orphan", "fresh")
    const proposal = await proposed()
    expect(proposal.base).toBeNull()
    expect(proposal.change_request.base_revision).toBeUndefined()
    expect(operations(proposal)).toEqual(["add .gitignore", "add a.txt", "add b.txt", "add dir/c.txt"])
    expect(applied(proposal)).toBe(proposal.tree)
  })

  test("what the operator ignores is ignored, wherever it is said", async () => {
    fixture.write({ one: "1\n", two: "2\n", three: "3\n", ".hyperion/hyperion.db": "state\n" })
    writeFileSync(at(".git/info/exclude"), "one\n")
    mkdirSync(join(fixture.home, ".config/git"), { recursive: true })
    writeFileSync(join(fixture.home, ".config/git/ignore"), "two\n")
    expect(operations(await proposed())).toEqual(["add three"])
    writeFileSync(join(fixture.home, "excludes"), "three\n")
    fixture.git("config", "core.excludesFile", "~/excludes")
    expect(operations(await proposed())).toEqual(["add two"])
  })

  test("files a sparse checkout leaves out are not deleted", async () => {
    fixture.git("update-index", "--skip-worktree", "b.txt")
    rmSync(at("b.txt"))
    expect(await propose()).toBeNull()
  })

  test("a repository below is left out and named", async () => {
    mkdirSync(at("below"))
    fixture.tryGit(["init", "-q"], { cwd: at("below") })
    writeFileSync(at("below/file"), "x\n")
    fixture.write({ "a.txt": "2\n" })
    const proposal = await proposed()
    expect(operations(proposal)).toEqual(["update a.txt"])
    expect(proposal.repositories).toEqual(["below/"])
  })
})

describe("safety", () => {
  test("no filter, hook or monitor of the repository runs", async () => {
    const ran = join(fixture.folder, "ran")
    const program = `sh -c "touch '${ran}'; cat"`
    for (const key of ["filter.evil.clean", "filter.evil.smudge", "core.fsmonitor", "diff.external"])
      fixture.git("config", key, program)
    mkdirSync(at(".git/hooks"), { recursive: true })
    for (const hook of ["post-index-change", "pre-commit"]) {
      writeFileSync(at(`.git/hooks/${hook}`), `#!/bin/sh\ntouch '${ran}'\n`)
      chmodSync(at(`.git/hooks/${hook}`), 0o755)
    }
    writeFileSync(at(".git/info/attributes"), "b.txt filter=evil\n")
    fixture.write({ "a.txt": "2\n" })
    expect(operations(await proposed())).toEqual(["update a.txt"])
    expect(existsSync(ran)).toBe(false)
    fixture.write({ "b.txt": "filtered\n" })
    const error = await refused()
    expect(error).toMatchObject({ reason: "attribute_unsupported" })
    expect(error.message).toContain('"b.txt"')
    expect(existsSync(ran)).toBe(false)
  })

  test("bytes that git would convert are refused, not proposed wrong", async () => {
    fixture.write({ ".gitattributes": "*.txt text eol=crlf\n", "a.txt": "one\r\n2\r\n" })
    expect(await refused()).toMatchObject({ reason: "attribute_unsupported" })
  })

  test("a bare repository has no working tree", async () => {
    const bare = join(fixture.folder, "bare.git")
    fixture.git("clone", "-q", "--bare", fixture.root, bare)
    expect(await refused({ layout: layoutOf(bare) })).toMatchObject({ reason: "no_worktree" })
  })

  test("nothing is left behind in the repository", async () => {
    fixture.write({ "a.txt": "2\n" })
    const objects = fixture.git("count-objects")
    const { change_request } = await proposed()
    expect(fixture.git("count-objects")).toBe(objects)
    expect(fixture.git("status", "--porcelain").trim()).toBe("M a.txt")
    expect(readFileSync(at("a.txt"), "utf8")).toBe("2\n")
    expect(change_request.changes).toHaveLength(1)
  })
})
