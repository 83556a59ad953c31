/**
 * Enqueues and lands thousands of one-file changes with the compiled binary while its processes are killed with SIGKILL,
 * and looks at every one of them afterwards: acknowledged means applied, once. Prints one JSON report; exit 1 when
 * anything was lost, landed twice or left half done. The same `--seed` kills after the same times.
 *
 *   bun scripts/soak/kill-under-load.ts [--entries 10000] [--producers 3] [--workers 3] [--batch 50] [--guarded]
 *     [--verify all|N] [--seed N]
 */
import { parseArgs } from "node:util"
import { killUnderLoad } from "./under-load.ts"

const { values } = parseArgs({
  options: {
    entries: { type: "string", default: "10000" },
    producers: { type: "string", default: "3" },
    workers: { type: "string", default: "3" },
    batch: { type: "string", default: "50" },
    guarded: { type: "boolean", default: false },
    verify: { type: "string", default: "all" },
    seed: { type: "string", default: "1" },
  },
})

const report = await killUnderLoad({
  entries: Number(values.entries),
  producers: Number(values.producers),
  workers: Number(values.workers),
  batch: Number(values.batch),
  guarded: values.guarded,
  verify: values.verify === "all" ? "all" : Number(values.verify),
  // From its first file to the middle of its work.
  workerLife: [150, 2_500],
  killsEach: Number.POSITIVE_INFINITY,
  leaseSeconds: 3,
  seed: Number(values.seed),
  say: (text) => process.stderr.write(`${text}\n`),
})
console.log(JSON.stringify({ ...report, faults: report.faults.slice(0, 50) }, null, 2))
process.exitCode = report.faults.length === 0 ? 0 : 1
