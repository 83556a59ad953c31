import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    yes: { type: "boolean", description: "Do not ask" },
  },
  examples: [
    ["hyperion config trust", "Read the policy's differences, then trust it"],
    ["hyperion config trust --yes", "Trust it without asking"],
  ],
  run: (context) => import("../actions/config.ts").then((m) => m.configTrust(context)),
})
