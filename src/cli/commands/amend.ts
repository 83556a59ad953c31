import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    id: {
      type: "positional",
      value: "ID",
      required: true,
      description: "Entry, cast or task that has not landed",
    },
    from: {
      type: "string",
      value: "DIR",
      required: true,
      description: "The folder that checkout filled and you edited",
    },
    dryRun: { type: "boolean", description: "Say what would be queued; change nothing" },
  },
  examples: [
    ["hyperion amend 12 --from ../candidate", "Queue your edits in its place, with you as co-author"],
    ["hyperion amend 12 --from ../candidate --dry-run", "Validate them only"],
  ],
  run: (context) => import("../actions/amend.ts").then((m) => m.amendEntry(context)),
})
