import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    from: { type: "string", value: "A..B", description: "The commits of a range, oldest first" },
    ref: { type: "string", value: "REF", description: "The commits of REF that the landing branch lacks" },
    squash: { type: "boolean", description: "One change request instead of one for each commit" },
    out: { type: "string", value: "FILE", description: "Write them there instead of stdout" },
    submit: { type: "boolean", description: "Enqueue them" },
  },
  examples: [
    ["hyperion propose --ref agent/login --submit", "Queue the commits of a branch"],
    ["hyperion propose --from main..HEAD --squash --out change.json", "One change request from all of them"],
  ],
  refuse: ({ from, ref, out, submit }) => {
    const hint = "hyperion propose --help"
    if ((from === undefined) === (ref === undefined)) {
      return { message: "exactly one of --from A..B and --ref REF is needed", hint }
    }
    if (out !== undefined && submit) return { message: "--out and --submit do not go together", hint }
    return undefined
  },
  run: (context) => import("../actions/propose.ts").then((m) => m.propose(context)),
})
