import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    ttlSeconds: {
      type: "integer",
      value: "N",
      min: 0,
      max: 3_153_600_000,
      description:
        "Sweep what was decided N seconds ago or earlier, instead of what the policy says; people only",
    },
    dryRun: { type: "boolean", description: "Say what would be swept; change nothing" },
  },
  examples: [
    ["hyperion cleanup", "Sweep what queue.retention_days and dead_letter_days no longer keep"],
    ["hyperion cleanup --ttl-seconds 86400 --dry-run", "What a day's retention would sweep"],
  ],
  run: (context) => import("../actions/cleanup.ts").then((m) => m.cleanUp(context)),
})
