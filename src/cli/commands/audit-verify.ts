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
    ["hyperion audit verify --head 9f86d081884c", "Also detect that its end was cut off"],
    ["hyperion audit verify --file /mnt/log", "Check shipped segments, without a workspace"],
  ],
  run: (context) => import("../actions/audit.ts").then((m) => m.verifyAudit(context)),
})
