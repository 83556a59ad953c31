import { defineCommand } from "../command.ts"
import { notImplemented } from "../run.ts"

export default defineCommand({
  args: {
    ids: {
      type: "positional",
      value: "ID",
      required: true,
      multiple: true,
      description: "Entry, cast, task, request or commit",
    },
    as: { type: "string", value: "NAME", description: "Approve under this name" },
    note: { type: "string", value: "TEXT", description: "Why" },
    key: { type: "string", value: "FILE", description: "Sign with this SSH key" },
    acknowledge: {
      type: "string",
      value: "PATH",
      multiple: true,
      description: "Accept the change of this sensitive path",
    },
    yes: { type: "boolean", description: "Do not ask" },
  },
  examples: [
    ['hyperion approve 12 --note "read it"', "Approve what entry 12 would land"],
    [
      "hyperion approve 12 --acknowledge package.json --key ~/.ssh/id_ed25519",
      "Signed, naming a sensitive path",
    ],
  ],
  run: notImplemented("approve"),
})
