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
    note: { type: "string", value: "TEXT", required: true, description: "The reason" },
  },
  examples: [
    ['hyperion reject 12 --note "wrong approach"', "Refuse an entry"],
    ['hyperion reject login --note "not now"', "Refuse all of a request"],
  ],
  run: (context) => import("../actions/decide.ts").then((m) => m.rejectEntries(context)),
})
