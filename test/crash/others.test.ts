import { afterEach, beforeEach, expect, test } from "bun:test"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { LandingLock } from "../../src/platform/LandingLock.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { type Settlement, settleAll } from "../../src/queue/settle.ts"
import { PUT_LANDING } from "../../src/worker/journal.sql.ts"
import type { JournalRecord } from "../../src/worker/LandingBook.ts"
import { hasOpenLandings, recoverAtStart, recoverBetweenTurns } from "../../src/worker/recover.ts"
import { OPEN_POLICY, requestOf } from "../support/workspace.ts"
import { openProcess, openWorkshop, type Process, type Workshop } from "../worker/workshop.ts"

let shop: Workshop
let other: Process
beforeEach(async () => {
  shop = await openWorkshop({ policy: OPEN_POLICY })
  other = await openProcess(shop.repository)
})
afterEach(async () => {
  await other.dispose()
  await shop.dispose()
  shop.remove()
})

/** Leases the entry and takes it into `committing`; with a journal row, unless told otherwise. */
const beginLanding = (id: number, withRow: boolean) =>
  shop.run(
    Effect.gen(function* () {
      const queue = yield* QueueService
      const leases = yield* queue.lease("worker-9", 1_000, 1)
      yield* queue.transact((db, at) => {
        const tree = "0".repeat(40)
        const verification = {
          baseCommit: null,
          baseTree: null,
          resultTree: tree,
          approvalDigest: "d",
          guards: 0,
          body: {},
        }
        settleAll(
          db,
          leases.map((lease): Settlement => ({ to: "committing", lease, verification })),
          at,
        )
        const [lease] = leases
        const record: JournalRecord = {
          version: 1,
          landing: {
            landingId: "l-1",
            mode: "commit",
            branch: "refs/heads/main",
            base: shop.git("rev-parse", "main"),
            tip: "1".repeat(40),
            durable: true,
            entryIds: [String(id)],
            worktree: null,
          },
          entries: [
            {
              id,
              worker: "worker-9",
              token: lease!.token,
              receipt: {
                schema_version: 1,
                entry_id: id,
                checksum: lease!.cast.checksum,
                base_tree: null,
                result_tree: tree,
                verified_as: "unguarded",
                patches: [],
                guard_outputs: [],
                approvals: [],
                flags: [],
                commit: null,
              },
            },
          ],
        }
        if (withRow) db.query(PUT_LANDING).run("l-1", JSON.stringify(record), at)
      })
    }),
  )

test("a landing of a live process is left alone, and recovered once that process is gone", async () => {
  const [id] = await shop.enqueue([requestOf("T-1", { "n.txt": "n\n" })])
  await beginLanding(id!, true)
  const held = Effect.runSync(Deferred.make<void>())
  const landing = shop.runtime.runFork(
    Effect.flatMap(LandingLock, (lock) =>
      lock.exclusive(Effect.zipRight(Deferred.succeed(held, undefined), Effect.never), 0),
    ),
  )
  await Effect.runPromise(Deferred.await(held))
  expect((await other.run(recoverBetweenTurns())).settled).toEqual([])
  expect(await other.state(id!)).toBe("committing")
  await Effect.runPromise(Fiber.interrupt(landing))
  expect((await other.run(recoverBetweenTurns())).settled).toMatchObject([{ entryId: id, outcome: "undone" }])
  expect(await other.state(id!)).toBe("verified")
  expect(await other.run(hasOpenLandings())).toBe(false)
})

test("an entry that is committing without a landing goes back once its lease is over", async () => {
  const [id] = await shop.enqueue([requestOf("T-1", { "n.txt": "n\n" })])
  await beginLanding(id!, false)
  await other.run(recoverAtStart())
  expect(await shop.state(id!)).toBe("committing")
  await other.pass(2_000)
  await other.run(recoverAtStart())
  expect(await shop.state(id!)).toBe("verified")
  expect(await shop.events(id!)).toContain("undone")
})

test("a journal row that cannot be read stops no other, and stays", async () => {
  const [id] = await shop.enqueue([requestOf("T-1", { "n.txt": "n\n" })])
  await beginLanding(id!, true)
  await shop.run(
    Effect.flatMap(QueueService, (queue) =>
      queue.transact((db) => void db.query(PUT_LANDING).run("broken", "{", 0)),
    ),
  )
  const report = await other.run(recoverAtStart())
  expect(report.settled).toHaveLength(1)
  expect(report.blocked).toContain("broken")
  expect(await other.run(hasOpenLandings())).toBe(true)
})

test("stages of the dead go; what is nowhere else is rescued; those of the living stay", async () => {
  const stage = (name: string, content: string) => {
    mkdirSync(`${shop.root}/.hyperion/stage/${name}`)
    writeFileSync(`${shop.root}/.hyperion/stage/${name}/0`, content)
  }
  const gone = Bun.spawnSync(["true"]).pid
  stage(`1-1-a.${gone}`, "a\n")
  stage(`2-1-b.${gone}`, "a late writer's bytes\n")
  stage(`3-1-c.${gone}.new`, "half of a fi")
  stage("4-1-d.1", "of process 1\n")
  stage(`5-1-f.${gone}`, "a\n")
  mkdirSync(`${shop.root}/.hyperion/stage/5-1-f.${gone}/1`)
  writeFileSync(`${shop.root}/.hyperion/stage/5-1-f.${gone}/1/mine.txt`, "in a folder\n")
  writeFileSync(`${shop.root}/.git/hyperion-5-1-e.index`, "x")
  await other.run(recoverAtStart())
  expect(readdirSync(`${shop.root}/.hyperion/stage`)).toEqual(["4-1-d.1"])
  const rescued = readdirSync(`${shop.root}/.hyperion/rescued`)
  const texts = rescued
    .map((name) => `${shop.root}/.hyperion/rescued/${name}`)
    .map((path) => readFileSync(existsSync(`${path}/mine.txt`) ? `${path}/mine.txt` : path, "utf8"))
  expect(texts.toSorted()).toEqual(["a late writer's bytes\n", "in a folder\n"])
  expect(existsSync(`${shop.root}/.git/hyperion-5-1-e.index`)).toBe(false)
})

test("a lock that cannot be used says so instead of blaming another process", async () => {
  const [id] = await shop.enqueue([requestOf("T-1", { "n.txt": "n\n" })])
  mkdirSync(`${shop.root}/.hyperion/landing.lock`)
  await shop.drain()
  const row = await shop.entry(id!)
  expect(row.state).toBe("verified")
  expect(row.reason).toContain("landing.lock cannot be used")
})
