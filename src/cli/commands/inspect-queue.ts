import { defineCommand } from "../command.ts"
import doctor from "./doctor.ts"

/** The original's name for `doctor`. */
export default defineCommand({
  ...doctor,
  examples: [
    ["hyperion inspect-queue", "The same as hyperion doctor"],
    ["hyperion inspect-queue --full --format json", "The same as hyperion doctor --full --format json"],
  ],
})
