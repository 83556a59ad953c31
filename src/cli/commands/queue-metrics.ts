import { defineCommand } from "../command.ts"

export default defineCommand({
  args: {
    since: {
      type: "string",
      value: "SECONDS",
      description: "The span that rates and averages are taken over: seconds, or a duration such as 15m (60)",
    },
    format: {
      type: "enum",
      options: ["text", "json", "jsonl", "prometheus"],
      description: "How the metrics are printed (text)",
    },
  },
  examples: [
    ["hyperion queue-metrics", "The last minute"],
    ["hyperion queue-metrics --since 1h --format json", "The last hour, as verification_report.json has it"],
    ["hyperion queue-metrics --format prometheus", "For a scrape or a textfile collector"],
  ],
  run: (context) => import("../actions/metrics.ts").then((m) => m.showMetrics(context)),
})
