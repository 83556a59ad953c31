import { Database as Sqlite } from "bun:sqlite"
import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { doctorLayer } from "../../src/app-doctor.ts"
import { type DoctorOptions, type DoctorReport, doctor, quickDoctor } from "../../src/operations/doctor.ts"
import { bellsFolder } from "../../src/platform/bells.ts"
import { Database } from "../../src/platform/Database.ts"
import { holdWorkerLock } from "../../src/platform/live-workers.ts"
import { makeNamedPipe } from "../../src/platform/named-pipe.ts"
import { Operator } from "../../src/platform/Operator.ts"
import { Sandbox } from "../../src/platform/Sandbox.ts"
import { turnstileFile } from "../../src/platform/turnstile.ts"
import { workspaceAt } from "../../src/platform/Workspace.ts"
import { runLive } from "../support/effect.ts"
import { DAY, LEASE_MS } from "../support/queue.ts"
import { requestOf } from "../support/workspace.ts"
import { openWorkshop, type Workshop } from "../worker/workshop.ts"

let shop: Workshop
let database: string
beforeEach(async () => {
  shop = await openWorkshop()
  database = join(shop.root, ".hyperion/hyperion.db")
})
afterEach(async () => {
  await shop.dispose()
  shop.remove()
})

const SANDBOX = Sandbox.layerOf({ available: true, bwrap: "/usr/bin/bwrap", sizedTmpfs: true })

const examined = (
  options: Partial<DoctorOptions> = {},
  env: Readonly<Record<string, string>> = {},
): Promise<DoctorReport> => {
  const all = { ...shop.env, ...env }
  return runLive(
    Layer.mergeAll(doctorLayer(workspaceAt(shop.root), all), SANDBOX, Operator.layer(all)),
    doctor({ full: false, fix: false, ...options }),
  )
}

/** Ids and severities of what is not well. */
const unwell = ({ findings }: DoctorReport): readonly string[] =>
  findings
    .filter(({ severity }) => severity === "warn" || severity === "error")
    .map(({ id, severity }) => `${severity} ${id}`)
const found = ({ findings }: DoctorReport, id: string) => findings.find((finding) => finding.id === id)

const inDatabase = (change: (db: Sqlite) => void) => {
  const db = new Sqlite(database)
  change(db)
  db.close()
}

describe("a healthy workspace", () => {
  test("has nothing wrong; every finding says what it means, and what is not well what mends it", async () => {
    await shop.enqueue([requestOf("one", { "one.txt": "1\n" })])
    await shop.drain()
    const report = await examined({ full: true })
    expect(report.ok).toBe(true)
    // The open policy of the workshop.
    expect(unwell(report)).toEqual(["warn unguarded", "warn unattended"])
    for (const { id, message, meaning } of report.findings)
      for (const text of [id, message, meaning]) expect(text).not.toBe("")
    expect(new Set(report.findings.map(({ id }) => id)).size).toBe(report.findings.length)
    expect(found(report, "audit")?.severity).toBe("ok")
    expect(found(report, "wal")?.message).toMatch(/moved (\d+) of \1 pages \(busy 0\)/)
    expect(found(report, "sqlite")?.message).toMatch(/^SQLite 3\.\d+\.\d+, journal_mode wal, /)
    expect(found(report, "git")?.message).toStartWith("git version ")
  })

  test("is left as it is: looking writes no row and migrates nothing", async () => {
    await shop.enqueue([requestOf("one", { "one.txt": "1\n" })])
    const head = () => shop.query((db) => db.query("SELECT max(seq) AS seq FROM audit").get())
    const before = await head()
    await examined({ full: true })
    expect(await head()).toEqual(before)
    await shop.dispose()
    inDatabase((db) => {
      db.run("DROP INDEX audit_applied")
      db.run("DROP INDEX entry_live")
      db.run("PRAGMA user_version = 1")
    })
    const report = await examined()
    expect(found(report, "schema")).toMatchObject({ severity: "info" })
    expect(found(report, "plans")).toBeUndefined()
    inDatabase((db) => expect(db.query("PRAGMA user_version").get()).toEqual({ user_version: 1 }))
    shop = await openWorkshop()
  })
})

describe("a database that cannot be used", () => {
  const cases: readonly (readonly [string, string, () => void])[] = [
    ["missing", "database_missing", () => rmSync(database)],
    ["garbage", "database_corrupt", () => writeFileSync(database, "no database at all\n".repeat(500))],
    [
      "foreign",
      "database_foreign",
      () => {
        rmSync(database)
        inDatabase((db) => db.run("CREATE TABLE bookmarks (url TEXT)"))
      },
    ],
    ["newer", "database_too_new", () => inDatabase((db) => db.run("PRAGMA user_version = 999"))],
    [
      "a folder",
      "database_read_only",
      () => {
        rmSync(database)
        mkdirSync(database)
      },
    ],
  ]
  test.each(cases)(
    "%s: one finding says so, and the rest is looked at all the same",
    async (_, id, spoil) => {
      await shop.dispose()
      for (const suffix of ["-wal", "-shm"]) rmSync(database + suffix, { force: true })
      spoil()
      const before = id === "database_missing" || id === "database_read_only" ? null : readFileSync(database)
      for (const fix of [false, true]) {
        const report = await examined({ full: true, fix })
        expect(report.ok).toBe(false)
        expect(unwell(report)[0]).toBe(`error ${id}`)
        expect(found(report, id)?.mend).toBeTruthy()
        expect(found(report, "git")?.severity).toBe("ok")
      }
      if (before !== null) expect(readFileSync(database)).toEqual(before)
      shop = await openWorkshop()
    },
  )

  test("locked: says who may hold it, and does not wait for ever", async () => {
    await shop.dispose()
    const other = new Sqlite(database)
    other.run("PRAGMA locking_mode = EXCLUSIVE")
    other.run("BEGIN EXCLUSIVE")
    const report = await examined()
    other.close()
    expect(unwell(report)[0]).toBe("error database_busy")
    expect(found(report, "database_busy")?.mend).toContain(database)
    shop = await openWorkshop()
  })

  test("damaged inside: found by its structure, and every other check survives it", async () => {
    for (let n = 0; n < 30; n++) await shop.enqueue([requestOf(`t${n}`, { [`f${n}`]: "x".repeat(2_000) })])
    const page = (await shop.query((db) => {
      db.query("PRAGMA wal_checkpoint(TRUNCATE)").all()
      return db.query("SELECT rootpage AS page FROM sqlite_schema WHERE name = 'entry_payload'").get()
    })) as { page: number }
    await shop.dispose()
    const bytes = readFileSync(database)
    bytes.fill(0xff, (page.page - 1) * 4_096 + 8, page.page * 4_096)
    writeFileSync(database, bytes)
    const report = await examined({ full: true })
    expect(report.ok).toBe(false)
    expect(unwell(report)).toContain("error integrity")
    expect(found(report, "integrity")?.mend).toContain("restore a backup")
    expect(found(report, "modes")).toBeDefined()
    shop = await openWorkshop()
  })

  test("an empty file is no crash", async () => {
    await shop.dispose()
    for (const suffix of ["-wal", "-shm"]) rmSync(database + suffix, { force: true })
    writeFileSync(database, "")
    const report = await examined({ full: true, fix: true })
    expect(report.ok).toBe(false)
    shop = await openWorkshop()
  })
})

describe("what was done by hand", () => {
  test("a row edited with a SQLite shell is named by --full", async () => {
    const [id] = await shop.enqueue([requestOf("one", { "one.txt": "1\n" })])
    inDatabase((db) => db.run("UPDATE entry SET agent = 'mallory'"))
    expect((await examined()).ok).toBe(true)
    const report = await examined({ full: true })
    expect(found(report, "audit")).toMatchObject({ severity: "error" })
    expect(found(report, "audit")?.message).toContain(`entry ${id}`)
  })

  test("a dropped index is missed by the plans", async () => {
    inDatabase((db) => db.run("DROP INDEX entry_live"))
    const report = await examined()
    expect(found(report, "plans")).toMatchObject({
      severity: "error",
      message: expect.stringContaining("lease without entry_live"),
    })
  })
})

describe("what killed workers leave", () => {
  test("expired leases, cut off landings and stages are found; --fix takes the leases back", async () => {
    const [id] = await shop.enqueue([requestOf("one", { "one.txt": "1\n" })])
    await shop.query(() => null)
    inDatabase((db) => {
      db.run(
        `UPDATE entry SET state = 'in_progress', lease_owner = 'worker-1', leased_until = 1, lease_token = 1 WHERE id = ${id}`,
      )
      db.run("INSERT INTO landing_journal VALUES ('cut', '{}', 1)")
    })
    mkdirSync(join(shop.root, ".hyperion/stage/dead.999999999"))
    const report = await examined()
    expect(report.ok).toBe(true)
    expect(unwell(report)).toContain("warn leases")
    expect(unwell(report)).toContain("warn journal")
    expect(found(report, "stages")).toMatchObject({ severity: "info", mend: "hyperion worker --drain" })
    const mended = await examined({ fix: true })
    expect(mended.fixed).toContain("took expired leases back, and promoted or ended what was due")
    expect(found(mended, "leases")?.severity).toBe("ok")
  })

  test("a lease of a process that has ended is found before it runs out, one of a worker at work is not", async () => {
    const [id] = await shop.enqueue([requestOf("one", { "one.txt": "1\n" })])
    const leasedBy = (owner: string) =>
      inDatabase((db) => {
        const until = Date.now() + DAY
        db.run(
          `UPDATE entry SET state = 'in_progress', lease_owner = '${owner}', leased_until = ${until}, lease_token = 1 WHERE id = ${id}`,
        )
      })
    leasedBy("worker-999999999")
    expect(found(await examined(), "leases")).toMatchObject({
      severity: "warn",
      message: `1 entry left in the hands of worker-999999999: ${id}`,
    })
    const leave = holdWorkerLock(database, 4_711)
    leasedBy("worker-4711")
    expect(found(await examined(), "leases")?.severity).toBe("ok")
    leave()
    expect(found(await examined(), "leases")?.severity).toBe("warn")
  })

  test("a lock on git's index that is old", async () => {
    const lock = join(shop.root, ".git/index.lock")
    writeFileSync(lock, "")
    expect(found(await examined(), "index_lock")?.severity).toBe("ok")
    utimesSync(lock, 1, 1)
    expect(found(await examined(), "index_lock")).toMatchObject({ severity: "warn" })
    rmSync(lock)
  })
})

describe("who waits for commits", () => {
  test("pipes of the dead are named, and removed by --fix; what is foreign stays", async () => {
    expect(found(await examined(), "runtime")).toMatchObject({ message: "no process waits for commits" })
    const folder = bellsFolder(database)
    mkdirSync(folder)
    makeNamedPipe(join(folder, "4711.0"), 0o600)
    expect(found(await examined(), "runtime")).toMatchObject({
      severity: "info",
      mend: "hyperion doctor --fix",
    })
    expect((await examined({ fix: true })).fixed).toContain("removed 1 pipe of processes that are gone")
    expect(readdirSync(folder)).toEqual([])
    writeFileSync(join(folder, "4711.1"), "mine")
    expect(found(await examined({ fix: true }), "runtime")).toMatchObject({ severity: "warn" })
    expect(found(await examined(), "runtime")?.message).toContain("4711.1")
    expect(readdirSync(folder)).toEqual(["4711.1"])
    rmSync(folder, { recursive: true })
    writeFileSync(folder, "mine")
    expect(found(await examined({ fix: true }), "runtime")).toMatchObject({ severity: "warn" })
    expect(readFileSync(folder, "utf8")).toBe("mine")
  })

  test("a foreign file in the place of the turnstile is named, and stays", async () => {
    expect(found(await examined(), "turnstile")?.severity).toBe("ok")
    writeFileSync(turnstileFile(database), "mine")
    expect(found(await examined({ fix: true }), "turnstile")).toMatchObject({ severity: "warn" })
    expect(readFileSync(turnstileFile(database), "utf8")).toBe("mine")
  })

  test("the living are counted", async () => {
    await shop.run(
      Effect.scoped(
        Effect.gen(function* () {
          yield* (yield* Database).listen
          const report = yield* Effect.promise(() => examined())
          expect(found(report, "runtime")).toMatchObject({
            severity: "ok",
            message: `1 process waits for commits: ${process.pid}`,
          })
        }),
      ),
    )
  })
})

describe("surroundings", () => {
  test("environment traps, loose modes and missing agents", async () => {
    chmodSync(join(shop.root, ".hyperion"), 0o755)
    chmodSync(database, 0o644)
    const env = { BUN_OPTIONS: "--preload x.ts", BUN_BE_BUN: "1", HYPERION_AGENT: "codex", PATH: "/nowhere" }
    const report = await examined({}, env)
    expect(unwell(report)).toEqual(
      expect.arrayContaining([
        "warn environment_bun_options",
        "warn environment_bun_be_bun",
        "warn modes",
        "error agents",
        "error git",
      ]),
    )
    const mended = await examined({ fix: true })
    expect(mended.fixed.filter((text) => text.startsWith("closed"))).toHaveLength(2)
    expect(found(mended, "modes")?.severity).toBe("ok")
    expect(statSync(database).mode & 0o777).toBe(0o600)
  })

  test("a policy that was edited since it was trusted", async () => {
    shop.write({ "hyperion.json": '{"version":1}' })
    expect(found(await examined(), "policy_untrusted")).toMatchObject({
      severity: "error",
      mend: "hyperion config trust",
    })
    shop.write({ "hyperion.json": '{"version":1,"aprovals":{}}' })
    expect(unwell(await examined())).toContain("error policy_invalid")
  })

  test("a repository that is gone", async () => {
    rmSync(join(shop.root, ".git"), { recursive: true })
    expect(unwell(await examined())).toContain("error repository_not_found")
  })

  test("--fix sweeps what is due, by the trusted policy alone", async () => {
    await shop.enqueue([requestOf("one", { "one.txt": "1\n" })])
    await shop.drain()
    inDatabase((db) => {
      for (const name of ["update", "delete", "insert"]) db.run(`DROP TRIGGER audit_is_append_only_${name}`)
      db.run(`UPDATE audit SET at = at - ${400 * DAY}`)
      db.run(`UPDATE entry SET updated_at = updated_at - ${400 * DAY}`)
    })
    const report = await examined()
    expect(found(report, "retention")).toMatchObject({ severity: "info", mend: "hyperion cleanup" })
    expect((await examined({ fix: true })).fixed).toContain("swept 1 old entry")
  })
})

describe("before workers start", () => {
  test("only what a person should look at is told, in a few milliseconds", async () => {
    const quick = () => shop.run(quickDoctor())
    expect(await quick()).toEqual([])
    await shop.enqueue([requestOf("one", { "one.txt": "1\n" })])
    await shop.drain()
    await shop.pass(LEASE_MS + 1)
    inDatabase((db) => db.run("INSERT INTO landing_journal VALUES ('cut', '{}', 1)"))
    expect((await quick()).map(({ id }) => id)).toEqual(["journal"])
    inDatabase((db) => db.run("DELETE FROM landing_journal"))
    const times: number[] = []
    for (let n = 0; n < 20; n++) {
      const before = Bun.nanoseconds()
      await quick()
      times.push((Bun.nanoseconds() - before) / 1e6)
    }
    expect(times.sort((a, b) => a - b)[10]!).toBeLessThan(20)
  })
})
