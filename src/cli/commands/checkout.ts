import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    id: {
      type: "positional",
      value: "ID",
      required: true,
      description: "Entry, cast, task or commit",
    },
    dir: {
      type: "positional",
      value: "DIR",
      required: true,
      description: "An empty folder, or one that is not there yet",
    },
  },
  examples: [
    ["hyperion checkout 12 ../candidate", "The tree of an entry: landed, or as it would land now"],
    ["hyperion checkout login-1 ../candidate --format json", "The same, with its base and tree for a script"],
  ],
  run: (context) => import("../actions/checkout.ts").then((m) => m.checkOutEntry(context)),
})
