import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type * as Effect from "effect/Effect"
import * as v from "valibot"
import { FileModification } from "../../src/domain/records.ts"
import { cleanup } from "../../src/operations/cleanup.ts"
import { modificationLooks, modifications } from "../../src/operations/modifications.ts"
import {
  dropModifications,
  hasOldModifications,
  modificationsSince,
  putModifications,
} from "../../src/telemetry/modifications.ts"
import { START } from "../support/effect.ts"
import { DAY } from "../support/queue.ts"
import { changeOf, requestOf } from "../support/workspace.ts"
import { openProcess, openWorkshop, type Process, type Workshop } from "../worker/workshop.ts"

let shop: Workshop
beforeEach(async () => {
  shop = await openWorkshop({
    files: { "a.txt": "a\n", "dir/b.txt": "b\n", "dir/c.txt": "c\n", ".gitignore": "/out/\n*.log\n" },
  })
})
afterEach(async () => {
  await shop.dispose()
  shop.remove()
})

type Looks = NonNullable<Effect.Effect.Success<typeof modificationLooks>>
const looking = async (process: Process = shop): Promise<() => Promise<number>> => {
  const { look } = (await process.run(modificationLooks)) as Looks
  return () => process.run(look())
}
const recorded = async (): Promise<readonly string[]> => {
  const rows = await shop.run(modifications(undefined, 10_000))
  for (const row of rows) expect(v.is(FileModification, row)).toBe(true)
  return rows.map(({ event, source, path }) => `${event} ${source} ${path}`)
}
const commits = () => shop.query((db) => db.query("SELECT total_changes() AS n").get())

describe("what changes in the working tree", () => {
  test("is recorded by what happened to each file, and once", async () => {
    const look = await looking()
    shop.write({ "a.txt": "A\n", "dir/b.txt": null, "new/deep/d.txt": "d\n" })
    chmodSync(join(shop.root, "dir/c.txt"), 0o755)
    symlinkSync("a.txt", join(shop.root, "link"))
    expect(await look()).toBe(5)
    expect((await recorded()).toSorted()).toEqual([
      "added foreign link",
      "added foreign new/deep/d.txt",
      "deleted foreign dir/b.txt",
      "modified foreign a.txt",
      "modified foreign dir/c.txt",
    ])
    expect(await look()).toBe(0)
    shop.write({ "new/deep/d.txt": "dd\n", "dir/b.txt": "back\n" })
    rmSync(join(shop.root, "link"))
    await look()
    expect((await recorded()).slice(5).toSorted()).toEqual([
      "added foreign dir/b.txt",
      "deleted foreign link",
      "modified foreign new/deep/d.txt",
    ])
  })

  test("a folder that is moved away and back", async () => {
    const look = await looking()
    renameSync(join(shop.root, "dir"), join(shop.root, "moved"))
    await look()
    renameSync(join(shop.root, "moved"), join(shop.root, "dir"))
    await look()
    const rows = await recorded()
    expect(rows.filter((row) => row.startsWith("deleted")).length).toBe(4)
    expect(rows.filter((row) => row.startsWith("added")).length).toBe(4)
  })

  test("the same size in the same millisecond is seen all the same", async () => {
    const look = await looking()
    const file = join(shop.root, "a.txt")
    writeFileSync(file, "b\n")
    utimesSync(file, 1, 1)
    await look()
    writeFileSync(file, "c\n")
    utimesSync(file, 1, 1)
    expect(await look()).toBe(1)
  })
})

describe("nobody hears of", () => {
  test("a tree in which nothing happens: nothing is written", async () => {
    const look = await looking()
    const before = await commits()
    for (let n = 0; n < 5; n++) expect(await look()).toBe(0)
    expect(await commits()).toEqual(before)
  })

  test("what was there before, what git ignores, and what is git's or ours", async () => {
    shop.write({ "untracked.txt": "u\n", "out/old.txt": "o\n", "x.log": "l\n" })
    const look = await looking()
    shop.write({
      "out/new.txt": "o\n",
      "y.log": "l\n",
      "x.log": "ll\n",
      "execution/report.json": "{}",
      "taskjson/x.json": "{}",
      "plans/p.json": "{}",
      ".hyperion/logs/x": "x",
    })
    mkdirSync(join(shop.root, "other/.git"), { recursive: true })
    shop.write({ "other/file.txt": "theirs\n" })
    shop.git("branch", "side")
    expect(await look()).toBe(0)
    expect(await recorded()).toEqual([])
    // What is ignored no longer is news.
    shop.write({ ".gitignore": "*.log\n" })
    await look()
    await look()
    expect((await recorded()).toSorted()).toEqual([
      "added foreign out/new.txt",
      "added foreign out/old.txt",
      "modified foreign .gitignore",
    ])
  })
})

describe("who wrote it", () => {
  test("a landing's own files are told from those of others", async () => {
    const look = await looking()
    const [id] = await shop.enqueue([
      {
        ...requestOf("one", { "one.txt": "1\n", "dir/b.txt": null }),
        changes: [
          changeOf("one.txt", "1\n"),
          changeOf("dir/b.txt", null),
          changeOf("a.txt", "A\n", "update"),
        ],
      },
    ])
    await shop.drain()
    shop.write({ "dir/c.txt": "theirs\n" })
    await look()
    expect((await recorded()).toSorted()).toEqual([
      "added landing one.txt",
      "deleted landing dir/b.txt",
      "modified foreign dir/c.txt",
      "modified landing a.txt",
    ])
    const rows = await shop.run(modifications(undefined, 10))
    for (const row of rows.filter(({ source }) => source === "landing"))
      expect(row.details).toMatchObject({ entry_id: id })
  })

  test("a landed file that somebody has written to since is theirs", async () => {
    const look = await looking()
    await shop.enqueue([requestOf("one", { "one.txt": "1\n" })])
    await shop.drain()
    shop.write({ "one.txt": "mine\n" })
    await look()
    expect(await recorded()).toEqual(["added foreign one.txt"])
  })

  test("a landing that was long ago explains nothing", async () => {
    await shop.enqueue([requestOf("one", { "one.txt": "1\n" })])
    await shop.drain()
    const look = await looking()
    rmSync(join(shop.root, "one.txt"))
    await look()
    shop.write({ "one.txt": "1\n" })
    await look()
    expect(await recorded()).toEqual(["deleted foreign one.txt", "added foreign one.txt"])
  })
})

describe("bounds", () => {
  test("two workers record a change once", async () => {
    const other = await openProcess(shop.repository)
    const [mine, theirs] = [await looking(), await looking(other)]
    shop.write({ "a.txt": "A\n" })
    expect([await mine(), await theirs()]).toEqual([1, 1])
    rmSync(join(shop.root, "a.txt"))
    await theirs()
    await mine()
    expect(await recorded()).toEqual(["modified foreign a.txt", "deleted foreign a.txt"])
    await other.dispose()
  })

  test("a flood is cut, and says by how much", async () => {
    const look = await looking()
    for (let n = 0; n < 1_010; n++) writeFileSync(join(shop.root, `f${n}`), "x")
    expect(await look()).toBe(1_010)
    const rows = await shop.run(modifications(undefined, 10_000))
    expect(rows).toHaveLength(1_000)
    expect(rows.at(-1)!.details).toEqual({ more: 10 })
  })

  test("old rows, and more than are kept, go with the cleanup; the newest stay", async () => {
    const row = (n: number) => ({
      path: `f${n}`,
      event: "added" as const,
      source: "foreign" as const,
      stamp: String(n),
      details: {},
    })
    const at = START
    await shop.query((db) => putModifications(db, [row(-1), row(0)], at - 400 * DAY))
    await shop.run(cleanup({ ttlSeconds: undefined, dryRun: false }))
    expect(await recorded()).toEqual([])
    const kept = await shop.query((db) => {
      db.transaction(() =>
        putModifications(
          db,
          Array.from({ length: 10_150 }, (_, n) => row(n)),
          at,
        ),
      )()
      expect(hasOldModifications(db, at)).toBe(true)
      const more = [dropModifications(db, at), dropModifications(db, at)]
      expect([more, hasOldModifications(db, at)]).toEqual([[true, false], false])
      return modificationsSince(db, 0, 20_000)
    })
    expect(kept).toHaveLength(10_000)
    expect([kept[0]!.path, kept.at(-1)!.path]).toEqual(["f150", "f10149"])
  })
})
