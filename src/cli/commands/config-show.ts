import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    showOrigin: { type: "boolean", description: "Say where each value comes from" },
  },
  examples: [
    ["hyperion config", "The configuration in force"],
    ["hyperion config --show-origin", "And where each value comes from"],
  ],
  run: (context) => import("../actions/config.ts").then((m) => m.configShow(context)),
})
