import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    reason: { type: "string", value: "TEXT", required: true, description: "Why, for everybody who waits" },
  },
  examples: [
    ['hyperion freeze --reason "release in progress"', "Landings stop; entries are still proven"],
    ['hyperion freeze --reason "main is red" --format json', "The same for a script"],
  ],
  run: (context) => import("../actions/freeze.ts").then((m) => m.freezeLandings(context)),
})
