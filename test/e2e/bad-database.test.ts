import { Database as Sqlite } from "bun:sqlite"
import { afterAll, beforeAll, beforeEach, describe, expect } from "bun:test"
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { SCHEMA_VERSION } from "../../src/platform/Database.ts"
import { holdWorkerLock } from "../../src/platform/live-workers.ts"
import { copyRepository, hasBinary, requestOf } from "../support/workspace.ts"
import { around, binaryTest, type E2e, expectDecent, expectError, openE2e } from "./support.ts"

// What `doctor` says of a queue that is damaged, and that what it and the errors advise works when it is done.

let template: E2e
let shop: E2e
let shops: E2e[] = []
const database = () => join(shop.root, ".hyperion/hyperion.db")
const files = (): readonly string[] =>
  ["", "-wal", "-shm"].map((end) => `${database()}${end}`).filter((file) => existsSync(file))

interface Finding {
  readonly id: string
  readonly severity: string
  readonly message: string
  readonly mend: string | null
}
interface Told {
  readonly ok: boolean
  readonly fixed: readonly string[]
  readonly findings: readonly Finding[]
}

/** `doctor` in both forms; exit 1 exactly when something is wrong. */
const doctor = (...flags: string[]): Told => {
  const text = shop.run(["doctor", ...flags])
  const json = shop.run(["doctor", ...flags, "--format", "json"])
  for (const ran of [text, json]) {
    expectDecent(ran)
    expect(ran.stderr).toBe("")
  }
  const told: Told = JSON.parse(json.stdout)
  expect([text.code, json.code]).toEqual(told.ok ? [0, 0] : [1, 1])
  return told
}
const errors = ({ findings }: Told) => findings.filter(({ severity }) => severity === "error")

const inDatabase = (change: (db: Sqlite) => void) => {
  const db = new Sqlite(database())
  change(db)
  db.close()
}
/** All of it in one file, as a person who copies it would want. */
const settle = () => {
  inDatabase((db) => db.query("PRAGMA wal_checkpoint(TRUNCATE)").all())
  for (const end of ["-wal", "-shm"]) rmSync(`${database()}${end}`, { force: true })
}
const aside = () => {
  for (const file of files()) renameSync(file, join(shop.outside, `aside-${file.split("/").at(-1)}`))
}
const backup = () => join(shop.outside, "backup.db")
const segments = () => join(shop.outside, "segments")

beforeAll(() => {
  if (!hasBinary) return
  template = openE2e()
  shop = template
  template.enqueue(requestOf("landed", { "landed.txt": "landed\n" }))
  expect(template.run(["worker", "--drain"]).code).toBe(0)
  template.enqueue(requestOf("kept", { "kept.txt": "kept\n" }))
  // Made while all was well, as the advice supposes.
  expect(template.run(["backup", backup()]).code).toBe(0)
  expect(template.run(["audit", "ship", segments()]).code).toBe(0)
  settle()
})
beforeEach(() => {
  if (!hasBinary) return
  shop = around(copyRepository(template))
  shops.push(shop)
})
afterAll(() => {
  for (const one of [template, ...shops]) one?.remove()
  shops = []
})

/** Nothing was lost: what waited before lands now. */
const expectWhole = () => {
  shop.goodChange()
  expect([shop.read("landed.txt"), shop.read("kept.txt")]).toEqual(["landed\n", "kept\n"])
  expect(errors(doctor("--full"))).toEqual([])
}

const restoreBackup = () => {
  aside()
  cpSync(backup(), database())
}
/** The queue of a rebuilt workspace in the place of the damaged one. */
const takeRebuilt = (from: readonly string[]) => {
  const folder = join(shop.outside, "rebuilt")
  const ran = shop.run(["replay", ...from, "--to", folder])
  expect([ran.code, ran.stderr]).toEqual([0, ""])
  aside()
  cpSync(join(folder, ".hyperion/hyperion.db"), database())
  // A log proves no trust: the next command says so, with this as its hint.
  expectError(shop.run(["worker", "--drain"]), 1, /hint: read the file, then hyperion config trust$/m)
  expect(shop.run(["config", "trust", "--yes"]).code).toBe(0)
}

interface Case {
  readonly name: string
  readonly spoil: () => void
  readonly finding: string
  /** What `list` ends with; null: it still can be read. */
  readonly exit: number | null
  /** Each way of mending that is advised, by the words that advise it. */
  readonly mends: readonly (readonly [advice: RegExp, mend: () => void])[]
}

const CASES: readonly Case[] = [
  {
    name: "garbage",
    spoil: () => writeFileSync(database(), "no database at all\n".repeat(500)),
    finding: "database_corrupt",
    exit: 1,
    mends: [
      [/keep the file.*backup/, restoreBackup],
      [/hyperion replay --from SEGMENTS --to DIR/, () => takeRebuilt(["--from", segments()])],
    ],
  },
  {
    name: "emptied",
    spoil: () => writeFileSync(database(), ""),
    finding: "database_missing",
    exit: 2,
    mends: [[/put a backup in its place/, restoreBackup]],
  },
  {
    name: "gone",
    spoil: () => rmSync(database()),
    finding: "database_missing",
    exit: 2,
    mends: [
      [
        /hyperion init/,
        () => {
          expect(shop.run(["init"]).code).toBe(0)
          // Nothing was ever here, as far as it can tell: what waited comes again.
          shop.enqueue(requestOf("kept", { "kept.txt": "kept\n" }))
        },
      ],
    ],
  },
  {
    name: "another program's",
    spoil: () => {
      rmSync(database())
      inDatabase((db) => db.run("CREATE TABLE bookmarks (url TEXT)"))
    },
    finding: "database_foreign",
    exit: 2,
    mends: [
      [
        /move this one aside and run hyperion init/,
        () => {
          aside()
          expect(shop.run(["init"]).code).toBe(0)
          shop.enqueue(requestOf("kept", { "kept.txt": "kept\n" }))
        },
      ],
    ],
  },
  {
    name: "a newer version's",
    spoil: () => inDatabase((db) => db.run("PRAGMA user_version = 99")),
    finding: "database_too_new",
    exit: 1,
    // The newer binary is not to be had here.
    mends: [
      [/use the newer hyperion/, () => inDatabase((db) => db.run(`PRAGMA user_version = ${SCHEMA_VERSION}`))],
    ],
  },
  {
    name: "with a row that the schema forbids",
    spoil: () =>
      inDatabase((db) => {
        db.run("PRAGMA ignore_check_constraints = ON")
        db.run("UPDATE entry SET priority = 77 WHERE task_id = 'kept'")
      }),
    finding: "constraints",
    exit: null,
    mends: [
      [/restore a backup/, restoreBackup],
      [/hyperion replay --to DIR and take its/, () => takeRebuilt([])],
    ],
  },
  {
    name: "with an index dropped by hand",
    spoil: () => inDatabase((db) => db.run("DROP INDEX entry_live")),
    finding: "plans",
    exit: null,
    mends: [[/hyperion replay --to DIR and take its/, () => takeRebuilt([])]],
  },
]

for (const { name, spoil, finding, exit, mends } of CASES)
  describe(`a queue that is ${name}`, () => {
    for (const [advice, mend] of mends)
      binaryTest(`is found, left alone by --fix, and mended as advised: ${advice.source}`, () => {
        spoil()
        const spoilt = files().map((file) => readFileSync(file))
        for (const flags of [[], ["--fix"], ["--full", "--fix"]]) {
          const told = doctor(...flags)
          expect(errors(told).map(({ id }) => id)).toContain(finding)
          expect(told.fixed.filter((text) => !text.startsWith("closed "))).toEqual([])
        }
        if (exit !== null) {
          // One whose pages can be read may get its empty side files.
          if (existsSync(database())) expect(readFileSync(database())).toEqual(spoilt[0]!)
          const list = shop.run(["list"])
          expectError(list, exit, /hint: /)
          expect(`${list.stderr}${JSON.stringify(doctor())}`).toMatch(advice)
        } else expect(JSON.stringify(doctor())).toMatch(advice)
        mend()
        if (finding !== "database_missing" && finding !== "database_foreign") expectWhole()
        else {
          shop.goodChange()
          expect(shop.read("kept.txt")).toBe("kept\n")
        }
      })
  })

describe("a row edited by hand", () => {
  binaryTest("is named by audit verify (exit 1) and doctor --full; a backup restored, all is well", () => {
    inDatabase((db) => db.run("UPDATE entry SET agent = 'mallory' WHERE task_id = 'kept'"))
    const ran = shop.run(["audit", "verify"])
    expectError(ran, 1, /entry 2 has another agent than when it was enqueued.*hint: compare with a backup/)
    expect(errors(doctor())).toEqual([])
    expect(errors(doctor("--full", "--fix")).map(({ id }) => id)).toEqual(["audit"])
    restoreBackup()
    expectWhole()
  })

  binaryTest("in a payload costs that entry alone: a dead letter says why, and the others land", () => {
    inDatabase((db) =>
      db.run("UPDATE entry_payload SET body = replace(body, 'kept.txt', 'evil.txt') WHERE id = 2"),
    )
    shop.enqueue(requestOf("other", { "other.txt": "other\n" }))
    const ran = shop.run(["worker", "--drain"])
    expect(ran.stdout).toContain("(other): landed as")
    expect([shop.read("evil.txt"), shop.read("other.txt")]).toEqual([null, "other\n"])
    expect(shop.run(["status"]).stdout).toMatch(/failed 1\n {2}2 {2}kept .*hyperion why 2\n/)
    expect(shop.run(["why", "2"]).stdout).toContain("payload")
    expectError(shop.run(["audit", "verify"]), 1, /payload of entry 2 does not match its checksum/)
  })

  binaryTest("a hold taken off, or a freeze, is named as well", () => {
    expect(shop.run(["hold", "2", "--reason", "not now"]).code).toBe(0)
    expect(shop.run(["freeze", "--reason", "release day"]).code).toBe(0)
    expect(shop.run(["audit", "verify"]).code).toBe(0)
    inDatabase((db) => db.run("DELETE FROM meta WHERE key = 'freeze'"))
    expectError(shop.run(["audit", "verify"]), 1, /landings are stopped by the log/)
    inDatabase((db) => db.run("UPDATE entry SET held = 0 WHERE id = 2"))
    expectError(shop.run(["audit", "verify"]), 1, /entry 2 is held by the log, but was let go/)
  })
})

describe("two versions at once", () => {
  /** As the first version left it, with the trust in the policy alone. */
  const older = () => {
    let meta: { key: string; value: string }[] = []
    inDatabase((db) => {
      meta = db.query<{ key: string; value: string }, []>("SELECT key, value FROM meta").all()
    })
    aside()
    inDatabase((db) => {
      db.run("PRAGMA journal_mode = WAL")
      db.run(readFileSync(join(import.meta.dir, "../../src/platform/migrations/0001_queue.sql"), "utf8"))
      db.run("PRAGMA application_id = 0x48595052")
      db.run("PRAGMA user_version = 1")
      for (const { key, value } of meta) db.query("INSERT INTO meta VALUES (?, ?)").run(key, value)
    })
    chmodSync(database(), 0o600)
  }
  const expectMigrated = () => {
    shop.goodChange()
    expect(errors(doctor("--full"))).toEqual([])
  }

  binaryTest("an older worker is not migrated under: read, try later (75), then everything goes on", () => {
    older()
    const leave = holdWorkerLock(database(), process.pid)
    expect(shop.run(["list"]).code).toBe(0)
    expect(shop.run(["status"]).code).toBe(0)
    const file = shop.file(requestOf("late", { "late.txt": "late\n" }))
    for (const args of [
      ["enqueue", file],
      ["worker", "--drain"],
    ])
      expectError(shop.run(args), 75, new RegExp(`process ${process.pid}.*hint: let the running workers end`))
    const told = doctor()
    expect(told.findings.find(({ id }) => id === "schema")).toMatchObject({ severity: "warn" })
    expect(told.findings.find(({ id }) => id === "schema")?.message).toContain("schema 1,")
    leave()
    expectMigrated()
  })

  binaryTest("a worker that was killed is no other version: its lock went with it", () => {
    older()
    mkdirSync(`${database()}.workers`, { recursive: true })
    writeFileSync(`${database()}.workers/4711.0`, "")
    expectMigrated()
  })
})
