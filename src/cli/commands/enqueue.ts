import { defineCommand } from "../command.ts"
import { refuseTimeout, TIMEOUT } from "../timeout.ts"

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
    wait: {
      type: "boolean",
      description: "Wait until all are landed, ended or waiting for a person; exit as hyperion wait does",
    },
    timeout: TIMEOUT,
  },
  examples: [
    ["hyperion enqueue change.json", "Queue one change request"],
    ["hyperion enqueue change.json --wait --timeout 15m", "Queue it, and say what became of it"],
    ["hyperion enqueue - --format jsonl < changes.jsonl", "Queue many; one result a line"],
  ],
  refuse: ({ wait, dryRun, timeout }) => {
    if (wait && dryRun)
      return { message: "--wait and --dry-run do not go together", hint: "hyperion enqueue FILE --wait" }
    if (timeout !== undefined && !wait)
      return { message: "--timeout is for --wait", hint: "hyperion enqueue FILE --wait --timeout 15m" }
    return refuseTimeout(timeout)
  },
  run: (context) => import("../actions/submit.ts").then((m) => m.enqueue(context)),
})
