import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import * as FastCheck from "effect/FastCheck"
import { blobOid, hashObject, parseCommit, serialiseCommit } from "../../src/platform/git/objects.ts"
import { byteStringToPath, pathToByteString, pathToBytes } from "../../src/platform/git/path-bytes.ts"
import {
  editTreeBody,
  findEntry,
  parseTree,
  serialiseTree,
  type TreeTarget,
} from "../../src/platform/git/tree.ts"
import { editTree } from "../../src/platform/git/tree-edit.ts"
import { type Fixture, makeFixture } from "./fixture.ts"

let fixture: Fixture
beforeAll(() => {
  fixture = makeFixture()
})
afterAll(() => fixture.remove())

const OID = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"

describe("objects", () => {
  test("a blob has the name git gives it", () => {
    for (const content of ["", "a\n", "\0\xff binary", "x".repeat(70_000)]) {
      const { stdout } = fixture.tryGit(["hash-object", "--stdin"], { stdin: content })
      expect(blobOid(Buffer.from(content))).toBe(stdout.toString().trim())
    }
  })

  test("a commit has the name git gives it, and reads back", () => {
    const tree = fixture.tryGit(["mktree"], { stdin: "" }).stdout.toString().trim()
    const parent = fixture.git("commit-tree", tree, "-m", "root")
    const oid = fixture.git("commit-tree", tree, "-p", parent, "-m", "Subject é", "-m", "Body")
    const who = { name: "A Person", email: "person@example.invalid", seconds: 1_700_000_000, offset: "+0100" }
    const commit = { tree, parents: [parent], author: who, committer: who, message: "Subject é\n\nBody\n" }
    const body = serialiseCommit(commit)
    expect(hashObject("commit", body)).toBe(oid)
    expect(parseCommit(body)).toEqual(commit)
  })

  test("an identity cannot forge a header", () => {
    const who = { name: "Eve <x>\nparent 0", email: "e>\n", seconds: 1, offset: "+0000" }
    const body = serialiseCommit({ tree: OID, parents: [], author: who, committer: who, message: "m\n\0" })
    expect(Buffer.from(body).toString()).toBe(
      `tree ${OID}\nauthor Eve xparent 0 <e> 1 +0000\ncommitter Eve xparent 0 <e> 1 +0000\n\nm\n`,
    )
  })
})

test("a path and its bytes map both ways, bytes that are not UTF-8 included", () => {
  FastCheck.assert(
    FastCheck.property(FastCheck.uint8Array({ minLength: 1, maxLength: 12 }), (bytes) => {
      const path = byteStringToPath(Buffer.from(bytes).toString("latin1"))
      expect(pathToBytes(path)).toEqual(Buffer.from(bytes))
      expect(pathToByteString(path)).toBe(Buffer.from(bytes).toString("latin1"))
    }),
  )
  FastCheck.assert(
    FastCheck.property(FastCheck.string({ unit: "grapheme" }), (path) => {
      expect(byteStringToPath(pathToByteString(path))).toBe(path)
    }),
  )
})

const name = FastCheck.stringMatching(/^[a-c.\-0]{1,3}$/).filter((text) => text !== "." && text !== "..")
const target = FastCheck.constantFrom<TreeTarget>(
  { mode: "100644", oid: OID },
  { mode: "100755", oid: OID },
  { mode: "40000", oid: "4b825dc642cb6eb9a060e54bf8d69288fbee4904" },
)

describe("trees", () => {
  test("editing a body gives what serialising the edited entries gives, in git's order", () => {
    const table = FastCheck.array(FastCheck.tuple(name, target), { maxLength: 12 })
    const edits = FastCheck.array(FastCheck.tuple(name, FastCheck.option(target)), { maxLength: 8 })
    FastCheck.assert(
      FastCheck.property(table, edits, (before, changes) => {
        const files = new Map(before)
        const body = serialiseTree(Array.from(files, ([key, value]) => ({ name: key, ...value })))
        const edited = editTreeBody(body, new Map(changes))
        for (const [key, value] of new Map(changes)) {
          if (value) files.set(key, value)
          else files.delete(key)
        }
        expect(edited).toEqual(serialiseTree(Array.from(files, ([key, value]) => ({ name: key, ...value }))))
        const keys = parseTree(edited)!.map((entry) => entry.name + (entry.mode === "40000" ? "/" : ""))
        expect(keys).toEqual(keys.toSorted())
        for (const [key, value] of files) expect(findEntry(edited, key)).toMatchObject(value)
      }),
    )
  })

  test("untouched entries keep their bytes, odd modes of old repositories included", () => {
    const entry = (mode: string, of: string) =>
      Buffer.concat([Buffer.from(`${mode} ${of}\0`), Buffer.from(OID, "hex")])
    const body = Buffer.concat([entry("100664", "a"), entry("100644", "b")])
    const edited = editTreeBody(body, new Map([["b", null]]))
    expect(edited).toEqual(entry("100664", "a"))
    expect(findEntry(edited, "a")).toMatchObject({ mode: "100644" })
  })

  test("a malformed body is no tree", () => {
    expect(parseTree(Buffer.from("100644 a\0short"))).toBeNull()
  })
})

const EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
const blob = { mode: "100644", oid: OID } as const

/** Trees made so far, so that edits can follow each other without a store. */
const makeForest = () => {
  const bodies = new Map<string, Uint8Array>()
  return (root: string, effects: ReadonlyMap<string, typeof blob | null>) => {
    const edited = editTree(root, effects, (oid) => bodies.get(oid))
    if (edited.ok) for (const tree of edited.value.trees) bodies.set(tree.oid, tree.body)
    return edited
  }
}

describe("editing a tree", () => {
  test("gives the tree git write-tree gives", () => {
    const part = FastCheck.constantFrom("a", "b", "a.b", "a-b", "é", "z")
    const path = FastCheck.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"))
    const effects = FastCheck.array(FastCheck.tuple(path, FastCheck.boolean()), {
      minLength: 1,
      maxLength: 8,
    })
    const edit = makeForest()
    const index = { GIT_INDEX_FILE: `${fixture.folder}/scratch-index` }
    FastCheck.assert(
      FastCheck.property(FastCheck.array(effects, { minLength: 1, maxLength: 3 }), (rounds) => {
        let root = EMPTY
        const files = new Set<string>()
        for (const round of rounds) {
          const wanted = new Map<string, typeof blob | null>()
          for (const [at, remove] of round) wanted.set(at, remove ? null : blob)
          const edited = edit(root, wanted)
          if (!edited.ok) continue
          root = edited.value.root
          for (const [at, value] of wanted) {
            if (value) files.add(at)
            else files.delete(at)
          }
        }
        fixture.tryGit(["read-tree", "--empty"], { env: index })
        const stdin = Array.from(files, (file) => `100644 ${OID}\t${file}\0`).join("")
        fixture.tryGit(["update-index", "-z", "--index-info"], { env: index, stdin })
        const { stdout } = fixture.tryGit(["write-tree", "--missing-ok"], { env: index })
        expect(root).toBe(stdout.toString().trim())
      }),
      { numRuns: 40 },
    )
  })

  test("file and directory cannot share a name; removing what is absent is refused", () => {
    const edit = makeForest()
    const made = edit(
      EMPTY,
      new Map([
        ["d/f", blob],
        ["g", blob],
      ]),
    )
    if (!made.ok) throw new Error("not made")
    const problem = (effects: readonly (readonly [string, typeof blob | null])[]) => {
      const edited = edit(made.value.root, new Map(effects))
      return edited.ok ? null : edited.error
    }
    expect(problem([["d", blob]])).toEqual({ kind: "directory_in_the_way", path: "d" })
    expect(problem([["d", null]])).toEqual({ kind: "directory_in_the_way", path: "d" })
    expect(problem([["g/x", blob]])).toEqual({ kind: "file_in_the_way", path: "g" })
    expect(problem([["d/none", null]])).toEqual({ kind: "absent", path: "d/none" })
    expect(problem([["none/x", null]])).toEqual({ kind: "absent", path: "none/x" })
    expect(
      problem([
        ["new", blob],
        ["new/x", blob],
      ]),
    ).toEqual({ kind: "directory_in_the_way", path: "new" })
    expect(
      problem([
        ["d", blob],
        ["d/f", null],
      ]),
    ).toBeNull()
    expect(
      problem([
        ["g", null],
        ["g/x", blob],
      ]),
    ).toBeNull()
    const missing = editTree("1".repeat(40), new Map([["a", blob]]), () => undefined)
    expect(missing).toEqual({ ok: false, error: { kind: "tree_missing", oid: "1".repeat(40), path: "" } })
  })
})
