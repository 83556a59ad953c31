import type { QueueMetrics } from "../domain/records.ts"
import { families } from "./families.ts"

const escaped = (text: string): string => text.replace(/[\\"\n]/g, (c) => (c === "\n" ? "\\n" : `\\${c}`))

const labelText = (labels: Readonly<Record<string, string>>): string => {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`)
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`
}

/** Prometheus' text format 0.0.4; a family without a value is left out. */
export const prometheusText = (metrics: QueueMetrics): string =>
  families(metrics)
    .flatMap(({ name, type, help, samples }) => {
      const lines = samples.flatMap(([labels, value]) =>
        value === null ? [] : [`hyperion_${name}${labelText(labels)} ${value}`],
      )
      return lines.length === 0
        ? []
        : [`# HELP hyperion_${name} ${help}`, `# TYPE hyperion_${name} ${type}`, ...lines]
    })
    .join("\n")
    .concat("\n")
