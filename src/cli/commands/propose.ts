import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    from: { type: "string", value: "A..B", description: "The commits of a range, oldest first" },
    ref: { type: "string", value: "REF", description: "The commits of REF that the landing branch lacks" },
    worktree: { type: "boolean", description: "The uncommitted edits of the working tree you stand in" },
    agent: { type: "string", value: "NAME", description: "Who made the edits (working-tree)" },
    intent: { type: "string", value: "TEXT", description: "What the edits are for" },
    squash: { type: "boolean", description: "One change request instead of one for each commit" },
    out: { type: "string", value: "FILE", description: "Write them there instead of stdout" },
    submit: { type: "boolean", description: "Enqueue them" },
  },
  examples: [
    ["hyperion propose --ref agent/login --submit", "Queue the commits of a branch"],
    ["hyperion propose --from main..HEAD --squash --out change.json", "One change request from all of them"],
  ],
  refuse: ({ from, ref, worktree, agent, intent, out, submit }) => {
    const hint = "hyperion propose --help"
    if ([from !== undefined, ref !== undefined, worktree].filter(Boolean).length !== 1) {
      return { message: "exactly one of --from A..B, --ref REF and --worktree is needed", hint }
    }
    if (!worktree && (agent !== undefined || intent !== undefined)) {
      return {
        message: "--agent and --intent go with --worktree: a commit names its own author and subject",
        hint,
      }
    }
    if (out !== undefined && submit) return { message: "--out and --submit do not go together", hint }
    return undefined
  },
  run: (context) => import("../actions/propose.ts").then((m) => m.propose(context)),
})
