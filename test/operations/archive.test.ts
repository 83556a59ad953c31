import { Database } from "bun:sqlite"
import { afterEach, describe, expect, test } from "bun:test"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { AuditService } from "../../src/audit/AuditService.ts"
import { LogExport } from "../../src/audit/LogExport.ts"
import { type ArchiveOptions, archive } from "../../src/operations/archive.ts"
import { verifyFiles } from "../../src/operations/audit-files.ts"
import { blame } from "../../src/operations/blame.ts"
import { checkout } from "../../src/operations/checkout.ts"
import { history, showEntry } from "../../src/operations/entries.ts"
import { receipts } from "../../src/operations/receipt.ts"
import { replay } from "../../src/operations/replay.ts"
import { report } from "../../src/operations/report.ts"
import { revert } from "../../src/operations/revert.ts"
import { exportLog, shipLog } from "../../src/operations/ship.ts"
import { why } from "../../src/operations/why.ts"
import { runTest } from "../support/effect.ts"
import { DAY, HOUR, landed as landedOne } from "../support/queue.ts"
import { requestOf } from "../support/workspace.ts"
import { openWorkshop, type Workshop } from "../worker/workshop.ts"
import { forget, lineChange, TEXT, verifyAll, withLog } from "./landed.ts"
import { desk } from "./support.ts"

let shop: Workshop
const folders: string[] = []
const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), "hyperion-archive-"))
  folders.push(made)
  return made
}
afterEach(async () => {
  await shop.dispose()
  shop.remove()
  for (const made of folders.splice(0)) rmSync(made, { recursive: true, force: true })
})

/** Lands one file after the other, an hour between them. */
const landed = async (from: number, to: number): Promise<void> => {
  for (let at = from; at <= to; at++) {
    await shop.enqueue([requestOf(`T-${at}`, { [`f${at}.txt`]: `content of ${at}\n` })])
    await shop.drain()
    await shop.pass(HOUR)
  }
}

const SCREEN = { render: () => "", color: false }
/** Everything that is decided, whenever, unless told otherwise. */
const archived = (to: string, more: Partial<ArchiveOptions> = {}) =>
  withLog(
    shop,
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      archive({ folder: to, before: now, dryRun: false, yes: true, ...more }, SCREEN),
    ),
  )
const audited = () => shop.run(Effect.flatMap(AuditService, (audit) => audit.verify()))

const wholeChain = (at: string) => withLog(shop, verifyFiles(at, undefined))
const ask = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  shop.run(Effect.scoped(effect) as Effect.Effect<A, E, never>)
const refusedReplay = (options: { readonly until: number; readonly from: string | undefined }) =>
  withLog(shop, Effect.flip(replay({ to: folder(), ...options }))).then(String)
const refusal = (to: string, more: Partial<ArchiveOptions> = {}) =>
  archived(to, more).then(
    () => null,
    (error: unknown) => String(error),
  )

describe("archive", () => {
  test("moves what is old; log, verify, replay and shipping go on behind the checkpoint", async () => {
    shop = await openWorkshop()
    await landed(1, 2)
    const { head: early } = await audited()
    await landed(3, 4)
    const to = folder()
    const report = await archived(to)
    expect(report).toMatchObject({ archived: true, entries: 4 })
    expect(await audited()).toMatchObject({ fault: null, archived: report.cut })
    expect(await withLog(shop, replay({ to: folder(), until: undefined, from: undefined }))).toMatchObject({
      landings: 0,
      from_git: 0,
      tip_tree: shop.git("rev-parse", "main^{tree}"),
    })
    await landed(5, 6)
    expect((await audited()).fault).toBeNull()
    expect((await verifyAll(shop)).map(({ entry_id, fault }) => [entry_id, fault])).toEqual([
      [5, null],
      [6, null],
    ])
    const tree = shop.git("rev-parse", "main^{tree}")
    const live = await withLog(shop, replay({ to: folder(), until: undefined, from: undefined }))
    expect(live).toMatchObject({ landings: 2, trees: 2, entries: 6, tip_tree: tree })
    await withLog(shop, shipLog(to))
    expect(await wholeChain(to)).toMatchObject({ fault: null, archived: 0 })
    const whole = await withLog(shop, replay({ to: folder(), until: undefined, from: to }))
    expect(whole).toMatchObject({ landings: 6, trees: 6, tip_tree: tree })
    const fresh = folder()
    await withLog(shop, shipLog(fresh))
    expect(await wholeChain(fresh)).toMatchObject({ fault: null, archived: report.cut })
    expect(await withLog(shop, replay({ to: folder(), until: undefined, from: fresh }))).toMatchObject({
      landings: 2,
      tip_tree: tree,
    })
    for (const from of [undefined, fresh])
      expect(await refusedReplay({ until: report.cut! - 1, from })).toContain(
        `replaying row ${report.cut! - 1}: it is archived: this log begins behind row ${report.cut}`,
      )
    const exported: string[] = []
    await withLog(
      shop,
      exportLog((line) => void exported.push(line)),
    )
    const file = join(folder(), "log.jsonl")
    writeFileSync(file, `${exported.join("\n")}\n`)
    expect((await wholeChain(file)).fault).toBeNull()
    // An exported head says that nothing was cut off, whichever side of the checkpoint it is on.
    const { head } = await audited()
    expect((await shop.run(Effect.flatMap(AuditService, (audit) => audit.verify(head)))).fault).toBeNull()
    expect((await withLog(shop, verifyFiles(to, head))).fault).toBeNull()
    expect((await withLog(shop, verifyFiles(to, early))).fault).toBeNull()
    expect(
      (await shop.run(Effect.flatMap(AuditService, (audit) => audit.verify(early)))).fault,
    ).toMatchObject({
      code: "head",
      message: expect.stringContaining(`it is in the archive ${to}`),
    })
  })

  test("a second one follows the first, in its folder or in another", async () => {
    shop = await openWorkshop()
    await landed(1, 3)
    const to = folder()
    const first = await archived(to)
    await landed(4, 5)
    const second = await archived(to)
    expect(second.cut!).toBeGreaterThan(first.cut!)
    expect(second).toMatchObject({ entries: 2, archived: true })
    await landed(6, 7)
    const elsewhere = folder()
    expect(await archived(elsewhere)).toMatchObject({ entries: 2, archived: true })
    expect((await audited()).fault).toBeNull()
    expect(readdirSync(to).filter((name) => name.startsWith("archive-"))).toHaveLength(2)
    await withLog(shop, shipLog(elsewhere))
    expect((await wholeChain(elsewhere)).fault).toBeNull()
    // The first folder missed a checkpoint: going on in it would leave a hole.
    expect(await refusal(to, {})).toBeNull()
    const missed = await withLog(shop, Effect.flip(shipLog(to)))
    expect(missed).toMatchObject({ _tag: "SegmentsForeign" })
  })

  test("of an archived entry everything says where it is", async () => {
    shop = await openWorkshop()
    await landed(1, 2)
    const commit = shop.git("rev-parse", "main~1")
    const to = folder()
    const { file } = await archived(to)
    const place = { folder: to, file }
    const shown = await ask(showEntry("1"))
    expect(shown).toMatchObject({ entry: { state: "applied", archived: true, commit }, archive: place })
    expect((await ask(why(commit)))[0]).toMatchObject({
      id: 1,
      code: "archived",
      evidence: [`commit ${commit}`],
    })
    for (const refused of [
      await ask(Effect.flip(receipts("1"))),
      await ask(Effect.flip(history({ id: "1", limit: 9 }))),
      await ask(Effect.flip(checkout("1", folder()))),
    ])
      expect(refused).toMatchObject({
        _tag: "WrongState",
        message: `entry 1 (applied) is in the archive ${to}/${file}`,
        advice: expect.stringContaining(`hyperion replay --from ${to}`),
      })
    expect(await ask(Effect.flip(revert({ kind: "id", id: "1" }, { dryRun: true })))).toMatchObject({
      _tag: "WrongState",
    })
    expect(await ask(blame("f1.txt", 1))).toMatchObject({ commit, entry: { id: 1, archive: place } })
    // Rebuilt from the archive, all of it is there again.
    const again = folder()
    await withLog(shop, replay({ to: again, until: undefined, from: to }))
    const db = new Database(join(again, ".hyperion/hyperion.db"), { readonly: true })
    expect(db.query("SELECT count(*) AS n FROM receipt").get()).toEqual({ n: 2 })
    db.close()
  })

  test("what stays can be reverted, and contents that it needs are still there without git", async () => {
    shop = await openWorkshop({ files: { "text.txt": TEXT } })
    const [first] = await shop.enqueue([lineChange("T-1", 4, "changed")])
    await shop.drain()
    await shop.pass(2 * HOUR)
    await shop.enqueue([requestOf("T-2", { "new.txt": "new\n" })])
    await shop.drain()
    const to = folder()
    const now = await shop.run(Clock.currentTimeMillis)
    expect(await archived(to, { before: now - HOUR })).toMatchObject({ entries: 1 })
    expect((await ask(why(String(first))))[0]).toMatchObject({ code: "archived" })
    forget(shop)
    // The tree that the first landing that stayed was made on was stored with the checkpoint.
    expect((await verifyAll(shop)).map(({ fault }) => fault)).toEqual([null])
    await ask(revert({ kind: "id", id: "2" }, { dryRun: false }))
    await shop.drain()
    expect((await verifyAll(shop)).map(({ fault }) => fault)).toEqual([null, null])
    expect((await audited()).fault).toBeNull()
    // A landing whose contents were archived and that comes again stores them anew.
    await shop.enqueue([requestOf("T-3", { "again.txt": TEXT })])
    await shop.drain()
    expect((await verifyAll(shop)).map(({ fault }) => fault)).toEqual([null, null, null])
  })

  test("a content that goes between being looked at and being landed is stored again", async () => {
    let act = () => {}
    shop = await openWorkshop({ beforeLanding: () => act() })
    await shop.enqueue([requestOf("T-1", { "one.txt": "the same\n" })])
    await shop.drain()
    act = () => {
      const db = new Database(join(shop.root, ".hyperion/hyperion.db"))
      db.run("DELETE FROM blob")
      db.close()
    }
    const [second] = await shop.enqueue([requestOf("T-2", { "two.txt": "the same\n" })])
    await shop.drain()
    expect((await verifyAll(shop, String(second))).map(({ fault }) => fault)).toEqual([null])
  })

  test("a dry run, and a no, change nothing", async () => {
    shop = await openWorkshop({ types: () => "no" })
    await landed(1, 2)
    const to = join(folder(), "not-there")
    expect(await archived(to, { dryRun: true })).toMatchObject({ archived: false, entries: 2 })
    expect(await archived(to, { yes: false })).toMatchObject({ archived: false, entries: 2 })
    expect(existsSync(to)).toBe(false)
    expect((await audited()).archived).toBe(0)
  })

  test("keeps what the policy keeps unless it is told otherwise", async () => {
    shop = await openWorkshop()
    await landed(1, 1)
    await shop.pass(29 * DAY)
    expect(await archived(folder(), { before: undefined })).toMatchObject({ archived: false, cut: null })
    await shop.pass(2 * DAY)
    expect(await archived(folder(), { before: undefined })).toMatchObject({ archived: true, entries: 1 })
  })

  test("refuses a folder in the repository, a log that does not verify, and segments that lack something", async () => {
    shop = await openWorkshop()
    await landed(1, 2)
    expect(await refusal(join(shop.root, "archive"))).toContain("lies inside the repository")
    expect(await refusal(join(shop.root, ".hyperion/archive"))).toContain("lies inside the repository")
    const to = folder()
    await withLog(shop, shipLog(to))
    const [name] = readdirSync(to)
    const whole = readFileSync(join(to, name!), "utf8")
    writeFileSync(join(to, name!), whole.replace('"actor":"', '"actor":"x'))
    expect(await refusal(to)).toContain("are not complete")
    const db = new Database(join(shop.root, ".hyperion/hyperion.db"))
    db.run("UPDATE entry SET agent = 'eve' WHERE id = 1")
    db.close()
    expect(await refusal(folder())).toContain("the log does not verify")
    expect(readdirSync(join(shop.root, ".hyperion"))).toContain("hyperion.db")
  })

  test("an archive that was begun is finished only while its file is what it was", async () => {
    shop = await openWorkshop()
    await landed(1, 3)
    const to = folder()
    const { file } = await archived(to)
    const path = join(to, file!)
    const db = new Database(join(shop.root, ".hyperion/hyperion.db"))
    db.run("DROP TRIGGER archive_is_kept_swept")
    db.run("UPDATE archive SET swept = 0")
    db.close()
    const whole = readFileSync(path, "utf8")
    writeFileSync(path, whole.slice(0, -20))
    expect(await refusal(to)).toContain("cannot be finished")
    writeFileSync(path, whole)
    expect(await archived(to)).toMatchObject({ finished: expect.any(Number) })
    expect((await audited()).fault).toBeNull()
  })

  test("is a person's word: refused inside an agent, and without a terminal or --yes", async () => {
    const refuse = (presence: { terminal: boolean; agent: string | null }, options: object) =>
      runTest(
        Layer.provideMerge(LogExport.layer, desk({ presence })),
        Effect.gen(function* () {
          yield* landedOne({ taskId: "one" })
          yield* TestClock.adjust(HOUR)
          const before = yield* Clock.currentTimeMillis
          return yield* Effect.flip(
            archive({ folder: "/nowhere/at/all", before, dryRun: false, yes: false, ...options }, SCREEN),
          )
        }),
      )
    expect(await refuse({ terminal: true, agent: "copilot" }, { yes: true })).toMatchObject({
      _tag: "ApprovalRefused",
      reason: "agent_environment",
    })
    expect(await refuse({ terminal: false, agent: null }, {})).toMatchObject({ _tag: "NeedsYes" })
    shop = await openWorkshop()
  })

  test("a report that begins earlier says so", async () => {
    shop = await openWorkshop()
    await landed(1, 2)
    const { cut } = await archived(folder())
    await landed(3, 3)
    expect(await ask(report(0, 10))).toMatchObject({
      archived_until: cut,
      complete: false,
      totals: { landed: 1 },
    })
  })
})
