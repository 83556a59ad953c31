import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    dir: {
      type: "positional",
      value: "DIR",
      required: true,
      description: "A folder outside the repository, best on another disk; the same one every time",
    },
    before: {
      type: "since",
      description:
        "What was said last before TIME: RFC 3339, epoch, or an age such as 90d; absent: what the policy no longer keeps",
    },
    dryRun: { type: "boolean", description: "Say what would be archived; change nothing" },
    yes: { type: "boolean", description: "Do not ask; people only" },
  },
  examples: [
    ["hyperion archive /mnt/archive --dry-run", "What neither retention of the policy keeps"],
    ["hyperion archive /mnt/archive --before 90d --yes", "Everything that was decided 90 days ago"],
  ],
  run: (context) => import("../actions/archive.ts").then((m) => m.archiveQueue(context)),
})
