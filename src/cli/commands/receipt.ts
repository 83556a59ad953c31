import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    id: {
      type: "positional",
      value: "ID",
      required: true,
      description: "Entry, cast, task, request or commit",
    },
  },
  examples: [
    ["hyperion receipt 12", "What landed, from which tree to which, proven and approved by whom"],
    ["hyperion receipt login-1 --format json", "The stored document, as docs/SCHEMAS.md describes it"],
  ],
  run: (context) => import("../actions/receipt.ts").then((m) => m.showReceipt(context)),
})
