import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    state: {
      type: "enum",
      value: "STATE",
      options: [
        "scheduled",
        "pending",
        "in_progress",
        "verified",
        "awaiting_approval",
        "committing",
        "applied",
        "conflict",
        "failed",
        "cancelled",
      ],
      multiple: true,
      description: "Only entries in this state",
    },
    held: { type: "boolean", description: "Only undecided entries that a person holds" },
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
    ["hyperion list --state pending --state in_progress", "What is still to come"],
    ["hyperion list --path src/login.ts --since 1d --format json", "What touched a file today"],
  ],
  run: (context) => import("../actions/read.ts").then((m) => m.list(context)),
})
