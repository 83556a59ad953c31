import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    since: {
      type: "since",
      description: "Only what is not older than TIME: RFC 3339, epoch, or a duration such as 2h",
    },
    limit: { type: "integer", value: "N", min: 1, description: "At most N rows" },
  },
  examples: [
    ["hyperion worker-logs --limit 20", "The last 20 steps of the workers"],
    ["hyperion worker-logs --since 10m --format jsonl", "The last ten minutes"],
  ],
  run: (context) => import("../actions/read.ts").then((m) => m.showWorkerLogs(context)),
})
