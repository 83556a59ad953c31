import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    place: {
      type: "positional",
      value: "PATH:LINE",
      required: true,
      description: "A line of a file as the landing branch has it",
    },
  },
  examples: [
    ["hyperion blame src/login.ts:42", "Entry, request, prompt, approver and guard logs of a line"],
    ["hyperion blame src/login.ts:42 --format json", "The same with the whole prompt"],
  ],
  run: (context) => import("../actions/blame.ts").then((m) => m.blameLine(context)),
})
