import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    file: {
      type: "positional",
      value: "FILE",
      required: false,
      description: "A new file; stdout without it",
    },
  },
  examples: [
    ["hyperion audit export audit.jsonl", "The chain as JSON lines, its head last"],
    ["hyperion audit export --quiet", "The same on stdout"],
  ],
  run: (context) => import("../actions/audit.ts").then((m) => m.exportAudit(context)),
})
