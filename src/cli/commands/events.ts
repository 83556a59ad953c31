import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    follow: {
      type: "boolean",
      description: "Go on as things happen, until Ctrl-C; without --after only new ones",
    },
    after: { type: "integer", value: "SEQ", min: 0, description: "Only rows of the log behind this one" },
    limit: { type: "integer", value: "N", min: 1, description: "Stop after N rows" },
  },
  examples: [
    ["hyperion events --follow --format jsonl", "Everything that happens, one JSON value a line"],
    ["hyperion events --after 120", "The log from row 121 on, oldest first"],
  ],
  run: (context) => import("../actions/events.ts").then((m) => m.showEvents(context)),
})
