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
    as: { type: "string", value: "NAME", description: "Approve under this name" },
    note: { type: "string", value: "TEXT", description: "Why" },
    acknowledge: {
      type: "string",
      value: "PATH",
      multiple: true,
      description: "Accept the change of this sensitive path",
    },
    yes: { type: "boolean", description: "Do not ask (only where the policy says unattended)" },
  },
  examples: [
    ['hyperion approve 12 --note "read it"', "Approve what entry 12 would land"],
    ["hyperion approve 12 --acknowledge package.json", "Naming a sensitive path"],
    ["hyperion approve login 14", "All entries of a request and one more, as one decision"],
  ],
  run: (context) => import("../actions/decide.ts").then((m) => m.approveEntries(context)),
})
