import { afterEach, describe, expect, test } from "bun:test"
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { filesReplayLayer, replayLayer } from "../../src/app-log.ts"
import { queueDigest, type ReplayOptions, replay } from "../../src/operations/replay.ts"
import { shipLog } from "../../src/operations/ship.ts"
import { Database } from "../../src/platform/Database.ts"
import { workspaceAt } from "../../src/platform/Workspace.ts"
import { runLive } from "../support/effect.ts"
import { OPEN_POLICY, requestOf } from "../support/workspace.ts"
import { findFaults, openWorkshop, type Workshop, type WorkshopOptions } from "../worker/workshop.ts"
import { lineChange, TEXT, tamper, textWith, withLog } from "./landed.ts"

let shop: Workshop
const open = async (options: WorkshopOptions = {}) => {
  shop = await openWorkshop({ files: { "a.txt": "a\n", "text.txt": TEXT, "bin.dat": "x\0y" }, ...options })
}
afterEach(() => shop.remove())

const target = () => join(shop.outside, "again")
/** In a process of its own: the one that works on the queue goes on meanwhile. */
const replayed = (options: Partial<ReplayOptions> = {}) =>
  runLive(
    replayLayer(workspaceAt(shop.root), shop.env),
    replay({ to: target(), until: undefined, from: undefined, ...options }),
  )
const segments = () => join(shop.outside, "segments")
const replayedFiles = (options: Partial<ReplayOptions> = {}) =>
  runLive(
    filesReplayLayer(shop.env, shop.outside),
    replay({ to: target(), until: undefined, from: segments(), ...options }),
  )
const git = (...args: string[]) => {
  const done = Bun.spawnSync(["git", ...args], { cwd: target(), env: shop.env })
  if (done.exitCode !== 0) throw new Error(done.stderr.toString())
  return done.stdout.toString().trimEnd()
}
const landedTrees = () => shop.git("log", "--reverse", "--format=%T", "main").split("\n")
const replayedTrees = () => git("log", "--reverse", "--format=%T").split("\n")
const digest = () => shop.run(Effect.flatMap(Database, queueDigest))

/** Landings of every kind, people's commits in between, and entries in many states. */
const busyShop = async () => {
  await open({
    policy: { landing: { branch: "main" }, approvals: { required: 0, presence: "none", unattended: true } },
  })
  await shop.enqueue([lineChange("one", 1, "ONE"), requestOf("two", { "new/file.txt": "n\n" })])
  await shop.drain()
  shop.commit("by hand", {
    "text.txt": textWith({ 1: "ONE", 6: "HAND" }),
    "bin.dat": null,
    "more.bin": "\0\x01",
  })
  shop.commit("by hand too", { "a.txt": "aa\n" })
  await shop.enqueue([
    lineChange("three", 10, "TEN"),
    requestOf("noop", { "new/file.txt": "n\n" }),
    requestOf("wrong", { "a.txt": "another\n" }),
    requestOf("sensitive", { "package.json": "{}\n" }),
  ])
  await shop.drain()
  await shop.enqueue([
    requestOf("waiting", { "w.txt": "w\n" }),
    requestOf("behind", { "z.txt": "z\n" }, { depends_on: ["waiting"] }),
  ])
}

describe("a queue and its tree, from the log alone", () => {
  test("every landed tree is that of its receipt, people's commits are adopted, the queue is the same", async () => {
    await busyShop()
    const report = await replayed()
    expect(report).toMatchObject({ entries: 8, from_git: 0, queue_digest: await digest() })
    expect(report.trees).toBe(report.landings)
    // The two commits by hand are one step here; all else is tree by tree the same.
    const original = landedTrees()
    expect(replayedTrees()).toEqual(original.filter((_, index) => index !== 3))
    expect(report.tip_tree).toBe(original.at(-1)!)
    expect(git("fsck", "--strict", "--no-dangling", "--no-progress")).toBe("")
    expect(git("status", "--porcelain")).toBe("")
    expect(readFileSync(join(target(), "text.txt"), "utf8")).toBe(shop.read("text.txt")!)
    expect(await findFaults(shop)).toEqual([])
  })

  test("without any repository at all", async () => {
    await busyShop()
    const [trees, expected] = [landedTrees(), await digest()]
    await shop.dispose()
    rmSync(join(shop.root, ".git"), { recursive: true })
    const report = await replayed()
    expect(report).toMatchObject({ from_git: 0, queue_digest: expected })
    expect(replayedTrees().at(-1)).toBe(trees.at(-1)!)
  })

  test("the rebuilt queue goes on where the log stopped", async () => {
    await busyShop()
    await replayed()
    const again = await runLive(
      replayLayer(workspaceAt(target()), shop.env),
      Effect.flatMap(Database, (database) =>
        database.read((db) =>
          db
            .query<object, []>(
              "SELECT task_id, request_id, state, blockers, attempts, expires_at, generation FROM entry ORDER BY id",
            )
            .all(),
        ),
      ),
    )
    const before = await shop.query((db) =>
      db
        .query<object, []>(
          "SELECT task_id, request_id, state, blockers, attempts, expires_at, generation FROM entry ORDER BY id",
        )
        .all(),
    )
    expect(again).toEqual(before)
  })

  test("a branch that was unborn begins with nothing", async () => {
    await open({ files: {} })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    await shop.drain()
    expect(await replayed()).toMatchObject({ trees: 1, foreign: 0 })
    expect(replayedTrees()).toEqual(landedTrees())
  })

  test("of a workspace whose landings are not committed", async () => {
    await open({ policy: { ...OPEN_POLICY, landing: { mode: "worktree", branch: "main" } } })
    await shop.enqueue([lineChange("one", 1, "ONE")])
    await shop.drain()
    shop.write({ "text.txt": textWith({ 1: "ONE", 8: "HAND" }) })
    await shop.enqueue([requestOf("two", { "b.txt": "b\n" })])
    await shop.drain()
    expect(await replayed()).toMatchObject({ trees: 2, foreign: 2, from_git: 0 })
    expect(readFileSync(join(target(), "text.txt"), "utf8")).toBe(textWith({ 1: "ONE", 8: "HAND" }))
    expect(readFileSync(join(target(), "b.txt"), "utf8")).toBe("b\n")
  })

  test("up to a row: the tree and the queue as they were then", async () => {
    await busyShop()
    const { seq } = (await shop.query((db) =>
      db
        .query<{ seq: number }, []>("SELECT seq FROM audit WHERE event = 'applied' ORDER BY seq LIMIT 1")
        .get(),
    ))!
    const report = await replayed({ until: seq })
    expect(report).toMatchObject({ rows: seq, landings: 1, trees: 1, entries: 2 })
    expect(report.tip_tree).toBe(landedTrees()[1]!)
  })

  test("a base too large to be stored is taken from the repository, and missed without one", async () => {
    await open()
    shop.commit("large", { "large.bin": "0123456789abcdef".repeat((65 * 1024 * 1024) / 16) })
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    await shop.drain()
    expect(await replayed()).toMatchObject({ trees: 1, from_git: 1 })
    expect(replayedTrees().at(-1)).toBe(landedTrees().at(-1)!)
    await shop.dispose()
    rmSync(join(shop.root, ".git"), { recursive: true })
    rmSync(target(), { recursive: true })
    await expect(replayed()).rejects.toThrow("too large to be stored")
  })
})

describe("from shipped segments", () => {
  test("on a machine that has nothing else", async () => {
    await busyShop()
    await withLog(shop, shipLog(segments()))
    await shop.enqueue([requestOf("later", { "l.txt": "l\n" })])
    await shop.drain()
    await withLog(shop, shipLog(segments()))
    const [expected, tip] = [await digest(), landedTrees().at(-1)!]
    await shop.dispose()
    rmSync(shop.root, { recursive: true })
    expect(readdirSync(segments()).length).toBe(2)
    expect(await replayedFiles()).toMatchObject({ queue_digest: expected, tip_tree: tip, from_git: 0 })
  })

  test("up to a row in the first of them", async () => {
    await busyShop()
    await withLog(shop, shipLog(segments()))
    await shop.enqueue([requestOf("later", { "l.txt": "l\n" })])
    await shop.drain()
    await withLog(shop, shipLog(segments()))
    expect(await replayedFiles({ until: 4 })).toMatchObject({ rows: 4, trees: 0 })
  })

  test("a changed byte is found before anything is believed", async () => {
    await busyShop()
    await withLog(shop, shipLog(segments()))
    const [name] = readdirSync(segments())
    const file = join(segments(), name!)
    writeFileSync(file, readFileSync(file, "utf8").replace("new/file.txt", "new/fake.txt"))
    await expect(replayedFiles()).rejects.toThrow("not the one that the log recorded")
  })
})

describe("refused", () => {
  test("a folder with something in it, untouched", async () => {
    await open()
    await expect(replayed({ to: shop.root })).rejects.toThrow("not empty")
    expect(existsSync(join(shop.root, "a.txt"))).toBe(true)
  })

  test.each([
    ["a stored content", "UPDATE blob SET data = x'00'", /not what its hash says/],
    [
      "a content that is gone",
      "DELETE FROM blob WHERE hash IN (SELECT after_hash FROM landing_effect)",
      /is gone/,
    ],
    ["what a landing did", "UPDATE landing_effect SET after_mode = '100755'", /its receipt says/],
    ["a row of the log", "UPDATE audit SET actor = 'eve' WHERE seq = 3", /was changed after it was written/],
    ["a receipt", "UPDATE receipt SET body = replace(body, 'unguarded', 'guarded')", /receipt of entry 1/],
  ])("%s that was changed", async (_, statement, message) => {
    await open()
    await shop.enqueue([requestOf("one", { "b.txt": "b\n" })])
    await shop.drain()
    await tamper(shop, (db) => void db.run(statement))
    await expect(replayed()).rejects.toThrow(message)
  })
})
