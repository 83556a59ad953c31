import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { AuditService } from "../../src/audit/AuditService.ts"
import { RequestStore } from "../../src/intake/RequestStore.ts"
import { Database } from "../../src/platform/Database.ts"
import { QueueService } from "../../src/queue/QueueService.ts"
import { BUSY_MS, busyFriday } from "./busy-friday.ts"
import { runTest } from "./effect.ts"
import { initWorkspace, makeRepository } from "./workspace.ts"

// bun test/support/make-busy-friday.ts: a workspace to look at with dist/hyperion; prints its root.
const shop = makeRepository({ "README.md": "# shop\n", ".gitignore": "/hyperion.json\n" })
initWorkspace(shop, {
  landing: { branch: "main" },
  sandbox: "preferred",
  guards: [{ id: "unit", command: ["true"] }],
})
const layer = Layer.mergeAll(QueueService.layer, AuditService.layer, RequestStore.layer).pipe(
  Layer.provideMerge(Database.layer({ file: join(shop.root, ".hyperion/hyperion.db"), create: false })),
)
await runTest(layer, Effect.zipRight(TestClock.setTime(Date.now() - BUSY_MS), busyFriday()))
process.stdout.write(`${shop.root}\n`)
