import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    head: { type: "string", value: "HASH", description: "An exported head; the log must still contain it" },
    file: {
      type: "string",
      value: "PATH",
      description: "An export, or a folder of shipped segments, instead of the database",
    },
  },
  examples: [
    ["hyperion audit verify", "Check the whole log"],
    [
      "hyperion audit verify --head 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
      "Also detect that its end was cut off",
    ],
    ["hyperion audit verify --file /mnt/log", "Check shipped segments, without a workspace"],
  ],
  refuse: ({ head }) =>
    head !== undefined && !/^[0-9a-f]{64}$/.test(head)
      ? {
          message: "--head takes a whole head: 64 hex digits",
          hint: "copy it from the line that audit verify printed",
        }
      : undefined,
  run: (context) => import("../actions/audit.ts").then((m) => m.verifyAudit(context)),
})
