import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    id: {
      type: "positional",
      value: "ID",
      required: true,
      description: "Entry, cast, task, request or commit",
    },
    note: { type: "string", value: "TEXT", required: true, description: "How it came to be on the branch" },
  },
  examples: [
    ['hyperion mark-applied 12 --note "cherry-picked by hand"', "Only when the branch holds its result"],
    ['hyperion mark-applied login-1 --note "in 3f2a91c"', "The same by its task"],
  ],
  run: (context) => import("../actions/mark.ts").then((m) => m.applied(context)),
})
