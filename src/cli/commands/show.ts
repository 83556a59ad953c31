import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    id: {
      type: "positional",
      value: "ID",
      required: true,
      description: "Entry, cast, task, request or commit",
    },
  },
  examples: [
    ["hyperion show 12", "State, patches, guards, approvals"],
    ["hyperion show cast-0123456789abcdef --format json", "The same for a script"],
  ],
  run: (context) => import("../actions/explain.ts").then((m) => m.show(context)),
})
