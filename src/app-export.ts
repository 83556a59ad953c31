import type * as Layer from "effect/Layer"
import { sha256Hex } from "./domain/hash.ts"
import type { Environment } from "./platform/Terminal.ts"
import { exporterLayer } from "./telemetry/export.ts"
import { readOtelSettings } from "./telemetry/otel-settings.ts"

export interface Exporting {
  /** Null: nothing is sent. */
  readonly layer: Layer.Layer<never> | null
  readonly problems: readonly string[]
}

/** Telemetry as the environment asks for it. Loaded only when it does. */
export const exportingOf = (options: {
  readonly env: Environment
  readonly root: string
  readonly version: string
  readonly warn: (text: string) => void
}): Exporting => {
  const { settings, problems } = readOtelSettings(options.env)
  if (settings === null) return { layer: null, problems }
  const { version } = options
  const resource = {
    "service.version": version,
    // The queue's figures are the workspace's, whichever process tells them.
    "service.instance.id": sha256Hex(`hyperion/workspace/${options.root}`).slice(0, 32),
    ...settings.resource,
  }
  const layer = exporterLayer({ settings, sender: { resource, version }, warn: options.warn })
  return { layer, problems }
}
