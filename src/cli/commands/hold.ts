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
    reason: { type: "string", value: "TEXT", required: true, description: "Why it must wait" },
  },
  examples: [
    ['hyperion hold 12 --reason "after the release"', "Neither leased nor landed until released"],
    ['hyperion hold login --reason "wrong approach?"', "All of a request"],
  ],
  run: (context) => import("../actions/hold.ts").then((m) => m.holdEntries(context)),
})
