import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {},
  examples: [
    ["hyperion thaw", "Landings begin again"],
    ["hyperion thaw --format json", "The same, and who had frozen it, for a script"],
  ],
  run: (context) => import("../actions/freeze.ts").then((m) => m.thawLandings(context)),
})
