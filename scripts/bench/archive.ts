/**
 * Archiving a queue of landings, one file each, 1 KB of content, as JSON: how long it takes and what is left. The
 * landings are written as a worker writes them, without git and guards. `--landings N` (10000), `--folder DIR`.
 */
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { archivingLayer } from "../../src/app-log.ts"
import { AuditService } from "../../src/audit/AuditService.ts"
import { packBlob, putBlobs } from "../../src/audit/BlobStore.ts"
import { PUT_EFFECT } from "../../src/audit/blob.sql.ts"
import { sha256Hex } from "../../src/domain/hash.ts"
import { archive } from "../../src/operations/archive.ts"
import { Database } from "../../src/platform/Database.ts"
import { HumanPresence } from "../../src/platform/HumanPresence.ts"
import { workspaceAt } from "../../src/platform/Workspace.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { anItem, ENQUEUE, settlement } from "../../test/support/queue.ts"

const { values } = parseArgs({
  options: { landings: { type: "string", default: "10000" }, folder: { type: "string", default: tmpdir() } },
})
const landings = Number(values.landings)
const BATCH = 50
const folder = mkdtempSync(join(values.folder, "hyperion-bench-archive-"))
const root = join(folder, "repo")
mkdirSync(join(root, ".hyperion"), { recursive: true })
Bun.spawnSync(["git", "init", "--quiet", root])
const workspace = workspaceAt(root)
const env = { PATH: process.env["PATH"] ?? "", HOME: folder, HYPERION_CACHE: join(folder, "cache") }
const layer = Layer.provideMerge(
  Layer.merge(archivingLayer(workspace, env), HumanPresence.layerOf({ terminal: true, agent: null })),
  Database.layer({ file: workspace.databaseFile, create: true }),
)

const contentOf = (n: number): Uint8Array => {
  let text = ""
  // As little alike as source text.
  for (let line = 0; line < 16; line++) text += `${sha256Hex(`${n}:${line}`)}\n`
  return new TextEncoder().encode(text)
}

const fill = Effect.gen(function* () {
  const queue = yield* QueueService
  const database = yield* Database
  for (let from = 0; from < landings; from += BATCH) {
    const numbers = Array.from({ length: Math.min(BATCH, landings - from) }, (_, at) => from + at)
    const items = numbers.map((n) =>
      anItem({
        taskId: `task-${n}`,
        path: `src/file-${n}.ts`,
        content: new TextDecoder().decode(contentOf(n)),
        at: Date.now(),
      }),
    )
    yield* queue.enqueue(items, ENQUEUE)
    const leases = yield* queue.lease("worker", 300_000, BATCH)
    yield* queue.settle(leases.map((lease) => settlement(lease, "committing")))
    yield* database.write((db) => {
      for (const { entry } of leases) {
        const bytes = contentOf(entry.id)
        const hash = sha256Hex(bytes)
        putBlobs(db, [packBlob(hash, bytes)])
        db.query(PUT_EFFECT).run(entry.id, `src/file-${entry.id}.ts`, null, null, "100644", hash)
      }
    })
    yield* queue.settle(leases.map((lease) => settlement(lease, "applied")))
  }
  // What is compared is the database, not what its write-ahead log happens to hold.
  yield* database.read((db) => db.query("PRAGMA wal_checkpoint(TRUNCATE)").get())
})

const runtime = ManagedRuntime.make(layer)
const clocked = async <A>(run: () => Promise<A>) => {
  const begun = performance.now()
  const value = await run()
  return { ms: Math.round(performance.now() - begun), value }
}
try {
  await runtime.runPromise(Database)
  const filled = await clocked(() => runtime.runPromise(fill))
  const verify = Effect.flatMap(AuditService, (audit) => audit.verify())
  const before = await clocked(() => runtime.runPromise(verify))
  const to = join(folder, "archive")
  const archived = await clocked(() =>
    runtime.runPromise(
      Effect.scoped(
        archive(
          { folder: to, before: Date.now() + 1, dryRun: false, yes: true },
          { render: () => "", color: false },
        ),
      ),
    ),
  )
  const after = await clocked(() => runtime.runPromise(verify))
  const { bytes_before, bytes_after, rows, contents, entries } = archived.value
  const db = statSync(workspace.databaseFile).size
  console.log(
    JSON.stringify(
      {
        landings,
        fill_ms: filled.ms,
        archive_ms: archived.ms,
        verify_before_ms: before.ms,
        verify_after_ms: after.ms,
        fault: after.value.fault,
        entries,
        rows,
        contents,
        bytes_before,
        bytes_after,
        database_bytes: db,
        bytes_left_each: Math.round(bytes_after / landings),
        shrunk_to: Number((bytes_after / bytes_before).toFixed(3)),
      },
      null,
      2,
    ),
  )
} finally {
  await runtime.dispose()
  rmSync(folder, { recursive: true, force: true })
}
