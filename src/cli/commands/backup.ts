import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    file: {
      type: "positional",
      value: "FILE",
      required: true,
      description: "The new file; one that is there already is never overwritten",
    },
  },
  examples: [
    ["hyperion backup /mnt/backup/queue.db", "Copy the queue while workers go on, and check the copy"],
    ["hyperion backup --format json queue-copy.db", "The same, for a script"],
  ],
  run: (context) => import("../actions/backup.ts").then((m) => m.backUp(context)),
})
