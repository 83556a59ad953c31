import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    dir: {
      type: "positional",
      value: "DIR",
      required: true,
      description: "The folder agents write files into",
    },
    once: { type: "boolean", description: "Take what is whole now, and end" },
    supersede: { type: "boolean", description: "Replace what the same task has queued or landed" },
  },
  examples: [
    ["hyperion watch inbox", "Queue every whole .json and .jsonl; moved to inbox/done or inbox/rejected"],
    ["hyperion watch inbox --once --format json", "One look, for a script; exit 5 when a file was rejected"],
  ],
  run: (context) => import("../actions/watch.ts").then((m) => m.watch(context)),
})
