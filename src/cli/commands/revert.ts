import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    id: {
      type: "positional",
      value: "ID",
      required: false,
      description: "Entry, cast, task, commit, or a request with all that landed of it",
    },
    agent: { type: "string", value: "NAME", description: "What this agent landed" },
    since: { type: "since", description: "With --agent: not older than TIME, such as 2h" },
    dryRun: { type: "boolean", description: "Say what would be queued; change nothing" },
  },
  examples: [
    ["hyperion revert 12", "Queue the inverse of a landing, through the same gates"],
    ["hyperion revert --agent codex --since 2h --dry-run", "Show what undoing an agent's afternoon takes"],
  ],
  refuse: ({ id, agent, since }) => {
    const hint = "hyperion revert --help"
    if ((id === undefined) === (agent === undefined))
      return { message: "exactly one of ID and --agent NAME is needed", hint }
    if ((agent === undefined) !== (since === undefined))
      return { message: "--agent and --since go together", hint }
    return undefined
  },
  run: (context) => import("../actions/revert.ts").then((m) => m.revertLandings(context)),
})
