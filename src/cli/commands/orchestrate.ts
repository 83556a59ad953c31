import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    file: {
      type: "positional",
      value: "FILE",
      required: true,
      description: "Task request as JSON; - reads stdin",
    },
    out: { type: "string", value: "FILE", description: "Write the bundle there instead of stdout" },
  },
  examples: [
    ["hyperion orchestrate request.json", "Print the assignments"],
    ["hyperion orchestrate request.json --out taskjson/login.json", "Keep them as a bundle"],
  ],
  run: (context) => import("../actions/request.ts").then((m) => m.orchestrate(context)),
})
