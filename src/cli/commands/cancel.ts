import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    ids: {
      type: "positional",
      value: "ID",
      required: true,
      multiple: true,
      description: "Entry, cast, task, request or commit",
    },
    reason: { type: "string", value: "TEXT", description: "Why" },
  },
  examples: [
    ["hyperion cancel 12", "Withdraw an entry"],
    ['hyperion cancel login --reason "done by hand"', "Withdraw all of a request"],
  ],
  run: (context) => import("../actions/withdraw.ts").then((m) => m.cancelEntries(context)),
})
