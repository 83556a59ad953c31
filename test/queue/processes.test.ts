import { describe, expect } from "bun:test"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AuditService } from "../../src/audit/AuditService.ts"
import { Database } from "../../src/platform/Database.ts"
import type { EntryRow } from "../../src/queue/queue.sql.ts"
import { it, providing } from "../support/effect.ts"
import { tempFolder } from "../support/temp.ts"

const script = join(import.meta.dir, "worker-process.ts")

interface Said {
  readonly verb: string
  readonly id: number
  readonly rest: string
}
const parse = (line: string): Said => {
  const [verb, id, rest] = line.split(" ")
  return { verb: verb!, id: Number(id), rest: rest ?? "" }
}

/** Runs one process to its end; `onLine` sees how much it has acknowledged as it comes. */
const run = async (
  [file, name, count, leaseMs]: readonly [string, string, number, number],
  onLine: (lines: number, kill: () => void) => void = () => {},
) => {
  const child = Bun.spawn([process.execPath, script, file, name, String(count), String(leaseMs)], {
    stdout: "pipe",
    stderr: "pipe",
  })
  const stderr = new Response(child.stderr).text()
  const decoder = new TextDecoder()
  let text = ""
  for await (const chunk of child.stdout) {
    text += decoder.decode(chunk, { stream: true })
    onLine(text.split("\n").length - 1, () => child.kill("SIGKILL"))
  }
  // The last line may have been cut by the kill: it was not acknowledged in full.
  const said = text.split("\n").slice(0, -1).map(parse)
  return { said, stderr: await stderr, exitCode: await child.exited, signal: child.signalCode }
}

const stored = (file: string) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(
      Layer.provideMerge(AuditService.layer, Database.layer({ file, create: false })),
    )
    return yield* Effect.gen(function* () {
      const database = yield* Database
      return {
        rows: yield* database.read((db) => db.query<EntryRow, []>("SELECT * FROM entry ORDER BY id").all()),
        integrity: yield* database.read((db) => db.query("PRAGMA integrity_check").all()),
        report: yield* (yield* AuditService).verify(),
      }
    }).pipe(providing(context))
  })

const leasesOf = (said: readonly Said[]) =>
  said.filter(({ verb }) => verb === "leased").map(({ id, rest }) => `${id} ${rest}`)

describe("three processes on one database", () => {
  it.live(
    "never see a lock, never lease the same twice, lose nothing",
    () =>
      Effect.gen(function* () {
        const file = join(yield* tempFolder, "hyperion.db")
        const results = yield* Effect.promise(() =>
          Promise.all(["a", "b", "c"].map((name) => run([file, name, 60, 60_000]))),
        )
        for (const { stderr, exitCode } of results)
          expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 })
        const said = results.flatMap((result) => result.said)
        const leases = leasesOf(said)
        expect(new Set(leases).size).toBe(leases.length)
        const { rows, integrity, report } = yield* stored(file)
        expect(rows.map((row) => row.id)).toEqual(
          said
            .filter(({ verb }) => verb === "enqueued")
            .map(({ id }) => id)
            .sort((a, b) => a - b),
        )
        expect(rows.filter((row) => row.state !== "applied" || row.attempts !== 1)).toEqual([])
        expect(leases).toHaveLength(180)
        expect(integrity).toEqual([{ integrity_check: "ok" }])
        expect(report).toMatchObject({ fault: null, casts: 180 })
      }),
    30_000,
  )

  it.live(
    "one killed in the middle: nothing it acknowledged is lost, the others finish its work",
    () =>
      Effect.gen(function* () {
        const file = join(yield* tempFolder, "hyperion.db")
        const results = yield* Effect.promise(async () => {
          const first = await Promise.all([
            run([file, "a", 40, 250], (lines, kill) => {
              if (lines >= 20) kill()
            }),
            run([file, "b", 40, 250]),
            run([file, "c", 40, 250]),
          ])
          // The others may have been done before: whoever comes next takes the dead worker's leases over.
          return [...first, await run([file, "d", 0, 250])]
        })
        expect(results[0]).toMatchObject({ signal: "SIGKILL", stderr: "" })
        for (const { stderr, exitCode } of results.slice(1))
          expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 })
        const said = results.flatMap((result) => result.said)
        const leases = leasesOf(said)
        expect(new Set(leases).size).toBe(leases.length)
        const { rows, integrity, report } = yield* stored(file)
        const states = new Map(rows.map((row) => [row.id, row.state]))
        for (const { verb, id } of said) {
          if (verb === "enqueued") expect(states.has(id)).toBe(true)
          if (verb === "applied") expect(states.get(id)).toBe("applied")
        }
        // Only what it had begun to land is left, for recovery.
        const left = rows.filter((row) => row.state !== "applied")
        expect(left.filter((row) => row.state !== "committing" || row.lease_owner !== "worker-a")).toEqual([])
        expect(integrity).toEqual([{ integrity_check: "ok" }])
        expect(report.fault).toBeNull()
      }),
    30_000,
  )
})
