import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    once: { type: "boolean", description: "Stop after one entry" },
    drain: { type: "boolean", description: "Stop when nothing is runnable" },
    runChecks: { type: "boolean", description: "Also run the checks that the changes name" },
    maxAttempts: {
      type: "integer",
      value: "N",
      min: 1,
      description: "Attempts before an entry becomes a dead letter",
    },
    failOnError: { type: "boolean", description: "Exit 1 when an entry failed or conflicted" },
  },
  examples: [
    ["hyperion worker --drain", "Work until nothing is runnable"],
    ["hyperion worker --once --run-checks", "One entry, with its own checks too"],
  ],
  refuse: ({ once, drain }) =>
    once && drain
      ? { message: "--once and --drain do not go together", hint: "hyperion worker --drain" }
      : undefined,
  run: (context) => import("../actions/worker.ts").then((m) => m.worker(context)),
})
