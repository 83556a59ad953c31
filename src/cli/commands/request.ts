import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    file: {
      type: "positional",
      value: "FILE",
      required: true,
      description: "Task request or bundle as JSON; - reads stdin",
    },
    dryRun: { type: "boolean", description: "Say what would happen; change nothing" },
    agent: { type: "string", value: "NAME", description: "The agent that answers the assignments" },
    model: { type: "string", value: "NAME", description: "The model it uses" },
    agents: { type: "integer", value: "N", min: 1, description: "How many agents work at once" },
  },
  examples: [
    ["hyperion request request.json", "Clarify, split, ask the agent, enqueue its answers"],
    ["hyperion request - --dry-run < request.json", "Show the assignments and answers, enqueue nothing"],
  ],
  run: (context) => import("../actions/request.ts").then((m) => m.request(context)),
})
