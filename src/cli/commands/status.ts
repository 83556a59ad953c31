import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {},
  examples: [
    ["hyperion status", "What waits, what runs, what needs a person"],
    ["hyperion status --format json", "The same for a script"],
  ],
  run: (context) => import("../actions/status.ts").then((m) => m.showStatus(context)),
})
