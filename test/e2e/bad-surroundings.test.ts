import { Database as Sqlite } from "bun:sqlite"
import { afterAll, beforeAll, describe, expect } from "bun:test"
import {
  closeSync,
  cpSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs"
import { join } from "node:path"
import {
  copyRepository,
  hasBinary,
  initWorkspace,
  makeRepository,
  OPEN_POLICY,
  requestOf,
  startHyperion,
} from "../support/workspace.ts"
import { around, binaryTest, type E2e, expectDecent, expectError, openE2e } from "./support.ts"

let template: E2e
const shops: E2e[] = []
/** A workspace of its own, quickly. */
const open = (): E2e => {
  const shop = around(copyRepository(template))
  shops.push(shop)
  return shop
}
beforeAll(() => {
  if (hasBinary) template = openE2e()
})
afterAll(() => {
  for (const shop of [template, ...shops]) shop?.remove()
})

const isRoot = process.getuid?.() === 0
const database = (shop: E2e) => join(shop.root, ".hyperion/hyperion.db")
const dropDatabase = (shop: E2e) => {
  for (const end of ["", "-wal", "-shm"]) rmSync(`${database(shop)}${end}`, { force: true })
}
const entries = (shop: E2e): { state: string; task_id: string }[] =>
  JSON.parse(shop.run(["list", "--format", "json"]).stdout).entries

describe("a database that cannot be used", () => {
  binaryTest("locked by another process: try later, exit 75; reading goes on; nothing is lost", async () => {
    const shop = open()
    const lock = new Sqlite(database(shop))
    lock.run("BEGIN IMMEDIATE")
    const file = shop.file(requestOf("locked", { "locked.txt": "x\n" }))
    const [queued, worked] = [startHyperion(shop, ["enqueue", file]), startHyperion(shop, ["cancel", "1"])]
    expect(shop.run(["list"]).code).toBe(0)
    expectError(await queued.ended, 75, /locked by another process.*hint: try again in a moment/)
    expectError(await worked.ended, 2, /nothing here is called "1"/)
    lock.run("ROLLBACK")
    lock.close()
    expect(shop.run(["enqueue", file]).code).toBe(0)
    shop.goodChange()
    expect(shop.read("locked.txt")).toBe("x\n")
  })

  const broken: readonly (readonly [
    name: string,
    spoil: (file: string) => void,
    exit: number,
    cause: RegExp,
  ])[] = [
    [
      "garbage",
      (file) => writeFileSync(file, "no database at all, but long enough to be read as one\n".repeat(99)),
      1,
      /is damaged/,
    ],
    [
      "damaged in the middle",
      (file) => {
        const fd = openSync(file, "r+")
        for (let page = 1; page < 12; page++) writeSync(fd, Buffer.alloc(4096, 0xa5), 0, 4096, page * 4096)
        closeSync(fd)
      },
      1,
      /is damaged/,
    ],
    [
      "cut off",
      (file) => writeFileSync(file, readFileSync(file).subarray(0, 3 * 4096 + 100)),
      1,
      /is damaged/,
    ],
    [
      "of another program",
      (file) => {
        rmSync(file)
        const other = new Sqlite(file)
        other.run("CREATE TABLE bookmarks (url TEXT)")
        other.close()
      },
      2,
      /not a Hyperion queue.*hint: .*--db/,
    ],
    [
      "of a newer Hyperion",
      (file) => {
        const newer = new Sqlite(file)
        newer.run("PRAGMA user_version = 99")
        newer.close()
      },
      1,
      /newer Hyperion: .*schema 99.*hint: .*newer hyperion/,
    ],
    ["gone", (file) => rmSync(file), 2, /no queue database here.*hint: hyperion init/],
  ]
  for (const [name, spoil, exit, cause] of broken) {
    binaryTest(`${name}: refused and left as it is; the file back, everything goes on`, () => {
      const shop = open()
      shop.enqueue(requestOf("kept", { "kept.txt": "kept\n" }))
      const db = new Sqlite(database(shop))
      db.run("PRAGMA wal_checkpoint(TRUNCATE)")
      db.close()
      const good = join(shop.outside, "good.db")
      cpSync(database(shop), good)
      for (const end of ["-wal", "-shm"]) rmSync(`${database(shop)}${end}`, { force: true })
      spoil(database(shop))
      const spoilt = existsSync(database(shop)) ? readFileSync(database(shop)) : null
      const file = shop.file(requestOf("x", { "x.txt": "x\n" }))
      for (const args of [["enqueue", file], ["worker", "--drain"], ["list"], ["audit", "verify"]])
        expectError(shop.run(args), exit, cause)
      if (spoilt !== null) expect(readFileSync(database(shop)).equals(spoilt)).toBe(true)
      dropDatabase(shop)
      cpSync(good, database(shop))
      shop.goodChange()
      expect(shop.read("kept.txt")).toBe("kept\n")
    })
  }

  binaryTest("damaged: moved aside as the hint says, a new one is made and works", () => {
    const shop = open()
    writeFileSync(database(shop), "garbage ".repeat(999))
    expectError(
      shop.run(["list"]),
      1,
      /hint: keep the file; put a backup in its place, or rebuild the queue with hyperion replay/,
    )
    for (const end of ["", "-wal", "-shm"])
      if (existsSync(`${database(shop)}${end}`))
        renameSync(`${database(shop)}${end}`, `${shop.outside}/aside${end}`)
    expect(shop.run(["init"]).code).toBe(0)
    shop.goodChange()
  })
})

const canFreeze = (): string | null => {
  if (!isRoot) return null
  const probe = makeRepository({})
  const frozen = Bun.spawnSync(["chattr", "+i", probe.outside]).exitCode === 0
  Bun.spawnSync(["chattr", "-i", probe.outside])
  probe.remove()
  return frozen ? null : "chattr +i does not work here, and root may write everywhere"
}
/** Makes a folder read-only, for root too. */
const freeze = (folder: string, frozen: boolean) =>
  isRoot
    ? Bun.spawnSync(["chattr", frozen ? "+i" : "-i", folder])
    : Bun.spawnSync(["chmod", frozen ? "a-w" : "u+w", folder])

describe("a folder that cannot be written", () => {
  const unless = canFreeze()
  binaryTest(
    "Hyperion's own: said with the place, exit 1; writable again, everything goes on",
    () => {
      const shop = open()
      const file = shop.file(requestOf("frozen", { "frozen.txt": "x\n" }))
      dropWal(shop)
      freeze(join(shop.root, ".hyperion"), true)
      try {
        for (const args of [
          ["enqueue", file],
          ["worker", "--drain"],
        ])
          expectError(
            shop.run(args),
            1,
            /cannot be written: .*hint: give yourself write permission: chmod -R u\+w \S+\.hyperion$/m,
          )
        const doctor = shop.run(["doctor"])
        expectDecent(doctor)
        expect(doctor.code).toBe(1)
        expect(doctor.stdout).toMatch(/error database_read_only .*\n.*\n *mend: chmod -R u\+w /)
      } finally {
        freeze(join(shop.root, ".hyperion"), false)
      }
      expect(shop.run(["enqueue", file]).code).toBe(0)
      shop.goodChange()
      expect(shop.read("frozen.txt")).toBe("x\n")
    },
    { unless },
  )

  for (const [what, place] of [
    ["the working tree", "."],
    ["git's", ".git"],
    ["git's objects", ".git/objects"],
    ["a folder of the change", "dir"],
  ] as const) {
    binaryTest(
      `${what}: nothing half done, the entry waits or says why; writable again, it lands`,
      () => {
        const shop = open()
        const tip = shop.git("rev-parse", "main")
        shop.enqueue(requestOf("frozen", { "frozen.txt": "x\n", "dir/new/deep.txt": "y\n" }))
        freeze(join(shop.root, place), true)
        try {
          const ran = shop.run(["worker", "--drain"])
          expectDecent(ran)
          expect([0, 1]).toContain(ran.code!)
          if (ran.code === 1) expect(ran.stderr).toMatch(/^error: [^\n]+; hint: [^\n]+\n$/)
          else expect(ran.stdout).toMatch(/blocked .*\[landing_failed\]/)
        } finally {
          freeze(join(shop.root, place), false)
        }
        expect(shop.git("rev-parse", "main")).toBe(tip)
        expect(shop.git("status", "--porcelain")).toBe("")
        expect(existsSync(join(shop.root, ".git/index.lock"))).toBe(false)
        shop.goodChange()
        expect(entries(shop).find((entry) => entry.task_id === "frozen")?.state).toBe("applied")
        expect(shop.read("dir/new/deep.txt")).toBe("y\n")
      },
      { unless },
    )
  }
})

const dropWal = (shop: E2e) => {
  for (const end of ["-wal", "-shm"]) rmSync(`${database(shop)}${end}`, { force: true })
}

const canMount = (): string | null => {
  if (!isRoot) return "only root can mount a small disk"
  const probe = makeRepository({})
  const mounted =
    Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", probe.outside]).exitCode === 0
  if (mounted) Bun.spawnSync(["umount", probe.outside])
  probe.remove()
  return mounted ? null : "tmpfs cannot be mounted here"
}

describe("a disk that is full", () => {
  for (const spare of [0, 40, 200]) {
    binaryTest(
      `with ${spare} KiB left: said as such, nothing lost; with space again, everything lands`,
      () => {
        const shop = around(copyRepository(template))
        const away = `${shop.root}.away`
        renameSync(shop.root, away)
        Bun.spawnSync(["mkdir", shop.root])
        Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", shop.root])
        try {
          Bun.spawnSync(["cp", "-a", `${away}/.`, shop.root])
          const big = (n: number) => requestOf(`big-${n}`, { [`big-${n}.txt`]: `${n} `.repeat(60_000) })
          expect(shop.enqueue(big(1)).code).toBe(0)
          const balloon = join(shop.root, ".hyperion/balloon")
          Bun.spawnSync([
            "sh",
            "-c",
            `cat /dev/zero > ${balloon} 2>/dev/null; truncate -s -${spare}K ${balloon}`,
          ])
          for (const ran of [shop.enqueue(big(2), big(3)), shop.run(["worker", "--drain"])]) {
            if (ran.code !== 0) expectError(ran, 75, /the disk is full: .*nothing was lost/)
            else {
              expectDecent(ran)
              expect(ran.stdout).toMatch(/blocked .*\[landing_failed\]/)
            }
          }
          expectDecent(shop.run(["doctor"]))
          expectDecent(shop.run(["status"]))
          rmSync(balloon)
          expect(shop.git("status", "--porcelain", "--untracked-files=no")).toBe("")
          expect(shop.enqueue(big(2), big(3)).code).toBe(0)
          shop.goodChange()
          expect(entries(shop).filter((entry) => entry.state === "applied").length).toBe(4)
          expect(shop.read("big-3.txt")).toHaveLength(120_000)
        } finally {
          Bun.spawnSync(["umount", shop.root])
          shop.remove()
        }
      },
      { unless: canMount() },
    )
  }
})

describe("files an agent could leave for the next program that starts here", () => {
  binaryTest(
    "a hostile bunfig.toml, .env, package.json and tsconfig.json change nothing and run nothing",
    () => {
      const shop = open()
      const canary = join(shop.outside, "canary")
      shop.write({
        "evil.cjs": `require("node:fs").writeFileSync(${JSON.stringify(canary)}, "ran")`,
        "bunfig.toml": 'preload = ["./evil.cjs"]\n[test]\npreload = ["./evil.cjs"]\n',
        ".env": `HYPERION_ROOT=/nowhere\nHYPERION_DB=/nowhere\nFORCE_COLOR=1\nHYPERION_LOG=trace\n`,
        "package.json": '{"main": "./evil.cjs", "type": "commonjs"}',
        "tsconfig.json": "{",
      })
      shop.goodChange()
      const { stdout, stderr } = shop.run(["list"])
      expect([stderr, stdout.includes("\u001b")]).toEqual(["", false])
      expect(existsSync(canary)).toBe(false)
    },
  )

  binaryTest("git configuration and hooks that run programs run none", () => {
    const shop = open()
    const canary = join(shop.outside, "canary")
    const evil = join(shop.outside, "evil.sh")
    writeFileSync(evil, `#!/bin/sh\ntouch ${canary}\n`, { mode: 0o755 })
    for (const hook of [
      "pre-commit",
      "post-commit",
      "post-checkout",
      "reference-transaction",
      "post-index-change",
    ])
      cpSync(evil, join(shop.root, ".git/hooks", hook))
    for (const [key, value] of [
      ["core.fsmonitor", evil],
      ["filter.evil.smudge", evil],
      ["filter.evil.clean", evil],
      ["diff.external", evil],
      ["core.pager", evil],
      ["gc.auto", "1"],
    ])
      shop.git("config", key!, value!)
    const before = shop.run(["list"]).code
    expect(before).toBe(0)
    shop.enqueue(
      requestOf("attributes", { "sub/.gitattributes": "* filter=evil diff=evil\n", "sub/x.txt": "x\n" }),
    )
    const ran = shop.run(["worker", "--drain"])
    expectDecent(ran)
    rmSync(canary, { force: true })
    shop.enqueue(requestOf("plain", { "plain.txt": "x\n" }))
    expect(shop.run(["worker", "--drain"]).stdout).toContain("(plain): landed as")
    expect(existsSync(canary)).toBe(false)
  })

  binaryTest("BUN_OPTIONS and NODE_OPTIONS reach neither guards nor agents", () => {
    const repository = makeRepository({ "a.txt": "a\n" })
    const shop = around(repository)
    shops.push(shop)
    shop.write({ ".git/info/exclude": "/hyperion.json\n" })
    initWorkspace(repository, {
      ...OPEN_POLICY,
      sandbox: "off",
      guards: [
        { id: "env", command: ["sh", "-c", 'test -z "$BUN_OPTIONS$NODE_OPTIONS$BUN_BE_BUN$GITHUB_TOKEN"'] },
      ],
    })
    shop.enqueue(requestOf("one", { "b.txt": "b\n" }))
    const env = { BUN_OPTIONS: "--smol", NODE_OPTIONS: "--no-warnings", GITHUB_TOKEN: "planted" }
    expect(shop.run(["worker", "--drain"], { env }).stdout).toContain("landed as")
  })
})
