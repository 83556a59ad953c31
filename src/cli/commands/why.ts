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
    ["hyperion why 12", "Position, what blocks it, the next command"],
    ["hyperion why login-1 --format json", "The same for a script"],
  ],
  run: (context) => import("../actions/explain.ts").then((m) => m.showWhy(context)),
})
