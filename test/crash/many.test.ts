import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { AuditService } from "../../src/audit/AuditService.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { recoverAtStart } from "../../src/worker/recover.ts"
import { withOpenLandings } from "./open-landings.ts"

const ROWS = 1_000

test("a thousand open landings, half of them on the branch, are recovered within two seconds", async () => {
  const shop = await withOpenLandings(ROWS)
  const begun = performance.now()
  const report = await shop.run(recoverAtStart())
  const ms = performance.now() - begun
  expect(report.blocked).toBeNull()
  expect(report.settled.filter(({ outcome }) => outcome === "finished")).toHaveLength(ROWS / 2)
  expect(report.settled).toHaveLength(ROWS)
  const counts = await shop.run(Effect.flatMap(QueueService, (queue) => queue.counts()))
  expect(counts).toMatchObject({ applied: ROWS / 2, verified: ROWS / 2, committing: 0 })
  const audit = await shop.run(Effect.flatMap(AuditService, (service) => service.verify(undefined)))
  expect(audit.fault).toBeNull()
  await shop.dispose()
  shop.remove()
  expect(ms).toBeLessThan(2_000)
  if (process.env["HYPERION_CRASH"] === "all")
    process.stderr.write(`recovered ${ROWS} rows in ${Math.round(ms)} ms\n`)
}, 60_000)
