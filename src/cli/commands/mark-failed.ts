import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    id: {
      type: "positional",
      value: "ID",
      required: true,
      description: "Entry, cast, task, request or commit",
    },
    error: { type: "string", value: "TEXT", required: true, description: "Why it cannot succeed" },
  },
  examples: [
    ['hyperion mark-failed 12 --error "the API is gone"', "A dead letter; requeue tries it again"],
    ['hyperion mark-failed login-1 --error "superseded by hand"', "The same by its task"],
  ],
  run: (context) => import("../actions/mark.ts").then((m) => m.failed(context)),
})
