import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { lstatSync, readFileSync, writeFileSync } from "node:fs"
import {
  collidingEntry,
  editIndex,
  entriesOf,
  type GitIndex,
  type IndexTarget,
  parseIndex,
} from "../../src/platform/git/index-file.ts"
import { blobOid } from "../../src/platform/git/objects.ts"
import { type Fixture, makeFixture } from "./fixture.ts"

let fixture: Fixture
beforeEach(() => {
  fixture = makeFixture()
  fixture.write({
    "a.txt": "a\n",
    "dir/b.txt": "b\n",
    "dir/sub/c.txt": "c\n",
    "é.txt": "e\n",
    "other/d.txt": "d\n",
  })
  fixture.commit("base")
})
afterEach(() => fixture.remove())

const read = (): GitIndex => {
  const parsed = parseIndex(readFileSync(`${fixture.root}/.git/index`))
  if (!parsed.ok) throw new Error(parsed.error)
  return parsed.value
}

const listing = () => fixture.git("ls-files", "--stage")

const onDisk = (path: string): IndexTarget => ({
  mode: "100644",
  oid: blobOid(readFileSync(`${fixture.root}/${path}`)),
  stat: lstatSync(`${fixture.root}/${path}`, { bigint: true }),
  skipWorktree: false,
})

for (const version of ["2", "3", "4"]) {
  test(`version ${version}: an edit equals git's own, with nothing left to refresh`, () => {
    // An intent-to-add entry is what makes git write version 3.
    if (version === "3") {
      fixture.write({ wanted: "w\n" })
      fixture.git("add", "-N", "wanted")
    }
    if (version === "4") fixture.git("update-index", "--index-version", "4")
    fixture.write({ "a.txt": "changed\n", "dir/new.txt": "n\n", "dir/sub-2/x": "x\n", zz: "z\n" })
    const index = read()
    expect(index.version).toBe(Number(version))
    const edits = new Map<string, IndexTarget | null>([["other/d.txt", null]])
    for (const path of ["a.txt", "dir/new.txt", "dir/sub-2/x", "zz"]) edits.set(path, onDisk(path))
    const edited = editIndex(index, edits, new Set())
    fixture.git("add", "a.txt", "dir", "zz")
    fixture.git("rm", "-q", "--cached", "other/d.txt")
    const wanted = listing()
    writeFileSync(`${fixture.root}/.git/index`, edited)
    expect(listing()).toBe(wanted)
    expect(fixture.git("diff-files", "--name-only")).toBe(version === "3" ? "wanted" : "")
    expect(fixture.git("fsck", "--strict")).toBe("")
    expect(read().version).toBe(Number(version))
    expect(entriesOf(read(), "other/d.txt")).toEqual([])
  })
}

describe("what the index keeps", () => {
  test("cached trees survive except on the way to an edit", () => {
    fixture.git("write-tree")
    fixture.write({ "dir/b.txt": "changed\n" })
    fixture.git("hash-object", "-w", "dir/b.txt")
    const edited = editIndex(read(), new Map([["dir/b.txt", onDisk("dir/b.txt")]]), new Set())
    writeFileSync(`${fixture.root}/.git/index`, edited)
    // The tree git computes from what it still trusts is the tree of the files.
    const tree = fixture.git("write-tree")
    fixture.git("read-tree", "--empty")
    fixture.git("add", "-A")
    expect(fixture.git("write-tree")).toBe(tree)
    const kept = edited.indexOf("TREE")
    expect(kept).toBeGreaterThan(0)
    expect(edited.includes(Buffer.from("other\0" + "1 0\n"), kept)).toBe(true)
    expect(edited.includes(Buffer.from("dir\0" + "-1 1\n"), kept)).toBe(true)
  })

  test("a doubtful entry is compared by content at git's next look", () => {
    const index = read()
    writeFileSync(`${fixture.root}/.git/index`, editIndex(index, new Map(), new Set(["a.txt"])))
    expect(fixture.git("diff-files", "--name-only")).toBe("a.txt")
    expect(fixture.git("status", "--porcelain")).toBe("")
    expect(fixture.git("diff-files", "--name-only")).toBe("")
  })

  test("skip-worktree stays on", () => {
    fixture.git("update-index", "--skip-worktree", "a.txt")
    const [entry] = entriesOf(read(), "a.txt")
    expect(entry).toMatchObject({ skipWorktree: true, stage: 0 })
    const target: IndexTarget = { mode: "100755", oid: entry!.oid, stat: null, skipWorktree: true }
    writeFileSync(`${fixture.root}/.git/index`, editIndex(read(), new Map([["a.txt", target]]), new Set()))
    expect(fixture.git("ls-files", "-v", "a.txt")).toBe("S a.txt")
  })
})

describe("what cannot be handled is said", () => {
  test("a split index, a sparse index, damage", () => {
    fixture.git("update-index", "--split-index")
    expect(parseIndex(readFileSync(`${fixture.root}/.git/index`))).toEqual({
      ok: false,
      error: "split index",
    })
    fixture.git("update-index", "--no-split-index")
    const bytes = readFileSync(`${fixture.root}/.git/index`)
    bytes[80]! ^= 1
    expect(parseIndex(bytes)).toEqual({ ok: false, error: "damaged index" })
    expect(parseIndex(Buffer.alloc(10))).toEqual({ ok: false, error: "damaged index" })
    fixture.git("sparse-checkout", "init", "--cone", "--sparse-index")
    expect(parseIndex(readFileSync(`${fixture.root}/.git/index`))).toEqual({
      ok: false,
      error: "sparse index",
    })
  })

  test("entries that cannot stand beside a new file", () => {
    const index = read()
    const none = () => false
    expect(collidingEntry(index, "a.txt/x", none)).toBe("a.txt")
    expect(collidingEntry(index, "a.txt/x", (name) => name === "a.txt")).toBeNull()
    expect(collidingEntry(index, "dir", none)).toBe("dir/b.txt")
    expect(collidingEntry(index, "dir", (name) => name === "dir/b.txt")).toBe("dir/sub/c.txt")
    expect(collidingEntry(index, "dir/new", none)).toBeNull()
  })
})
