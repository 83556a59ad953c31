import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    file: {
      type: "positional",
      value: "FILE",
      required: true,
      description: "Change request or cast as JSON; - reads stdin",
    },
    runChecks: { type: "boolean", description: "Also run the checks that the change names" },
    dryRun: { type: "boolean", description: "Say what would happen; change nothing" },
  },
  examples: [
    ["hyperion apply change.json --dry-run", "Show what would land"],
    ["hyperion apply change.json --run-checks", "Prove it and land it"],
  ],
  run: (context) => import("../actions/apply.ts").then((m) => m.apply(context)),
})
