import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    id: {
      type: "positional",
      value: "ID",
      required: true,
      description: "Entry, cast, task, request or commit",
    },
    reason: { type: "string", value: "TEXT", required: true, description: "Why it can succeed now" },
  },
  examples: [
    ['hyperion requeue 12 --reason "the guard is repaired"', "Back to pending, attempts at zero"],
    ['hyperion requeue login-1 --reason "network is back"', "The same by its task"],
  ],
  run: (context) => import("../actions/withdraw.ts").then((m) => m.requeue(context)),
})
