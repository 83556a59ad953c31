import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    id: {
      type: "positional",
      value: "ID",
      required: false,
      description: "Entry, cast, task, request or commit; all when absent",
    },
    modifications: {
      type: "boolean",
      description: "Files of the working tree that changed while a worker ran",
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
    ["hyperion history --modifications", "What changed in the working tree, by landings or by others"],
  ],
  refuse: ({ id, modifications }) =>
    modifications && id !== undefined
      ? {
          message: "--modifications is about files, and takes no ID",
          hint: "hyperion history --modifications",
        }
      : undefined,
  run: (context) => import("../actions/read.ts").then((m) => m.showHistory(context)),
})
