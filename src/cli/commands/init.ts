import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    profile: {
      type: "enum",
      options: ["replay"],
      description: "A set of policy choices: replay lands everything without approvals or guards",
    },
    branch: { type: "string", value: "NAME", description: "The branch that changes land on" },
    yes: { type: "boolean", description: "Do not ask" },
  },
  examples: [
    ["hyperion init", "Detect guards, write hyperion.json, run the guards once"],
    ["hyperion init --profile replay --branch replay --yes", "A workspace to replay a history in"],
  ],
  run: (context) => import("../actions/init.ts").then((m) => m.init(context)),
})
