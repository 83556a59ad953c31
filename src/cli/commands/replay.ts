import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    to: {
      type: "string",
      value: "DIR",
      required: true,
      description: "An empty folder, or one that is not there yet",
    },
    until: { type: "integer", value: "SEQ", min: 1, description: "Only up to this row of the log" },
    from: {
      type: "string",
      value: "SEGMENTS",
      description: "Shipped segments instead of this workspace's database",
    },
  },
  examples: [
    ["hyperion replay --to ../again", "Rebuild queue and tree from the log, and check both"],
    ["hyperion replay --from /mnt/log --to ../again", "From shipped segments, without a workspace"],
  ],
  run: (context) => import("../actions/replay.ts").then((m) => m.replayLog(context)),
})
