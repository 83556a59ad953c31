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
  ],
  run: (context) => import("../actions/backup.ts").then((m) => m.backUp(context)),
})
