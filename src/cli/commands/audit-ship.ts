import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    dir: {
      type: "positional",
      value: "DIR",
      required: true,
      description: "A folder, best on another disk or machine",
    },
  },
  examples: [
    ["hyperion audit ship /mnt/log", "Append what is new, with all that replaying it takes"],
    ["hyperion audit ship /mnt/log --format json", "The same, and the segments it wrote for a script"],
  ],
  run: (context) => import("../actions/audit.ts").then((m) => m.shipAudit(context)),
})
