import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    id: {
      type: "positional",
      value: "ID",
      required: false,
      description: "Entry, cast, task, request or commit; all when absent",
    },
    since: {
      type: "since",
      description: "Only what is not older than TIME: RFC 3339, epoch, or a duration such as 2h",
    },
    limit: { type: "integer", value: "N", min: 1, description: "At most N rows" },
  },
  examples: [
    ["hyperion history 12", "Every step of one entry"],
    ["hyperion history --since 1h --format jsonl", "Every step of the last hour"],
  ],
  run: (context) => import("../actions/read.ts").then((m) => m.showHistory(context)),
})
