import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    id: {
      type: "positional",
      value: "ID",
      required: false,
      description: "Entry, cast, task, request or commit",
    },
    all: { type: "boolean", description: "Every landing there is" },
  },
  examples: [
    ["hyperion verify 12", "Recompute the landed tree with git apply, check every hash"],
    ["hyperion verify --all", "The same for every landing; exit 1 when one differs"],
  ],
  refuse: ({ id, all }) =>
    (id === undefined) === !all
      ? { message: "exactly one of ID and --all is needed", hint: "hyperion verify --all" }
      : undefined,
  run: (context) => import("../actions/verify.ts").then((m) => m.verifyLandings(context)),
})
