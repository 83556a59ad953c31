import { Database } from "bun:sqlite"
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import {
  hasBinary,
  hyperion,
  initWorkspace,
  makeRepository,
  OPEN_POLICY,
  type Repository,
  requestOf,
} from "../support/workspace.ts"

const ALL = process.env["HYPERION_CRASH"] === "all"
const SEED = Number(process.env["HYPERION_CRASH_SEED"] ?? "7")
const POINTS_SAMPLED = 2

/** More than one chunk of entries. */
const LANDINGS = 120

let repository: Repository
let kept: string

const at = (path: string): string => join(repository.outside, path)
const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  hyperion(repository, args, { env })
const ok = (...args: string[]): Record<string, unknown> => {
  const ran = run([...args, "--format", "json"])
  if (ran.code !== 0) throw new Error(`${args.join(" ")}: ${ran.code} ${ran.stderr}${ran.stdout}`)
  return JSON.parse(ran.stdout)
}
const archive = (failpoint: string, log?: string) =>
  run(["archive", at("archive"), "--before", "0s", "--yes"], {
    HYPERION_TESTING: "1",
    HYPERION_FAILPOINT: failpoint,
    ...(log !== undefined && { HYPERION_FAILPOINT_LOG: log }),
  })

const land = (from: number, to: number): void => {
  const requests = Array.from({ length: to - from + 1 }, (_, index) =>
    requestOf(`T-${from + index}`, { [`f${from + index}.txt`]: `content of ${from + index}\n` }),
  )
  const file = at("requests.jsonl")
  repository.write({ "../requests.jsonl": requests.map((one) => `${JSON.stringify(one)}\n`).join("") })
  ok("enqueue", file)
  ok("worker", "--drain")
}

const restore = (): void => {
  for (const path of [repository.root, at("archive"), at("replayed")])
    rmSync(path, { recursive: true, force: true })
  cpSync(`${kept}/repo`, repository.root, { recursive: true, verbatimSymlinks: true })
}

/** The database as a shell sees it: what must be gone when an archive is finished. */
const leftOf = () => {
  const db = new Database(join(repository.root, ".hyperion/hyperion.db"), { readonly: true })
  try {
    return db
      .query(`SELECT (SELECT count(*) FROM entry WHERE archived IS NULL) AS live,
        (SELECT count(*) FROM receipt) AS receipts, (SELECT count(*) FROM landing_effect) AS effects,
        (SELECT count(*) FROM entry_payload) AS payloads,
        (SELECT count(*) FROM audit WHERE seq <= (SELECT max(cut) FROM archive) AND event != 'archived') AS rows,
        (SELECT count(*) FROM archive WHERE swept = 0) AS unswept`)
      .get()
  } finally {
    db.close()
  }
}
const NOTHING = { live: 0, receipts: 0, effects: 0, payloads: 0, rows: 0, unswept: 0 }

/** What whoever looks must find, however far the archive came. */
const look = (point: string): void => {
  expect({ point, audit: run(["audit", "verify"]).code }).toEqual({ point, audit: 0 })
  expect({ point, verify: run(["verify", "--all"]).code }).toEqual({ point, verify: 0 })
  expect({ point, ...(ok("status") as { counts: object }).counts }).toMatchObject({ point, pending: 0 })
}

// A process that kills itself must be one of its own: without the compiled binary there is none.
describe.skipIf(!hasBinary)("an archive killed at a failpoint", () => {
  let points: readonly string[] = []

  beforeAll(() => {
    repository = makeRepository()
    initWorkspace(repository, { ...OPEN_POLICY, queue: { batch: 50 } })
    land(1, LANDINGS)
    kept = at("kept")
    cpSync(repository.root, `${kept}/repo`, { recursive: true, verbatimSymlinks: true })
    const log = at("points.log")
    expect(archive("none", log).code).toBe(0)
    points = readFileSync(log, "utf8").trim().split("\n")
    expect(leftOf()).toEqual(NOTHING)
  }, 120_000)
  afterAll(() => repository.remove())

  test("passes one before everything that changes something durable", () => {
    expect(points).toEqual([
      "archive.ship",
      // The segment, then the archive's own file.
      "lines.flush",
      "lines.link",
      "archive.ground",
      "archive.write",
      "lines.flush",
      "lines.link",
      "archive.commit",
      "archive.entries",
      "archive.entries",
      "archive.rows",
      "archive.contents",
      "archive.finish",
      "archive.vacuum",
    ])
  })

  test("loses nothing, and the next one goes on where it ended", () => {
    const weight = (index: number) => Bun.hash.wyhash(`${SEED}:archive:${index}`)
    const sampled = [...points.entries()].toSorted(([a], [b]) => (weight(a) < weight(b) ? -1 : 1))
    for (const [index, name] of ALL ? points.entries() : sampled.slice(0, POINTS_SAMPLED)) {
      const point = `${index + 1} ${name}`
      restore()
      expect({ point, code: archive(`*:${index + 1}`).code }).toEqual({ point, code: null })
      look(point)
      // Work goes on in between.
      land(LANDINGS + 1, LANDINGS + 1)
      look(point)
      const again = archive("none")
      expect({ point, code: again.code, stderr: again.stderr }).toMatchObject({ point, code: 0 })
      expect(leftOf()).toEqual(NOTHING)
      look(point)
      // What was archived is whole: rebuilt from the archive, every tree comes out as it landed.
      ok("audit", "ship", at("archive"))
      const replayed = ok("replay", "--from", at("archive"), "--to", at("replayed"))
      expect(replayed).toMatchObject({ landings: LANDINGS + 1, trees: LANDINGS + 1 })
      expect(replayed["tip_tree"]).toBe(repository.git("rev-parse", "main^{tree}"))
    }
  }, 300_000)

  test("leaves no half file in the archive's folder", () => {
    restore()
    expect(archive("archive.commit").code).toBeNull()
    expect(archive("none").code).toBe(0)
    // One that was killed while it was written keeps its other name, and is no segment.
    restore()
    expect(archive("lines.link:2").code).toBeNull()
    expect(archive("none").code).toBe(0)
    expect(readdirSync(at("archive")).filter((name) => name.startsWith("archive-"))).toHaveLength(1)
    expect(existsSync(at("archive"))).toBe(true)
  }, 60_000)
})
