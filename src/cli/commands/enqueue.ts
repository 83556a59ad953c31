import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    files: {
      type: "positional",
      value: "FILE",
      required: true,
      multiple: true,
      description: "Change request, cast or bundle, JSON or JSONL; - reads stdin",
    },
    supersede: { type: "boolean", description: "Replace what the same task has queued or landed" },
    dryRun: { type: "boolean", description: "Say what would happen; change nothing" },
    at: { type: "instant", description: "The clock to make casts with: RFC 3339 or epoch" },
    yes: { type: "boolean", description: "Do not ask" },
  },
  examples: [
    ["hyperion enqueue change.json", "Queue one change request"],
    ["hyperion enqueue - --format jsonl < changes.jsonl", "Queue many; one result a line"],
  ],
  run: (context) => import("../actions/submit.ts").then((m) => m.enqueue(context)),
})
