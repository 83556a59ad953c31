import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    agent: { type: "string", value: "NAME", description: "Only the entries of this agent" },
    path: { type: "string", value: "PATH", description: "Only entries that change PATH" },
    since: {
      type: "since",
      description: "Only what is not older than TIME: RFC 3339, epoch, or a duration such as 2h",
    },
    limit: { type: "integer", value: "N", min: 1, description: "At most N rows" },
    cursor: { type: "string", value: "TOKEN", description: "Continue after the previous page" },
  },
  examples: [
    ["hyperion list-dead-letters", "What failed and why"],
    ["hyperion list-dead-letters --since 1d --format json", "The failures of the last day"],
  ],
  run: (context) => import("../actions/read.ts").then((m) => m.showDeadLetters(context)),
})
