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
  },
  examples: [
    ["hyperion release 12", "Let a held entry go on"],
    ["hyperion release login", "All of a request"],
  ],
  run: (context) => import("../actions/hold.ts").then((m) => m.releaseEntries(context)),
})
