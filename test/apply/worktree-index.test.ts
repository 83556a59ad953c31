import { afterEach, beforeEach, expect, test } from "bun:test"
import { lstatSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { openFolders } from "../../src/apply/folders.ts"
import type { RecordedFile } from "../../src/apply/LandingJournal.ts"
import { type FileOperations, WorktreeFiles } from "../../src/apply/WorktreeFiles.ts"
import { nextIndex, type ReadIndex, readIndex } from "../../src/apply/worktree-index.ts"
import { entriesOf, entryStat, parseIndex } from "../../src/platform/git/index-file.ts"
import { blobOid } from "../../src/platform/git/objects.ts"
import { runLive } from "../support/effect.ts"
import { type Bench, makeBench } from "./bench.ts"

let bench: Bench
let files: FileOperations
beforeEach(async () => {
  bench = makeBench()
  bench.write({ "a.txt": "a\n", "dir/b.txt": "b\n" })
  bench.commit("base")
  files = await runLive(WorktreeFiles.layer, WorktreeFiles)
})
afterEach(() => bench.remove())

const readNow = (): ReadIndex => {
  const read = readIndex(files, `${bench.root}/.git`, null)
  if (!read.ok) throw read.error
  return read.value
}

/** The sizes recorded after writing the next index; 0 makes git compare contents. */
const sizesAfter = (
  read: ReadIndex,
  recorded: readonly RecordedFile[],
  stats: Parameters<typeof nextIndex>[4],
) => {
  const folders = openFolders(files, bench.root)
  const next = parseIndex(nextIndex(files, folders, read, recorded, stats))
  folders.close()
  if (!next.ok) throw new Error(next.error)
  const { value } = next
  return ["a.txt", "dir/b.txt"].map((name) => entryStat(value, entriesOf(value, name)[0]!).size)
}

test("an entry as young as the index it is in is trusted only if it is proven unchanged", () => {
  const read = readNow()
  const { mtimeNs } = lstatSync(`${bench.root}/a.txt`, { bigint: true })
  // As when `git add` and an edit of the same size fall into one second, and we write the index in a later one.
  const young: ReadIndex = { ...read, stat: Object.assign(Object.create(read.stat), { mtimeNs }) }
  expect(sizesAfter(young, [], new Map())).toEqual([2, 2])
  writeFileSync(`${bench.root}/a.txt`, "x\n")
  expect(sizesAfter(young, [], new Map())).toEqual([0, 2])
  const old: ReadIndex = {
    ...read,
    stat: Object.assign(Object.create(read.stat), { mtimeNs: mtimeNs + 5_000_000_000n }),
  }
  expect(sizesAfter(old, [], new Map())).toEqual([2, 2])
})

test("a file replaced after we put it there is not recorded as ours", () => {
  const after = { mode: "100644", oid: blobOid(Buffer.from("n\n")) } as const
  const file: RecordedFile = { path: "a.txt", before: null, after, slot: "0", indexOnly: false }
  writeFileSync(`${bench.root}/a.txt`, "n\n")
  const staged = lstatSync(`${bench.root}/a.txt`, { bigint: true })
  const stats = new Map([["a.txt", staged]])
  expect(sizesAfter(readNow(), [file], stats)).toEqual([2, 2])
  writeFileSync(`${bench.root}/mine`, "m\n")
  renameSync(`${bench.root}/mine`, `${bench.root}/a.txt`)
  expect(sizesAfter(readNow(), [file], stats)).toEqual([0, 2])
  expect(readFileSync(`${bench.root}/a.txt`, "utf8")).toBe("m\n")
})
