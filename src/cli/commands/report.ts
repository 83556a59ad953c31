import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    since: {
      type: "since",
      description: "From TIME on: RFC 3339, epoch, or a duration such as 2h (1d)",
    },
    limit: { type: "integer", value: "N", min: 1, max: 100_000, description: "At most N rows a list (1000)" },
    format: {
      type: "enum",
      options: ["md", "text", "json", "jsonl"],
      description: "How the report is printed (md; text, shorter, on a terminal)",
    },
  },
  examples: [
    ["hyperion report", "The last day, as Markdown"],
    ["hyperion report --since 1w --format json", "The last week, for a script"],
  ],
  run: (context) => import("../actions/report.ts").then((m) => m.showReport(context)),
})
