import * as Effect from "effect/Effect"
import type { LandingRecord } from "../../src/apply/LandingJournal.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { type Settlement, settleAll } from "../../src/queue/settle.ts"
import { PUT_LANDING } from "../../src/worker/journal.sql.ts"
import type { JournalRecord } from "../../src/worker/LandingBook.ts"
import { OPEN_POLICY, requestOf } from "../support/workspace.ts"
import { openWorkshop } from "../worker/workshop.ts"

/** `count` commits on main, each with one more file; oldest first, the base before them. */
const history = (git: (...args: string[]) => string, root: string, count: number): readonly string[] => {
  const lines = Array.from({ length: count }, (_, at) => {
    const from = at === 0 ? "from refs/heads/main^0\n" : ""
    return `commit refs/heads/main\ncommitter A <a@b.c> ${1_700_000_000 + at} +0000\ndata 1\nm\n${from}M 644 inline f${at}\ndata 1\nx\n`
  })
  Bun.spawnSync(["git", "fast-import", "--quiet"], { cwd: root, stdin: Buffer.from(lines.join("")) })
  git("reset", "--quiet", "--hard")
  return git("rev-list", "--reverse", "main").split("\n")
}

/** A workspace whose worker died in `rows` landings at once; half of them had reached the branch. */
export const withOpenLandings = async (rows: number) => {
  const shop = await openWorkshop({ policy: { ...OPEN_POLICY, queue: { batch: 50, max_depth: 5 * rows } } })
  const commits = history(shop.git, shop.root, rows / 2)
  const requests = Array.from({ length: rows }, (_, at) => requestOf(`T-${at}`, { [`t${at}.txt`]: "t\n" }))
  await shop.enqueue(requests)
  const recordOf = (at: number): LandingRecord => ({
    landingId: `l-${at}`,
    mode: "commit",
    branch: "refs/heads/main",
    base: commits[at % (rows / 2)]!,
    tip: at < rows / 2 ? commits[at + 1]! : at.toString(16).padStart(40, "0"),
    durable: true,
    entryIds: [String(at + 1)],
    worktree: {
      root: shop.root,
      gitDir: `${shop.root}/.git`,
      stageDir: `${shop.root}/.hyperion/stage/l-${at}.1`,
      lock: {
        path: `${shop.root}/.git/index.lock`,
        content: `l-${at}\n`,
        mark: `${shop.root}/.git/hyperion-l-${at}.lock`,
      },
      newIndex: `${shop.root}/.git/hyperion-l-${at}.index`,
      files: [],
      newFolders: [],
    },
  })
  await shop.run(
    Effect.gen(function* () {
      const queue = yield* QueueService
      const leases = yield* queue.lease("worker-9", 300_000, rows)
      yield* queue.transact((db, at) => {
        const verification = {
          baseCommit: null,
          baseTree: null,
          resultTree: "0".repeat(40),
          approvalDigest: "d",
          guards: 0,
          body: {},
        }
        settleAll(
          db,
          leases.map((lease): Settlement => ({ to: "committing", lease, verification })),
          at,
        )
        for (const [index, lease] of leases.entries()) {
          const record: JournalRecord = {
            version: 1,
            landing: recordOf(index),
            entries: [
              {
                id: lease.entry.id,
                worker: lease.worker,
                token: lease.token,
                receipt: {
                  schema_version: 1,
                  entry_id: lease.entry.id,
                  checksum: lease.cast.checksum,
                  base_tree: null,
                  result_tree: "0".repeat(40),
                  verified_as: "unguarded",
                  patches: [],
                  guard_outputs: [],
                  approvals: [],
                  flags: [],
                  commit: recordOf(index).tip,
                },
              },
            ],
          }
          db.query(PUT_LANDING).run(`l-${index}`, JSON.stringify(record), at)
        }
      })
    }),
  )
  return shop
}
