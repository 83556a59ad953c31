import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    full: { type: "boolean", description: "Read every page and index entry, and recompute the log" },
    fix: { type: "boolean", description: "Mend first what can be mended without asking" },
  },
  examples: [
    ["hyperion doctor", "Look at database, queue, policy, git, sandbox and surroundings"],
    ["hyperion doctor --full --format json", "Everything, for a script; exit 1 on errors"],
    ["hyperion doctor --fix", "Take expired leases back, sweep, close files to others"],
  ],
  run: (context) => import("../actions/doctor.ts").then((m) => m.examine(context)),
})
